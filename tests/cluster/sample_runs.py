"""Runs of `sae` on a cluster, in processes of their own, and their content digests."""

from __future__ import annotations

import json
import pathlib
import subprocess
import sys
from collections.abc import Callable, Mapping

from pipeline.core import event_log
from pipeline.core.errors import ExitCode
from pipeline.core.events import JobProgress, NodeStarted
from pipeline.core.pipeline_root import Root
from pipeline.metadata.properties import CONTENT_DIGEST
from pipeline.metadata.store import open_store
from tests import PROJECT
from tests.waiting import wait_until

OUTPUTS_TO_EVALUATOR = 9
SECONDS = 900.0  # at most, for a run; it takes two minutes on a free machine
BEAM_NODES = ("ExampleGen", "StatisticsGen", "Evaluator")
LAST_BEAM_NODE = "Evaluator"  # later nodes run where `sae` does
EPOCHS = "2"
# Beam draws which host gets a file: of few files, one host may get all.
MANY_FILES = {"data.shard_examples": "50"}

Digests = dict[tuple[str, str], str]


def start(
    root: pathlib.Path, settings: Mapping[str, str], profile: str = "sample", *, to_node: str = ""
) -> subprocess.Popen[str]:
    """Start a run of all nodes, or of those up to one."""
    named = {"training.epochs": EPOCHS, **settings}
    assigned = [word for name, value in named.items() for word in ("--set", f"{name}={value}")]
    part = ("--to-node", to_node) if to_node else ()
    return _started("run", "--profile", profile, "--root", str(root), *assigned, *part)


def resume(root: pathlib.Path) -> subprocess.Popen[str]:
    """Resume the run of a root."""
    return _started("resume", "--root", str(root))


def ended(run: subprocess.Popen[str]) -> str:
    """Wait for a run whose nodes succeed; return its id."""
    code, summary = _outcome(run)
    assert not summary["error"]
    assert code in (ExitCode.DONE, ExitCode.GATE_FAILED)  # the model is not good after few epochs
    return str(summary["run_id"])


def failed(run: subprocess.Popen[str]) -> str:
    """Wait for a run of which a node fails; return the error."""
    code, summary = _outcome(run)
    assert code == ExitCode.NODE_FAILED
    assert len(str(summary["error"]).splitlines()) == 1
    return str(summary["error"])


def digests(root: pathlib.Path, run_id: str) -> Digests:
    """Return the content digest of each output of a run."""
    store = open_store(Root(root), read_only=True)
    return {
        (node, key): str(output.properties[CONTENT_DIGEST])
        for node, execution in store.executions(run_id).items()
        for key, output in store.outputs(execution.id).items()
    }


def on_one_machine(
    root: pathlib.Path, profile: str = "sample", settings: Mapping[str, str] | None = None, *, to_node: str = ""
) -> Digests:
    """Run without a cluster; return the digests."""
    found = digests(root, ended(start(root, settings or {}, profile, to_node=to_node)))
    assert len(found) >= (OUTPUTS_TO_EVALUATOR if to_node else 12)
    return found


def jobs(root: pathlib.Path) -> dict[str, str]:
    """Return the id of the last Flink job of each node with one, as the page of the only run shows it."""
    found, node = {}, ""
    events = [one.event for path in (root / "progress").glob("*.jsonl") for one in event_log.read(root, path.stem)]
    for event in events:
        if isinstance(event, NodeStarted):
            node = event.node
        elif isinstance(event, JobProgress):
            found[node] = event.link.rpartition("/")[2]
    return found


def work_logs(root: pathlib.Path, node: str) -> set[pathlib.Path]:
    """Return the logs of all processes that worked for a node, those of attempts before too."""
    return set((root / "logs").glob(f"*.workers/{node}/*.log"))


def wait_for_work(run: subprocess.Popen[str], root: pathlib.Path, node: str) -> None:
    """Wait until a process works for a node that did not when this is called, in a job that the run shows."""
    logs, job = work_logs(root, node), jobs(root).get(node)
    wait_for(lambda: run.poll() is not None or (work_logs(root, node) - logs and jobs(root).get(node) != job))
    assert run.poll() is None


def wait_for(condition: Callable[[], object], seconds: float = SECONDS) -> None:
    """Wait for a condition."""
    wait_until(condition, seconds, every=0.2)


def leftovers(root: pathlib.Path) -> list[pathlib.Path]:
    """Return the files of attempts that did not end."""
    outputs = (root / "artifacts").rglob("*")
    return [path for path in outputs if path.name.startswith("beam-temp") or path.suffix == ".unfinished"]


def _started(*arguments: str) -> subprocess.Popen[str]:
    command = [sys.executable, "-m", "pipeline", *arguments, "--json"]
    return subprocess.Popen(command, cwd=PROJECT, stdout=subprocess.PIPE, text=True)


def _outcome(run: subprocess.Popen[str]) -> tuple[int, dict[str, object]]:
    text = run.communicate(timeout=SECONDS)[0]
    return run.returncode, json.loads(text)
