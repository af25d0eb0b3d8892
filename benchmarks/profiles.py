"""Profile what a run is made of: functions of Python with cProfile, and of libraries with perf.

    .venv/bin/python -m benchmarks.profiles --to profiles

It writes `NAME.txt`, the functions with the most time of their own and with all that they call, and `NAME.prof` for
viewers such as snakeviz: of a first run on MNIST, of a rerun that changes nothing, of one with another learning rate,
and of `sae runs`. Threads are profiled too, with Python 3.10 and 3.11. `training.perf.txt` has the shares of libraries
and of their functions in a first run; code that XLA compiled has no names. cProfile makes small functions seem slower.
"""

from __future__ import annotations

import argparse
import pathlib
import pstats
import shutil
import sys

from benchmarks.__main__ import options_of
from benchmarks.measuring import SAE, Options, measure, say
from benchmarks.reruns import NO_GATES

ROWS = 40
# Run `sae` with a profile of each thread, and add them up in the file that the first argument names.
PROFILED = """
import cProfile, pstats, sys, threading
main, others = cProfile.Profile(), []

def begin(*event):
    others.append(cProfile.Profile())
    others[-1].enable()

if sys.version_info < (3, 12):  # from then on, one profile counts the calls of all threads, and mixes them up
    threading.setprofile(begin)
path, sys.argv = sys.argv[1], ["sae", *sys.argv[2:]]
main.enable()
try:
    from pipeline import cli
    cli.main(sys.argv[1:])  # without arguments it would end the process, and no profile would be written
finally:
    main.disable()
    pstats.Stats(main, *others).dump_stats(path)
"""


def python_profile(name: str, arguments: list[str], options: Options, folder: pathlib.Path) -> None:
    """Profile a command, and write its functions."""
    path = folder / f"{name}.prof"
    measure([sys.executable, "-c", PROFILED, str(path), *arguments], options.environment())
    with open(folder / f"{name}.txt", "w", encoding="utf-8") as text:
        stats = pstats.Stats(str(path), stream=text)
        stats.sort_stats("tottime").print_stats(ROWS)
        stats.sort_stats("cumulative").print_stats(ROWS)
    say(f"{folder / name}.txt")


def library_profile(arguments: list[str], options: Options, folder: pathlib.Path) -> None:
    """Profile a command with perf, and write the shares of libraries and of their functions."""
    if not shutil.which("perf"):
        say("skipped: training.perf.txt needs perf")
        return
    data = folder / "training.perf"
    measure(["perf", "record", "--quiet", "-F", "199", "-o", str(data), "--", *SAE, *arguments], options.environment())
    report = ["perf", "report", "--stdio", "--quiet", "--percent-limit", "0.3", "-i", str(data)]
    reports = [measure([*report, "--sort", order]).output for order in ("dso", "dso,symbol")]
    # perf fills lines up to the longest name.
    lines = [line.rstrip(" -") for text in reports for line in text.splitlines()]
    (folder / "training.perf.txt").write_text("\n".join(lines) + "\n", "utf-8")
    data.unlink()
    say(f"{folder / 'training.perf.txt'}")


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.profiles", description=__doc__.splitlines()[0])
    parser.add_argument("--to", type=pathlib.Path, required=True, help="folder to write them to")
    parser.add_argument("--epochs", type=int, default=10, help="of the trainings (default 10)")
    arguments = parser.parse_args()
    folder = arguments.to.resolve()
    folder.mkdir(parents=True, exist_ok=True)
    options = options_of(1)
    with options.work() as work:
        short = ["run", "--set", f"training.epochs={arguments.epochs}"]
        for setting in NO_GATES:
            short += ["--set", setting]
        root = ["--root", f"{work}/root"]
        python_profile("first_run", [*short, *root], options, folder)
        python_profile("rerun_unchanged", [*short, *root], options, folder)
        python_profile("rerun_changed", [*short, *root, "--set", "training.learning_rate=0.0011"], options, folder)
        python_profile("runs", ["runs", *root], options, folder)
        library_profile([*short, "--root", f"{work}/other"], options, folder)


if __name__ == "__main__":
    main()
