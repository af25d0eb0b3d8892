"""What the daemon reads of a run, whatever its pipeline."""

from __future__ import annotations

import json
import pathlib
import sys
from typing import Any

import pytest

from pipeline.scheduler.commands import Commands
from pipeline.scheduler.types import Work

MISSED = {"metric": "bce", "slice": "overall", "value": 0.3, "limit": 0.2, "passed": False}
PASSED = {"metric": "mse", "slice": "overall", "value": 0.1, "limit": 0.2, "passed": True}


def node(state: str, error: str = "", output: str = "Model") -> dict[str, Any]:
    return {"state": state, "error": error, "outputs": [{"artifact": {"type": output}}]}


NODES = [
    node("executed"),
    node("skipped", "the data set has no labels", "ProbeScores"),
    node("skipped", "worse than version 3", "PushedModel"),
]
LIMIT = "the model is not blessed: bce overall is 0.3000, allowed is at most 0.2"


def row(folder: pathlib.Path, run: dict[str, Any]) -> dict[str, str]:
    (folder / "show.json").write_text(json.dumps(run))
    program = f"import sys; assert sys.argv[1] == 'show'; print(open({str(folder / 'show.json')!r}).read())"
    return Commands(folder, (sys.executable, "-c", program)).run_state("r1")


@pytest.mark.parametrize(
    ("error", "nodes", "thresholds", "expected"),
    [
        ("Trainer: no space", NODES, [MISSED], "Trainer: no space"),
        ("", NODES, [PASSED], "worse than version 3"),
        ("", NODES, [MISSED, PASSED], LIMIT),
        ("", NODES[:1], [{**MISSED, "slice": "label 0"}], LIMIT.replace("overall", "label cat")),
        ("", NODES, [MISSED, {**MISSED, "limit": 0.1}], f"{LIMIT}; bce overall is 0.3000, allowed is at most 0.1"),
        ("", [*NODES[:2], node("failed", "no space")], [], "no space"),
        ("", NODES[:2], [], ""),
    ],
)
def test_why_a_run_failed_or_its_model_was_rejected(
    tmp_path: pathlib.Path, error: str, nodes: list[Any], thresholds: list[Any], expected: str
) -> None:
    run = {"row": {"state": "failed", "error": error}, "nodes": nodes, "thresholds": thresholds}
    run["slice_titles"] = {"label 0": "label cat"}
    assert row(tmp_path, run) == {"state": "failed", "error": expected}


def test_a_model_that_could_not_pass_is_told_so(tmp_path: pathlib.Path) -> None:
    missed = {**MISSED, "metric": "bce_to_mean_image", "slice": "label 0", "value": 0.95, "limit": 0.9}
    run = {
        "row": {"state": "failed", "error": ""},
        "thresholds": [missed],
        "slices": {"label 0": {"entropy_floor": 0.46, "mean_image_bce": 0.5}},
        "slice_titles": {"label 0": "label cat"},
    }
    assert row(tmp_path, run)["error"] == (
        "the model is not blessed: bce_to_mean_image label cat is 0.9500, allowed is at most 0.9; no "
        "model can pass: the entropy floor of label cat is 0.9200 of the loss of always predicting the mean, so "
        "raise evaluation.max_bce_to_mean_image or use model.loss=mse"
    )


def test_a_run_that_ml_metadata_does_not_know(tmp_path: pathlib.Path) -> None:
    assert row(tmp_path, {"error": "no run r1"}) == {}


def test_a_tick_runs_the_pipeline_or_a_sweep(tmp_path: pathlib.Path) -> None:
    commands = Commands(tmp_path, ("sae",))
    of_run = commands.run(Work("sample", assignments=("training.epochs=2",)), "schedule nightly x", tmp_path / "1.run")
    options = ("--root", str(tmp_path), "--trigger", "schedule nightly x", "--run-id-file", str(tmp_path / "1.run"))
    assert of_run == ("sae", "run", "--profile", "sample", "--set", "training.epochs=2", *options)
    of_sweep = commands.run(Work("mnist", sweep="l1"), "schedule weekly x", tmp_path / "1.run")
    assert of_sweep == ("sae", "sweep", "run", "l1", "--again", "--root", str(tmp_path))


@pytest.mark.parametrize(
    ("output", "expected"),
    [
        (
            {"artifacts": [{"run": "a"}, {"run": "a"}, {"run": "b"}], "freed": 12_300_000},
            "deleted 3 artifacts of 2 runs, 12.3 MB",
        ),
        ({"artifacts": [{"run": "a"}], "freed": 0}, "deleted 1 artifact of 1 run, 0 B"),
        ({"artifacts": [], "freed": 2_000}, "deleted leftovers and old versions, 2.0 kB"),
        ({"artifacts": [], "freed": 0}, "nothing to delete"),
        ({"error": "?"}, ""),
        (None, ""),
    ],
)
def test_what_gc_deleted(tmp_path: pathlib.Path, output: dict[str, Any] | None, expected: str) -> None:
    text = "warning: slow\n" + (json.dumps(output, indent=2) if output else "")
    assert Commands(tmp_path).collected(text) == expected


@pytest.mark.parametrize(
    ("counts", "expected"),
    [
        ({"succeeded": 6}, {"points": "6 of 6 points of sweep l1"}),
        (
            {"succeeded": 3, "failed": 1, "pruned": 2},
            {"points": "3 of 6 points of sweep l1 succeeded, 1 failed, 2 pruned"},
        ),
        ({"waiting": 6}, {"points": "0 of 6 points of sweep l1 succeeded, 6 waiting"}),
        (None, {}),
    ],
)
def test_the_points_of_a_sweep(tmp_path: pathlib.Path, counts: dict[str, int] | None, expected: dict[str, str]) -> None:
    document = json.dumps({"row": {"points": 6, "counts": counts}})
    program = f"import sys; assert sys.argv[1:4] == ['sweep', 'show', 'l1']; print({document!r})"
    assert Commands(tmp_path, (sys.executable, "-c", program)).sweep_state("l1") == expected
