"""Compare a whole first run with a plain Keras script, and the Evaluator with that of a stock TFX pipeline.

The candidates alternate. The script loads the data, calls Keras' `fit` and predicts; both train 50 epochs of MNIST.
"""

from __future__ import annotations

import dataclasses
import json
import pathlib
import statistics
import sys
from collections import defaultdict
from collections.abc import Mapping, Sequence

from benchmarks.measuring import PROJECT, SAE, Measured, Options, alone, measure, ratios, run_of_mnist, say

ADDED = ("Encode", "PixelProbe", "Probe")  # the plain script writes no codes and fits no probe


@dataclasses.dataclass(frozen=True)
class FirstRun:
    """A whole first run, and the content digest of each output by node and key."""

    measured: Measured
    digests: Mapping[str, str]


def first_run(options: Options, project: pathlib.Path) -> FirstRun:
    """Run all nodes of a checkout in an empty root."""
    with options.work() as root:
        settings = (f"training.epochs={options.sizes.epochs}", "model.l1=1e-5")
        measured = run_of_mnist(options, root, *settings, project=project)
        assert all(node["state"] == "executed" for node in measured.summary["nodes"]), measured.summary["nodes"]
        shown = json.loads(measure([*SAE, "show", "latest", "--json", "--root", root], folder=project).output)
    outputs = [(node["node"], output) for node in shown["nodes"] for output in node["outputs"]]
    return FirstRun(measured, {f"{node}.{output['key']}": output["artifact"]["content"] for node, output in outputs})


def whole_run(options: Options) -> dict[str, list[float]]:
    """Compare the whole run and its epoch with the script; take apart the seconds of the run."""
    ours: list[FirstRun] = []
    before: list[FirstRun] = []
    plain: list[Measured] = []
    script = [sys.executable, options.yardstick("plain_keras.py"), "--data-dir", str(options.data_dir)]
    for number in range(1, options.rounds + 1):
        plain.append(measure([*script, "--epochs", str(options.sizes.epochs)], options.environment()))
        ours.append(first_run(options, PROJECT))
        say(f"round {number}: script {plain[-1].seconds:.1f} s, whole run {ours[-1].measured.seconds:.1f} s")
        if options.before:
            before.append(first_run(options, options.before))
            say(f"round {number}: before {before[-1].measured.seconds:.1f} s")
    if before:
        for name, values in compared([one.measured for one in before], plain).items():
            say(f"before: {name} {statistics.median(values):.3f} ({min(values):.3f} to {max(values):.3f})")
        say(difference(before[-1].digests, ours[-1].digests))
    runs = [one.measured for one in ours]
    found: dict[str, list[float]] = defaultdict(list, compared(runs, plain))
    found["test_bce"] = [one.summary["metrics"]["test_bce"] for one in runs]
    found["script_test_bce"] = [json.loads(one.output)["test_bce"] for one in plain]
    for one in runs:
        for node in one.spans:
            found[f"node_seconds/{node}"].append(one.node_seconds(node))
    return found


def compared(runs: Sequence[Measured], plain: Sequence[Measured]) -> dict[str, list[float]]:
    """Return the figures of runs and of the script in the same rounds."""
    script_seconds = [one.seconds for one in plain]
    script_epochs = [json.loads(one.output)["epoch_s"] for one in plain]
    return {
        "whole": ratios([one.seconds for one in runs], script_seconds),
        "whole_without_added": ratios([one.seconds - alone(one.spans, ADDED) for one in runs], script_seconds),
        "epoch": ratios([one.epoch_seconds for one in runs], script_epochs),
        "epoch_mean": ratios([one.mean_epoch_seconds for one in runs], script_epochs),
        "beside_training": [one.seconds - one.node_seconds("Trainer") for one in runs],
        "run_seconds": [one.seconds for one in runs],
        "script_seconds": script_seconds,
        "peak_memory": [one.peak_mib for one in runs],
    }


def difference(before: Mapping[str, str], after: Mapping[str, str]) -> str:
    """Return a line about the digests of outputs that both have."""
    names = [name for name in before if name in after]
    changed = [name for name in names if before[name] != after[name]]
    verdict = f"other {', '.join(changed)}" if changed else "equal"
    return f"content digests of {len(names)} outputs before and now: {verdict}"


def evaluator(options: Options) -> dict[str, list[float]]:
    """Compare with the stock Evaluator and two stock metrics, after one epoch: training does not affect its speed."""
    found = []
    for _ in range(options.rounds):
        with options.work() as work:
            script = [sys.executable, options.yardstick("stock_tfx.py"), "--data-dir", str(options.data_dir)]
            stock = measure([*script, "--work", work, "--epochs", "1"], options.environment())
        theirs = json.loads(stock.output.splitlines()[-1])["Evaluator"]
        with options.work() as root:
            run = run_of_mnist(
                options, root, "training.epochs=1", "evaluation.max_bce=inf", arguments=("--to-node", "Evaluator")
            )
        say(f"stock Evaluator {theirs:.1f} s, ours {run.node_seconds('Evaluator'):.1f} s")
        found.append(run.node_seconds("Evaluator") / theirs)
    return {"evaluator": found}


def start_up(options: Options) -> dict[str, list[float]]:
    """Measure commands that need neither a root nor TensorFlow."""
    return {
        name: [measure([*SAE, *arguments]).seconds for _ in range(options.sizes.starts)]
        for name, arguments in (("help", ["--help"]), ("config_show", ["config", "show"]))
    }
