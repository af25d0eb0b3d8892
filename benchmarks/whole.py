"""Compare a whole first run with a plain Keras script, and the Evaluator with that of a stock TFX pipeline.

The candidates alternate. The script loads the data, calls Keras' `fit` and predicts; both train 50 epochs of MNIST.
"""

from __future__ import annotations

import json
import sys
from collections import defaultdict

from benchmarks.measuring import SAE, Measured, Options, alone, measure, ratios, run_of_mnist, say

ADDED = ("Encode", "Probe")  # the plain script writes no codes and fits no probe


def whole_run(options: Options) -> dict[str, list[float]]:
    """Compare the whole run and its epoch with the script; take apart the seconds of the run."""
    ours: list[Measured] = []
    plain: list[Measured] = []
    script = [sys.executable, options.yardstick("plain_keras.py"), "--data-dir", str(options.data_dir)]
    for number in range(1, options.rounds + 1):
        plain.append(measure([*script, "--epochs", str(options.sizes.epochs)], options.environment()))
        with options.work() as root:
            ours.append(run_of_mnist(options, root, f"training.epochs={options.sizes.epochs}", "model.l1=1e-5"))
        assert all(node["state"] == "executed" for node in ours[-1].summary["nodes"]), ours[-1].summary["nodes"]
        say(f"round {number}: script {plain[-1].seconds:.1f} s, whole run {ours[-1].seconds:.1f} s")
    script_seconds = [one.seconds for one in plain]
    found: dict[str, list[float]] = defaultdict(list)
    found["whole"] = ratios([one.seconds for one in ours], script_seconds)
    found["whole_without_added"] = ratios([one.seconds - alone(one.spans, ADDED) for one in ours], script_seconds)
    found["epoch"] = ratios([one.epoch_seconds for one in ours], [json.loads(one.output)["epoch_s"] for one in plain])
    found["beside_training"] = [one.seconds - one.node_seconds("Trainer") for one in ours]
    found["run_seconds"], found["script_seconds"] = [one.seconds for one in ours], script_seconds
    found["test_bce"] = [one.summary["metrics"]["test_bce"] for one in ours]
    found["script_test_bce"] = [json.loads(one.output)["test_bce"] for one in plain]
    found["peak_memory"] = [one.peak_mib for one in ours]
    for one in ours:
        for node in one.spans:
            found[f"node_seconds/{node}"].append(one.node_seconds(node))
    return found


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
