"""What a run takes longer for its store: the check before it, and the copy after it.

.venv/bin/python -m benchmarks.metadata_copies [--runs 1000] [--rounds 5]
"""

from __future__ import annotations

import argparse
import pathlib
import statistics
import tempfile
import time
from collections.abc import Callable

from benchmarks import inspection
from pipeline.core.pipeline_root import Root
from pipeline.definition import graph
from pipeline.metadata import backup, store


def median(rounds: int, what: Callable[[], object]) -> float:
    seconds = []
    for _ in range(rounds):
        began = time.perf_counter()
        what()
        seconds.append(time.perf_counter() - began)
    return statistics.median(seconds)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--runs", type=int, default=1_000)
    parser.add_argument("--rounds", type=int, default=5)
    asked = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        root = Root(pathlib.Path(folder))
        inspection.executed_runs(root.metadata, asked.runs)
        newest = store.Store(root.metadata, read_only=True).run_ids()[0]
        print(f"{asked.runs * len(graph.ALL):,} executions, {root.metadata.stat().st_size / 1e6:.0f} MB")
        print(f"check before a run: {median(asked.rounds, lambda: backup.check(root)):.2f} s")
        print(f"copy after a run:   {median(asked.rounds, lambda: backup.make(root, newest, 3)):.2f} s")


if __name__ == "__main__":
    main()
