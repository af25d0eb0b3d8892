"""What is said at the end of a run."""

from __future__ import annotations

import json
import pathlib

import pytest

from pipeline import summary as summaries
from pipeline.errors import ExitCode

METRICS = {
    "pca_mse": 0.01683,
    "test_bce": 0.09431,
    "test_mse": 0.010772,
    "active_units": 17.24,
    "dead_units": 12.0,
    "hoyer": 0.412,
    "gini": 0.637,
    "mean_image_bce": 0.26251,
    "mean_image_mse": 0.0675,
    "entropy_floor": 0.0581,
    "bce_to_mean_image": 0.3593,
}


def summary(**changes):
    fields = {
        "run_id": "20261123-143005",
        "state": "succeeded",
        "dataset": "mnist 3.0.1",
        "notice": "",
        "profile": "mnist",
        "nodes": ({"id": "Trainer", "state": "executed", "seconds": 31.2, "reason": None},),
        "metrics": METRICS,
        "blessed": True,
        "reasons": (),
        "pushed_version": "1795447856",
        "report": "/root/report.html",
        "root": str(pathlib.Path("pipeline_root").resolve()),
        "log": "/root/logs/20261123-143005.log",
        "seconds": 61.25,
        "error": "",
        "exit_code": ExitCode.DONE,
    }
    return summaries.Summary(**(fields | changes))


FAILED = summary(
    state="failed",
    metrics={},
    blessed=None,
    pushed_version=None,
    report=None,
    error="Trainer: the loss is not a number",
    exit_code=ExitCode.NODE_FAILED,
)
NOT_BLESSED = summary(
    blessed=False,
    pushed_version=None,
    reasons=("bce 0.2700 is above 0.12", "label 8: 0.3000 is above 0.16"),
    exit_code=ExitCode.GATE_FAILED,
)
DATA_REFUSED = summary(
    state="failed",
    metrics={},
    blessed=None,
    pushed_version=None,
    report=None,
    error="DataGate: image: unexpected shape",
    exit_code=ExitCode.GATE_FAILED,
)


def test_a_good_run_ends_with_its_measures_and_what_to_do_next():
    assert summaries.summary_text(summary()).splitlines() == [
        "",
        "mnist 3.0.1, run 20261123-143005: succeeded in 61.2 s",
        "",
        "on the test split           model  mean image      PCA    floor",
        "  BCE, nats per pixel      0.0943      0.2625            0.0581",
        "  MSE                     0.01077     0.06750  0.01683        0",
        "  active units per image     17.2",
        "  dead units                   12",
        "",
        "blessed, served as version 1795447856",
        "report: /root/report.html",
        f"next:   {summaries.next_command(summary())}",
    ]


def test_the_next_command_names_a_root_that_is_not_the_default():
    assert summaries.next_command(summary(root="/other")).startswith("sae run --root /other --set model.l1=1e-4")


def test_a_notice_is_repeated_with_the_result():
    assert "note: This is the sample" in summaries.summary_text(summary(notice="This is the sample")).splitlines()


def test_a_blessed_model_that_was_not_pushed_is_not_said_to_be_served():
    assert "blessed" in summaries.summary_text(summary(pushed_version=None)).splitlines()


def test_a_model_that_is_not_blessed_is_explained():
    lines = summaries.summary_text(NOT_BLESSED).splitlines()
    assert "not blessed, not served: bce 0.2700 is above 0.12; label 8: 0.3000 is above 0.16" in lines
    assert "report: /root/report.html" in lines


def test_a_failed_node_is_explained_with_the_log_and_without_measures():
    assert summaries.summary_text(FAILED).splitlines() == [
        "",
        "mnist 3.0.1, run 20261123-143005: failed in 61.2 s",
        "error: Trainer: the loss is not a number",
        "log:    /root/logs/20261123-143005.log",
        "next:   less /root/logs/20261123-143005.log",
    ]


def test_refused_data_is_explained_without_measures():
    lines = summaries.summary_text(DATA_REFUSED).splitlines()
    assert lines[2] == "error: DataGate: image: unexpected shape"
    assert len(lines) == 4


@pytest.mark.parametrize(
    ("ended", "command"),
    [
        (summary(), "sae run --set model.l1=1e-4"),
        (FAILED, "less /root/logs/20261123-143005.log"),
        (NOT_BLESSED, "sae run --set training.epochs=100"),
        (DATA_REFUSED, "sae config show"),
    ],
    ids=["good", "node failed", "not blessed", "data refused"],
)
def test_the_next_command_fits_the_end(ended, command):
    assert summaries.next_command(ended).startswith(command)


def test_the_next_command_keeps_the_profile_of_this_run():
    assert "--profile sample" in summaries.next_command(summary(profile="sample"))


def test_as_json_it_is_one_object_with_null_for_what_there_is_not():
    found = json.loads(summaries.Summary.as_json(FAILED))
    assert found["schema_version"] == 1
    assert found["exit_code"] == 1
    assert (found["report"], found["blessed"], found["pushed_version"], found["notice"]) == (None, None, None, None)
    assert found["error"] == "Trainer: the loss is not a number"
    assert json.loads(summary().as_json())["error"] is None


def test_as_json_it_has_the_measures_unrounded_and_every_node():
    found = json.loads(summary().as_json())
    assert found["metrics"] == METRICS
    assert found["nodes"] == [{"id": "Trainer", "state": "executed", "seconds": 31.2, "reason": None}]
