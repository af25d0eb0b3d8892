"""Compare a whole run with a plain Keras script and a stock TFX pipeline.

    make bench ARGS="--rounds 5"

Needs a prepared MNIST (TFDS_DATA_DIR) and the two baselines (SAE_YARDSTICKS, a folder with plain_keras.py and
stock_tfx.py; default ../shared/bench). The speed of a machine drifts, so the candidates alternate; the result is the
median of the ratios of consecutive runs.
"""

from __future__ import annotations

import argparse
import dataclasses
import json
import os
import pathlib
import re
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from typing import Any

PROJECT = pathlib.Path(__file__).parents[1]
SHARED = PROJECT.parent / "shared"
EPOCH_LINE = re.compile(r"Trainer epoch (\d+)/(\d+)")


@dataclasses.dataclass(frozen=True)
class Measured:
    """A finished process: wall seconds, peak memory in MiB, standard output, and mean seconds of an epoch."""

    seconds: float
    peak_mib: float
    output: str
    epoch_seconds: float


def measure(command: Sequence[str], environment: dict[str, str]) -> Measured:
    begun = time.monotonic()
    epochs: dict[int, float] = {}
    with tempfile.TemporaryFile("w+") as output:
        process = subprocess.Popen(
            command, stdout=output, stderr=subprocess.PIPE, text=True, env={**os.environ, **environment}, cwd=PROJECT
        )
        assert process.stderr is not None
        last = ""
        for last in process.stderr:
            if match := EPOCH_LINE.search(last):
                epochs[int(match.group(1))] = time.monotonic()
        _, status, usage = os.wait4(process.pid, 0)
        seconds = time.monotonic() - begun
        process.returncode = os.waitstatus_to_exitcode(status)
        if process.returncode:
            sys.exit(f"{' '.join(command)} failed with {process.returncode}: {last}")
        output.seek(0)
        # Without the first epoch, which compiles. The script's own mean contains its compilation: 1 % more.
        mean = (epochs[max(epochs)] - epochs[min(epochs)]) / (len(epochs) - 1) if len(epochs) > 1 else 0.0
        return Measured(seconds, usage.ru_maxrss / 1024, output.read(), mean)


def line(name: str, ratios: list[float], limit: str) -> None:
    print(f"{name:<44} {statistics.median(ratios):6.3f}  ({min(ratios):.3f} to {max(ratios):.3f}, {limit})", flush=True)


def whole_run(data_dir: pathlib.Path, yardsticks: pathlib.Path, epochs: int, rounds: int) -> float:
    """Return the median seconds of the Evaluator."""
    ours: list[Measured] = []
    plain: list[Measured] = []
    nodes: list[dict[str, float]] = []
    run = [sys.executable, "-m", "pipeline", "run", "--json", "--set", f"training.epochs={epochs}", "--set"]
    environment = {"TFDS_DATA_DIR": str(data_dir), "TF_USE_LEGACY_KERAS": "1", "TF_CPP_MIN_LOG_LEVEL": "2"}
    for number in range(1, rounds + 1):
        script = [sys.executable, str(yardsticks / "plain_keras.py"), "--data-dir", str(data_dir)]
        plain.append(measure([*script, "--epochs", str(epochs)], environment))
        with tempfile.TemporaryDirectory(prefix="sae-bench-") as root:
            ours.append(measure([*run, "model.l1=1e-5", "--root", root], environment))
        summary: dict[str, Any] = json.loads(ours[-1].output)
        assert all(node["state"] == "executed" for node in summary["nodes"]), summary["nodes"]
        nodes.append({node["id"]: node["seconds"] for node in summary["nodes"]})
        print(
            f"round {number}: plain {plain[-1].seconds:.1f} s, whole run {ours[-1].seconds:.1f} s, "
            f"test BCE {json.loads(plain[-1].output)['test_bce']:.4f} and {summary['metrics']['test_bce']:.4f}",
            flush=True,
        )
    line("whole run / plain Keras script", ratios([m.seconds for m in ours], [m.seconds for m in plain]), "at most 0.9")
    keras_epochs = [json.loads(measured.output)["epoch_s"] for measured in plain]
    line("epoch / Keras' epoch", ratios([m.epoch_seconds for m in ours], keras_epochs), "at most 0.6")
    print(f"{'peak memory of the run, MiB':<44} {max(m.peak_mib for m in ours):6.0f}  (at most 3072)")
    for node in nodes[0]:
        print(f"  {node:<42} {statistics.median(times[node] for times in nodes):6.2f} s")
    return statistics.median(times["Evaluator"] for times in nodes)


def ratios(one: list[float], other: list[float]) -> list[float]:
    return [a / b for a, b in zip(one, other, strict=True)]


def evaluator(data_dir: pathlib.Path, yardsticks: pathlib.Path, ours: float) -> None:
    """Compare with the stock Evaluator and stock metrics, after one epoch: training does not affect its speed."""
    with tempfile.TemporaryDirectory(prefix="sae-bench-") as work:
        script = [sys.executable, str(yardsticks / "stock_tfx.py"), "--data-dir", str(data_dir), "--work", work]
        stock = measure([*script, "--epochs", "1"], {"TF_USE_LEGACY_KERAS": "1", "TF_CPP_MIN_LOG_LEVEL": "2"})
    seconds = json.loads(stock.output.splitlines()[-1])["Evaluator"]
    line("Evaluator / stock Evaluator with stock metrics", [ours / seconds], "at most 0.067")


def start_up() -> None:
    for arguments in (["--help"], ["config", "show"]):
        command = [sys.executable, "-m", "pipeline", *arguments]
        seconds = [measure(command, {}).seconds for _ in range(7)]
        print(f"{'sae ' + ' '.join(arguments) + ', seconds':<44} {statistics.median(seconds):6.3f}  (under 0.5)")


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.end_to_end", description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=3, help="times that each candidate runs (default 3)")
    parser.add_argument("--epochs", type=int, default=50)
    parser.add_argument("--skip-stock", action="store_true", help="leave out the stock pipeline (2 to 5 minutes)")
    arguments = parser.parse_args()
    yardsticks = pathlib.Path(os.environ.get("SAE_YARDSTICKS", SHARED / "bench"))
    data_dir = pathlib.Path(os.environ.get("TFDS_DATA_DIR", SHARED / "data" / "tensorflow_datasets"))
    start_up()
    for path, what in ((yardsticks / "plain_keras.py", "SAE_YARDSTICKS"), (data_dir / "mnist", "TFDS_DATA_DIR")):
        if not path.exists():
            print(f"skipped: the rest needs {path} (set {what})")
            return
    ours = whole_run(data_dir.resolve(), yardsticks.resolve(), arguments.epochs, arguments.rounds)
    if not arguments.skip_stock:
        evaluator(data_dir.resolve(), yardsticks.resolve(), ours)


if __name__ == "__main__":
    main()
