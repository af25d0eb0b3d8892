"""Measures what digests and decisions cost, and what a long history does to a run.

    .venv/bin/python -m benchmarks.reproducibility

Needs a prepared MNIST (TFDS_DATA_DIR) for full runs. The share of digests and decisions is taken inside one run, by a
clock around each of these calls: two runs differ by more than that. Runs in a root with a history and in an empty one
alternate, and what counts is the median of the ratios of neighbours.
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
from typing import Any

from benchmarks.end_to_end import PROJECT, SHARED, line, measure, ratios

# A process of its own: it runs `sae run` with a clock around whatever notes digests, decides, or writes a manifest.
TIMED = """
import pathlib, sys, time
from pipeline import cli
from pipeline.core import pipeline_root
from pipeline.sparse_autoencoder import dataset_cache
from pipeline.metadata import writer
from pipeline.orchestration import cache, process_setup
from pipeline.provenance import manifest
from pipeline_config import EngineConfig

place = pipeline_root.Root(pathlib.Path(sys.argv[-1]))
place.create()
process_setup.set_environment(place, EngineConfig())
with process_setup.heavy_imports():
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

for owner, name in ((cache.NodeCache, "decide"), (cache.NodeCache, "damage"), (manifest, "collect"),
                    (manifest, "write"), (dataset_cache, "remember"),
                    (MetadataWriter, "begin_run"),
                    (publish, "describe_outputs")):
    timed(owner, name)
try:
    cli.main(sys.argv[1:])
finally:
    print("SPENT", sum(spent), file=sys.stderr)
"""
HISTORY = """
import pathlib, sys
from pipeline.core import settings
from pipeline.sparse_autoencoder.definition import PIPELINE
from pipeline.orchestration import request as run_request
from pipeline.orchestration import run
from pipeline.terminal.progress import display
from tests.e2e.conftest import QUICK

request = run_request.RunRequest(PIPELINE, settings.Request(profile="sample", assignments=QUICK, root=sys.argv[1]))
for number in range(int(sys.argv[2])):
    run.run(request, display)
"""
QUICK = ("--profile", "sample", "--set", "training.epochs=2", "--set", "training.batch_size=32",
         "--set", "evaluation.max_bce=0.6", "--set", "evaluation.max_bce_worst_label=0.7",
         "--set", "evaluation.max_bce_to_mean_image=0.99")  # fmt: skip


def share_of_digests(environment: dict[str, str], rounds: int) -> None:
    shares = []
    for _ in range(rounds):
        root = tempfile.mkdtemp(prefix="sae-bench-")
        try:
            command = [sys.executable, "-c", TIMED, "run", "--json", "--root", root]
            begun = time.monotonic()
            done = subprocess.run(command, capture_output=True, text=True, check=True, cwd=PROJECT, env=environment)
            seconds = time.monotonic() - begun
        finally:
            shutil.rmtree(root)
        spent = float(done.stderr.rsplit("SPENT", 1)[1])
        shares.append(spent / seconds)
        print(f"digests and decisions {spent:.2f} s of {seconds:.1f} s", flush=True)
    line("digests and decisions / whole run", shares, "at most 0.03")


def with_history(environment: dict[str, str], runs: int, rounds: int) -> None:
    folder = pathlib.Path(tempfile.mkdtemp(prefix="sae-bench-"))
    try:
        long = folder / "long"
        subprocess.run(
            [sys.executable, "-c", HISTORY, str(long), str(runs)], check=True, cwd=PROJECT, env=environment,
            stderr=subprocess.DEVNULL,
        )  # fmt: skip
        again = [sys.executable, "-m", "pipeline", "run", "--json", *QUICK, "--root", str(long)]
        seconds = [measure(again, environment).seconds for _ in range(7)]
        print(f"{f'unchanged rerun, {runs} runs before, seconds':<44} {statistics.median(seconds):6.2f}  (under 3)")
        planned = [measure([*again[:3], "plan", *again[5:]], environment).seconds for _ in range(5)]
        print(f"{f'sae plan, {runs} runs before, seconds':<44} {statistics.median(planned):6.2f}  (under 3)")
        full = [sys.executable, "-m", "pipeline", "run", "--json", "--no-cache"]
        both: dict[str, list[float]] = {"long": [], "empty": []}
        settings: list[str] = [*QUICK]
        for number in range(rounds):
            for name in ("long", "empty"):
                root = long if name == "long" else folder / f"empty{number}"
                if name == "empty":  # but for the prepared digits: making them is not what is measured
                    shutil.copytree(long / "data", root / "data")
                measured = measure([*full, *settings, "--root", str(root)], environment)
                nodes: dict[str, Any] = json.loads(measured.output)
                assert all(node["state"] == "executed" for node in nodes["nodes"])
                both[name].append(measured.seconds)
        # The history costs the same seconds whatever the run does, so against a full run it is less.
        line(f"run of the sample, {runs} runs before / none", ratios(both["long"], both["empty"]), "")
        extra = statistics.median(a - b for a, b in zip(both["long"], both["empty"], strict=True))
        print(f"{'seconds more with that history':<44} {extra:6.2f}  (5 % of a full run)")
    finally:
        shutil.rmtree(folder)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=3, help="times that each candidate runs (default 3)")
    parser.add_argument("--runs", type=int, default=1_000, help="earlier runs in the root (default 1000)")
    arguments = parser.parse_args()
    data_dir = pathlib.Path(os.environ.get("TFDS_DATA_DIR", SHARED / "data" / "tensorflow_datasets")).resolve()
    environment = {**os.environ, "TFDS_DATA_DIR": str(data_dir), "TF_USE_LEGACY_KERAS": "1"}
    with_history(environment, arguments.runs, arguments.rounds)
    if not (data_dir / "mnist").exists():
        print(f"skipped: the share of digests needs {data_dir / 'mnist'} (set TFDS_DATA_DIR)")
        return
    share_of_digests(environment, arguments.rounds)


if __name__ == "__main__":
    main()
