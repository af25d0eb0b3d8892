"""Stands in for `sae` where a test is about the daemon: the same command line, and what a run does in an assignment.

    stand_in.py run --profile P --root R --trigger T --run-id-file F --set do=sleep:0.5,exit:1
    stand_in.py show RUN --root R --json
    stand_in.py gc --yes --root R --json
    stand_in.py sweep run|show NAME --root R

The step `wait` ends when the root contains a file `go`.
Runs are lines of JSON in `ran.jsonl` in the root; like real ones they hold the root's lock.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import pathlib
import signal
import subprocess
import sys
import time


def main() -> int:
    parser = argparse.ArgumentParser()
    commands = parser.add_subparsers(dest="command", required=True)
    run, show, gc = (commands.add_parser(name) for name in ("run", "show", "gc"))
    for name in ("--profile", "--root", "--trigger", "--run-id-file"):
        run.add_argument(name, required=True)
    run.add_argument("--config")
    run.add_argument("--seed")
    run.add_argument("--set", action="append", default=[])
    show.add_argument("run_id")
    show.add_argument("--root", required=True)
    show.add_argument("--json", action="store_true", required=True)
    gc.add_argument("--root", required=True)
    for name in ("--yes", "--json"):
        gc.add_argument(name, action="store_true", required=True)
    gc.add_argument("--config")
    gc.add_argument("--set", action="append", default=[])
    sweep = commands.add_parser("sweep")
    sweep.add_argument("do", choices=("run", "show"))
    sweep.add_argument("name")
    sweep.add_argument("--root", required=True)
    for name in ("--again", "--json"):
        sweep.add_argument(name, action="store_true")
    asked = parser.parse_args()
    return {"run": do_run, "show": do_show, "gc": do_gc, "sweep": do_sweep}[asked.command](asked)


def do_run(asked: argparse.Namespace) -> int:
    from pipeline.core.errors import LockedError
    from pipeline.core.pipeline_root import Root

    root = pathlib.Path(asked.root)
    steps = dict(step.partition(":")[::2] for text in asked.set for step in text.removeprefix("do=").split(",") if step)
    if "early" in steps:
        print("error: there is no data; bring it", file=sys.stderr)
        return int(steps["early"])
    try:
        with Root(root).lock():
            return locked(root, asked, steps)
    except LockedError as error:
        print(f"error: {error}", file=sys.stderr)
        return 5


def do_gc(asked: argparse.Namespace) -> int:
    from pipeline.core.pipeline_root import Root

    root = pathlib.Path(asked.root)
    with Root(root).lock(), open(root / "tidied.jsonl", "a", encoding="utf-8") as file:
        file.write(json.dumps({"pid": os.getpid(), "assignments": asked.set}) + "\n")
        file.flush()
        while "do=exit:1,slowgc" in asked.set and not (root / "go").exists():
            time.sleep(0.01)
    return 0


def do_sweep(asked: argparse.Namespace) -> int:
    """Show a sweep all of whose points succeeded; a run of it does nothing."""
    if asked.do == "show":
        print(json.dumps({"row": {"points": 6, "counts": {"succeeded": 6}}}))
    return 0


def locked(root: pathlib.Path, asked: argparse.Namespace, steps: dict[str, str]) -> int:
    run_id = f"run-{os.getpid()}-{time.time_ns()}"

    def note(**values: object) -> None:
        line = json.dumps({"id": run_id, "trigger": asked.trigger, "pid": os.getpid(), "time": time.time(), **values})
        with open(root / "ran.jsonl", "a", encoding="utf-8") as file:
            file.write(line + "\n")

    note(state="running", arguments=sys.argv[1:])
    pathlib.Path(asked.run_id_file).write_text(run_id, encoding="utf-8")
    if "child" in steps:
        with contextlib.suppress(AttributeError):
            child = subprocess.Popen(["/bin/sleep", "600"])
            note(state="running", child=child.pid)
    if "deaf" in steps:
        signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        while "wait" in steps and not (root / "go").exists():
            time.sleep(0.01)
        time.sleep(float(steps.get("sleep", 0)))
    except KeyboardInterrupt:
        note(state="cancelled")
        return 130
    code = int(steps.get("exit", 0))
    note(state="failed" if code else "succeeded", error="Trainer: it does not learn" if code else "")
    return code


def do_show(asked: argparse.Namespace) -> int:
    last: dict[str, object] = {}
    for line in pathlib.Path(asked.root, "ran.jsonl").read_text(encoding="utf-8").splitlines():
        if (values := json.loads(line))["id"] == asked.run_id:
            last = values
    if last["state"] == "running":  # one that nobody noted the end of
        last["state"] = "unfinished"
    print(json.dumps({"row": {"id": asked.run_id, "state": last["state"], "error": last.get("error", "")}}))
    return 0


if __name__ == "__main__":
    sys.exit(main())
