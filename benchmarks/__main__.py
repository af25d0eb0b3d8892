"""Measure the pipeline beside its limits, and write the figures into README.md and docs/performance.md.

    make bench ARGS="--rounds 5"
    make bench ARGS="--only rerun,reading --rounds 3"

What is compared alternates, because the speed of a machine drifts: a ratio is one of consecutive runs. It needs a
prepared MNIST (TFDS_DATA_DIR, default ../shared/data/tensorflow_datasets) and the scripts to compare with
(SAE_YARDSTICKS, a folder with plain_keras.py and stock_tfx.py; default ../shared/bench); parts that miss them are
skipped. The figures of a part are written when it ends, others stay.
"""

from __future__ import annotations

import argparse
import dataclasses
import importlib
import os
import pathlib
import sys
import tempfile
from collections.abc import Callable

from benchmarks import results
from benchmarks.measuring import SHARED, TRIAL, Options, Sizes, SkippedError, say

Part = Callable[[Options], dict[str, list[float]]]
# In this order; a module is imported when its part begins, as some import TensorFlow.
PARTS = {
    "start": "whole.start_up",
    "whole": "whole.whole_run",
    "rerun": "reruns.rerun",
    "reading": "inspection.reading",
    "clone": "clone.clone",
    "sweep": "reruns.sweep",
    "sparse": "sparse_epochs.sparse",
    "growth": "growth.growth",
    "stock": "whole.evaluator",
}
DEFAULT = tuple(name for name in PARTS if name != "stock")


def part(name: str) -> Part:
    module, _, function = PARTS[name].partition(".")
    found: Part = getattr(importlib.import_module(f"benchmarks.{module}"), function)
    return found


def chosen(text: str) -> list[str]:
    """Return the names of parts in a list with commas, in their order."""
    names = text.split(",")
    if unknown := [name for name in names if name not in PARTS]:
        raise argparse.ArgumentTypeError(f"{', '.join(unknown)}: choose from {', '.join(PARTS)}")
    return [name for name in PARTS if name in names]


def positive(text: str) -> int:
    if not text.isdecimal() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"{text}: give a whole number, 1 or more")
    return int(text)


def options_of(rounds: int, sizes: Sizes | None = None, folder: pathlib.Path | None = None) -> Options:
    """Return the options with the folders of the environment."""
    return Options(
        rounds,
        sizes or Sizes(),
        folder or pathlib.Path(tempfile.gettempdir()),
        pathlib.Path(os.environ.get("TFDS_DATA_DIR", SHARED / "data" / "tensorflow_datasets")).resolve(),
        pathlib.Path(os.environ.get("SAE_YARDSTICKS", SHARED / "bench")).resolve(),
    )


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=positive, default=3, help="times that each candidate runs (default 3)")
    parser.add_argument(
        "--only", type=chosen, default=DEFAULT, help=f"parts: {', '.join(PARTS)} (default all but the last)"
    )
    parser.add_argument("--trial", action="store_true", help="try it with tiny sizes; nothing is written")
    parser.add_argument(
        "--folder",
        type=pathlib.Path,
        default=pathlib.Path(tempfile.gettempdir()),
        help="for data and roots (default TMPDIR)",
    )
    parser.add_argument("--results", type=pathlib.Path, default=results.FILE, help="file of the figures")
    parser.add_argument(
        "--before", type=pathlib.Path, help="another checkout: part `whole` runs it too, in turn, and compares digests"
    )
    arguments = parser.parse_args()
    if arguments.before and not (arguments.before / "pipeline" / "__main__.py").exists():
        parser.error(f"--before {arguments.before}: give a folder with a checkout of this project")
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")  # before a part imports TensorFlow
    if not arguments.folder.is_dir():
        parser.error(f"--folder {arguments.folder}: give an existing folder")
    options = options_of(arguments.rounds, TRIAL if arguments.trial else Sizes(), arguments.folder.resolve())
    options = dataclasses.replace(options, before=arguments.before and arguments.before.resolve())
    failed: list[str] = []
    for name in arguments.only:
        say(name)
        try:
            found = results.figures(part(name)(options))
        except SkippedError as error:
            say(f"skipped: {error}")
            continue
        except SystemExit as error:  # a command failed: the other parts are measured all the same
            say(str(error))
            failed.append(name)
            continue
        for figure in found:
            print(f"  {figure.line}", flush=True)
        if not arguments.trial:
            results.save(results.merge(results.load(arguments.results), found), arguments.results)
            if arguments.results == results.FILE:
                results.write_tables()
    if failed:
        sys.exit(f"error: failed: {', '.join(failed)}")


if __name__ == "__main__":
    main()
