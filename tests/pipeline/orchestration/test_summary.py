"""What is said at the end of a run."""

from __future__ import annotations

import dataclasses
import json
import pathlib

import pytest

from pipeline.core import events
from pipeline.core.errors import ExitCode
from pipeline.core.events import NodeEnded, NodeState
from pipeline.definition import graph
from pipeline.metadata.run_properties import Headline
from pipeline.orchestration import summary as summaries
from tests.pipeline import recorded as roots

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
        "kept_back": "",
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
KEPT_BACK = summary(
    kept_back="test BCE 0.0943 is 1.179 times the 0.0800 of version 3, allowed is at most 1.05",
    pushed_version=None,
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


def test_a_model_that_is_kept_back_is_explained():
    lines = summaries.summary_text(KEPT_BACK).splitlines()
    assert f"blessed, not served: {KEPT_BACK.kept_back}" in lines


def test_the_command_that_serves_it_all_the_same_names_its_root_and_no_profile():
    found = summaries.next_command(dataclasses.replace(KEPT_BACK, root="/other", profile="sample"))
    assert found == "sae promote 20261123-143005 --reason TEXT --root /other   (serves it all the same)"


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
        (KEPT_BACK, "sae promote 20261123-143005 --reason TEXT"),
        (DATA_REFUSED, "sae config show"),
    ],
    ids=["good", "node failed", "not blessed", "kept back", "data refused"],
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


NODES = tuple(
    {"id": name, "state": state, "seconds": 0.0, "reason": None}
    for name, state in [("A", "executed"), ("B", "cached"), ("C", "cached"), ("D", "skipped"), ("E", "failed")]
)


def test_the_headline_is_the_summary_in_short():
    assert summaries.headline_of(summary(nodes=NODES), "manual") == Headline(
        state="succeeded",
        seconds=61.25,
        dataset="mnist 3.0.1",
        profile="mnist",
        trigger="manual",
        test_bce=0.09431,
        test_mse=0.010772,
        active_units=17.24,
        dead_units=12.0,
        blessed=1,
        executed=1,
        cached=2,
        pushed_version="1795447856",
    )


def test_the_headline_of_a_failed_run_says_why_and_has_no_measures():
    found = summaries.headline_of(FAILED, "manual")
    assert (found.state, found.error) == ("failed", "Trainer: the loss is not a number")
    assert (found.test_bce, found.blessed, found.pushed_version) == (None, None, None)


def test_a_model_that_is_not_blessed_is_so_in_the_headline_of_a_run_that_succeeded():
    found = summaries.headline_of(NOT_BLESSED, "manual")
    assert (found.state, found.blessed, found.error) == ("succeeded", 0, None)


def test_a_run_that_was_broken_off_is_so_in_the_headline():
    assert summaries.headline_of(FAILED, "manual", "cancelled").state == "cancelled"


# --- from ML Metadata --------------------------------------------------------------------------


@pytest.fixture
def recorded(tmp_path):
    return roots.Recorded(tmp_path)


def of_run(recorded, run_id, *assignments, exit_code=ExitCode.DONE, error=""):
    ended = (
        NodeEnded("ExampleGen", NodeState.CACHED, 0.0),
        NodeEnded("Trainer", NodeState.EXECUTED, 31.23456),
        NodeEnded("Pusher", NodeState.SKIPPED, 0.0, "the model is not blessed"),
    )
    return summaries.of_run(
        recorded.store(),
        events.RunResult(run_id, ended, exit_code, error),
        recorded.settings(*assignments),
        recorded.source(notice="a notice"),
        recorded.root,
        recorded.root.logs / f"{run_id}.log",
        61.23456,
    )


def test_a_run_is_summed_up_from_what_was_recorded(recorded):
    recorded.run("r1")
    found = of_run(recorded, "r1")
    # Each number under its name in the summary, and the one that the Report noted.
    assert found.metrics == {
        "test_bce": 0.0943,
        "test_mse": 0.0108,
        "active_units": 17.2,
        "dead_units": 12.0,
        "hoyer": 0.41,
        "gini": 0.64,
        "mean_image_bce": 0.2625,
        "mean_image_mse": 0.0675,
        "entropy_floor": 0.0581,
        "bce_to_mean_image": 0.36,
        "pca_mse": 0.0168,
    }
    assert (found.run_id, found.state, found.exit_code, found.error) == ("r1", "succeeded", ExitCode.DONE, "")
    assert (found.dataset, found.notice, found.profile) == ("mnist 3.0.1", "a notice", "mnist")
    assert (found.blessed, found.reasons, found.pushed_version) == (True, (), "1")
    assert found.report == str(recorded.root.artifacts / "Report" / "report" / "r1" / "report.html")
    assert pathlib.Path(found.report).is_file()
    assert (found.root, found.log) == (str(recorded.root.path), str(recorded.root.logs / "r1.log"))
    assert found.seconds == 61.235
    assert found.nodes == (
        {"id": "ExampleGen", "state": "cached", "seconds": 0.0, "reason": None},
        {"id": "Trainer", "state": "executed", "seconds": 31.235, "reason": None},
        {"id": "Pusher", "state": "skipped", "seconds": 0.0, "reason": "the model is not blessed"},
    )


