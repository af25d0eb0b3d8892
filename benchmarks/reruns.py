"""Measure reruns on MNIST, and a sweep beside its trainings."""

from __future__ import annotations

import json

from benchmarks.measuring import SAE, Options, measure, run_of_mnist, say

# A short training serves for what is beside it, if its model passes every gate.
NO_GATES = ("evaluation.max_bce=inf", "evaluation.max_bce_worst_label=inf", "serving.max_bce_to_served=inf")


def rerun(options: Options) -> dict[str, list[float]]:
    """Measure reruns that change nothing, and reruns with another learning rate, without their training."""
    unchanged, beside = [], []
    with options.work() as root:
        short = (f"training.epochs={min(options.sizes.epochs, 5)}", *NO_GATES)
        run_of_mnist(options, root, *short)
        for number in range(1, options.rounds + 1):
            for _ in range(options.sizes.starts):
                same = run_of_mnist(options, root, *short)
                assert not same.spans, same.spans
                unchanged.append(same.seconds)
            changed = run_of_mnist(options, root, *short, f"training.learning_rate={0.001 + number / 10_000}")
            assert "Trainer" in changed.spans, changed.spans
            assert "Transform" not in changed.spans, changed.spans
            beside.append(changed.seconds - changed.node_seconds("Trainer"))
            say(f"round {number}: unchanged {same.seconds:.2f} s, beside a changed training {beside[-1]:.1f} s")
            run_of_mnist(options, root, *short)
    return {"rerun_unchanged": unchanged, "rerun_changed": beside}


def sweep(options: Options) -> dict[str, list[float]]:
    """Compare a sweep in an empty root with the trainings of its points."""
    with options.work() as root:
        values = ",".join(f"{number}e-5" for number in range(1, options.sizes.points + 1))
        command = [*SAE, "sweep", "run", "bench", "--over", f"model.l1={values}", "--root", root, "--json"]
        swept = measure([*command, "--set", f"training.epochs={options.sizes.epochs}"], options.environment())
        trainings = []
        for point in json.loads(swept.output)["points"]:
            shown = json.loads(measure([*SAE, "show", point["run"], "--root", root, "--json"]).output)
            trainings += [node["seconds"] for node in shown["nodes"] if node["node"] == "Trainer"]
    assert len(trainings) == options.sizes.points
    say(f"{len(trainings)} points {swept.seconds:.1f} s, their trainings {sum(trainings):.1f} s")
    return {"sweep": [swept.seconds / sum(trainings)]}
