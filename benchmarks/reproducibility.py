"""Measure the cost of digests and cache decisions, and the effect of a long history on a run.

    .venv/bin/python -m benchmarks.reproducibility

Needs a prepared MNIST (TFDS_DATA_DIR) for full runs. The share of digests and decisions is measured inside one run, by
a clock around each call, because two runs differ by more than that. Runs in a root with a history and in an empty root
alternate; the result is the median of the ratios of consecutive runs.
"""

from __future__ import annotations

import argparse
import json
import os
import pathlib
import shutil
import statistics
import subprocess
import sys
import tempfile
import time

from benchmarks.measuring import PROJECT, SAE, SHARED, measure, ratios
from tests.e2e.conftest import QUICK_OPTIONS

# Run `sae run` in a process of its own, with a clock around the calls that record digests, decide or write a manifest.
TIMED = """
import pathlib, sys, time
from pipeline import cli
from pipeline.core import pipeline_root
from pipeline.metadata import writer
from pipeline.orchestration import cache, imports, process_setup
from pipeline.provenance import manifest
from pipeline.sparse_autoencoder import dataset_cache
from pipeline_config import EngineConfig

root = pipeline_root.Root(pathlib.Path(sys.argv[-1]))
root.create()
process_setup.set_environment(root, EngineConfig())
with imports.heavy_imports():
    from pipeline.orchestration.tfx import publish

spent = []

def timed(owner, name):
    function = getattr(owner, name)
    def call(*arguments, **options):
        begun = time.monotonic()
        try:
            return function(*arguments, **options)
        finally:
            spent.append(time.monotonic() - begun)
    setattr(owner, name, call)

for owner, names in ((cache.NodeCache, ("decide", "damage")), (manifest, ("collect", "write")),
                     (dataset_cache, ("remember",)), (writer.MetadataWriter, ("begin_run",)),
                     (publish, ("describe_outputs",))):
    for name in names:
        timed(owner, name)
try:
    cli.main(sys.argv[1:])
finally:
    print("SPENT", sum(spent), file=sys.stderr)
"""
HISTORY = """
import pathlib, sys
from tests.e2e.conftest import QUICK, run_here

for number in range(int(sys.argv[2])):
    run_here(pathlib.Path(sys.argv[1]), *QUICK)
"""


def make_history(root: pathlib.Path, runs: int, environment: dict[str, str]) -> None:
    """Make a root with runs of the sample, all cached but the first."""
    command = [sys.executable, "-c", HISTORY, str(root), str(runs)]
    subprocess.run(command, check=True, cwd=PROJECT, env=environment, stderr=subprocess.DEVNULL)


def line(name: str, ratios: list[float], limit: str) -> None:
    print(f"{name:<44} {statistics.median(ratios):6.3f}  ({min(ratios):.3f} to {max(ratios):.3f}{limit})", flush=True)


def share_of_digests(environment: dict[str, str], rounds: int) -> None:
    shares = []
    for _ in range(rounds):
        with tempfile.TemporaryDirectory(prefix="sae-bench-") as root:
            command = [sys.executable, "-c", TIMED, "run", "--json", "--root", root]
            begun = time.monotonic()
            done = subprocess.run(command, capture_output=True, text=True, check=True, cwd=PROJECT, env=environment)
            seconds = time.monotonic() - begun
        spent = float(done.stderr.rsplit("SPENT", 1)[1])
        shares.append(spent / seconds)
        print(f"digests and decisions {spent:.2f} s of {seconds:.1f} s", flush=True)
    line("digests and decisions / whole run", shares, ", at most 0.03")


def with_history(folder: pathlib.Path, environment: dict[str, str], runs: int, rounds: int) -> None:
    long = folder / "long"
    make_history(long, runs, environment)
    for command, name in (("run", "unchanged rerun"), ("plan", "sae plan")):
        again = [*SAE, command, "--json", *QUICK_OPTIONS, "--root", str(long)]
        seconds = statistics.median(measure(again, environment).seconds for _ in range(7))
        print(f"{f'{name}, {runs} runs before, seconds':<44} {seconds:6.2f}  (under 3)")
    both: dict[str, list[float]] = {"long": [], "empty": []}
    for number in range(rounds):
        empty = folder / f"empty{number}"
        shutil.copytree(long / "data", empty / "data")  # preparing the digits is not measured
        for name, root in (("long", long), ("empty", empty)):
            full = measure([*SAE, "run", "--json", "--no-cache", *QUICK_OPTIONS, "--root", str(root)], environment)
            assert all(node["state"] == "executed" for node in json.loads(full.output)["nodes"])
            both[name].append(full.seconds)
    # The history costs the same seconds in any run, so its share of a full run on MNIST is smaller.
    line(f"run of the sample, {runs} runs before / none", ratios(both["long"], both["empty"]), "")
    extra = statistics.median(a - b for a, b in zip(both["long"], both["empty"], strict=True))
    print(f"{'seconds more with that history':<44} {extra:6.2f}  (5 % of a full run)")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=3, help="times that each candidate runs (default 3)")
    parser.add_argument("--runs", type=int, default=1_000, help="earlier runs in the root (default 1000)")
    arguments = parser.parse_args()
    data_dir = pathlib.Path(os.environ.get("TFDS_DATA_DIR", SHARED / "data" / "tensorflow_datasets")).resolve()
    environment = {**os.environ, "TFDS_DATA_DIR": str(data_dir), "TF_USE_LEGACY_KERAS": "1"}
    with tempfile.TemporaryDirectory(prefix="sae-bench-") as folder:
        with_history(pathlib.Path(folder), environment, arguments.runs, arguments.rounds)
    if not (data_dir / "mnist").exists():
        print(f"skipped: the share of digests needs {data_dir / 'mnist'} (set TFDS_DATA_DIR)")
        return
    share_of_digests(environment, arguments.rounds)


if __name__ == "__main__":
    main()