def test_a_rerun_that_changed_nothing_is_summed_up_alike(recorded):
    recorded.run("r1")
    recorded.replay("r2")
    one, other = (json.loads(of_run(recorded, run).as_json()) for run in ("r1", "r2"))
    for name in ("metrics", "blessed", "reasons", "pushed_version", "report", "exit_code"):
        assert one[name] == other[name]


def test_a_model_that_is_not_blessed_fails_its_gate_and_is_told_why(recorded):
    recorded.run("r1", "evaluation.max_bce=0.09", blessed=False)
    found = of_run(recorded, "r1", "evaluation.max_bce=0.09")
    assert (found.state, found.exit_code, found.blessed) == ("succeeded", ExitCode.GATE_FAILED, False)
    assert found.reasons == ("bce overall is 0.0943, allowed is at most 0.09",)
    assert found.pushed_version is None


def test_a_model_that_is_kept_back_fails_the_push_gate_and_is_told_why(recorded):
    recorded.run("r1")
    decided = recorded.outputs("r1", "PushGate")["decision"]
    recorded.change(decided.id, push=0, reason="worse than version 3")
    found = of_run(recorded, "r1")
    assert (found.state, found.exit_code, found.blessed) == ("succeeded", ExitCode.GATE_FAILED, True)
    assert (found.kept_back, found.pushed_version) == ("worse than version 3", None)
    assert json.loads(found.as_json())["kept_back"] == "worse than version 3"


def test_a_model_that_passed_or_is_not_blessed_is_not_kept_back(recorded):
    recorded.run("r1")
    assert (of_run(recorded, "r1").kept_back, json.loads(of_run(recorded, "r1").as_json())["kept_back"]) == ("", None)
    recorded.run("r2", "training.seed=2", blessed=False)
    assert of_run(recorded, "r2").kept_back == ""


def test_a_failed_run_has_only_what_was_made_before(recorded):
    recorded.run("r1", failed="Report")
    found = of_run(recorded, "r1", exit_code=ExitCode.NODE_FAILED, error="Report: no memory")
    assert (found.state, found.exit_code, found.error) == ("failed", ExitCode.NODE_FAILED, "Report: no memory")
    assert (found.blessed, found.report) == (True, None)
    assert "pca_mse" not in found.metrics
    recorded.run("r2", failed="Evaluator")
    found = of_run(recorded, "r2", exit_code=ExitCode.NODE_FAILED)
    assert (found.metrics, found.blessed, found.reasons, found.pushed_version) == ({}, None, (), None)


def test_a_failed_node_goes_before_a_gate_that_was_not_passed(recorded):
    recorded.run("r1", failed="Report", blessed=False)
    found = of_run(recorded, "r1", exit_code=ExitCode.NODE_FAILED)
    assert (found.exit_code, found.blessed) == (ExitCode.NODE_FAILED, False)


def test_a_blessed_model_whose_push_failed_has_no_version(recorded):
    recorded.run("r1", failed="Pusher")
    found = of_run(recorded, "r1", exit_code=ExitCode.NODE_FAILED)
    assert (found.blessed, found.pushed_version) == (True, None)


def test_data_that_was_refused_stays_a_failed_gate(recorded):
    recorded.run("r1", failed="DataGate")
    found = of_run(recorded, "r1", exit_code=ExitCode.GATE_FAILED)
    assert (found.state, found.exit_code, found.blessed) == ("failed", ExitCode.GATE_FAILED, None)


def test_without_numbers_noted_there_are_none(recorded):
    recorded.run("r1", noted=False)
    found = of_run(recorded, "r1")
    assert found.metrics == {"pca_mse": 0.0168}
    assert (found.blessed, found.reasons) == (True, ())
    assert summaries.evaluation_of(recorded.outputs("r1", "Evaluator")["evaluation"]) is None


def test_the_numbers_of_an_evaluation_are_by_label():
    text = json.dumps({"overall": {"bce": 0.1}, "per_label": {"0": {"bce": 0.2}, "10": {"bce": 0.3}}})
    found = summaries.evaluation_of(summaries.metadata.Output("/evaluation", {"metrics": text}))
    assert found.overall == {"bce": 0.1}
    assert found.per_label == {0: {"bce": 0.2}, 10: {"bce": 0.3}}


def test_a_run_in_a_moved_root_is_summed_up_where_it_lies(recorded):
    recorded.run("r1")
    recorded.root = type(recorded.root)(recorded.root.path.rename(recorded.folder / "moved"))
    assert pathlib.Path(of_run(recorded, "r1").report).is_file()
    assert set(graph.NAMES) == set(recorded.store().executions("r1"))
