"""How a run ended."""

from __future__ import annotations

import dataclasses
import json
import pathlib

import pytest

from pipeline.core import settings
from pipeline.core.errors import ExitCode
from pipeline.core.events import NodeEnded, NodeState
from pipeline.metadata.run_properties import Headline
from pipeline.metadata.types import Artifact
from pipeline.orchestration import summary as summaries
from pipeline.registry import promotion
from pipeline.sparse_autoencoder import definition
from pipeline.sparse_autoencoder.definition import PIPELINE
from tests.pipeline.terminal.examples import FAILED, NOT_BLESSED, summary

NODES = tuple(
    {"id": name, "state": state, "seconds": 0.0, "reason": None}
    for name, state in [("A", "executed"), ("B", "cached"), ("C", "cached"), ("D", "skipped"), ("E", "failed")]
)


def test_the_headline_is_the_summary_in_short():
    assert summaries.headline_of(summary(nodes=NODES), PIPELINE, "manual") == Headline(
        state="succeeded",
        seconds=61.25,
        dataset="mnist 3.0.1",
        profile="mnist",
        trigger="manual",
        metrics={"test_bce": 0.09431, "test_mse": 0.010772, "active_units": 17.24, "dead_units": 12.0},
        blessed=1,
        executed=1,
        cached=2,
        skipped=1,
        pushed_version="1795447856",
    )


def test_the_headline_of_a_failed_run_says_why_and_has_no_measures():
    found = summaries.headline_of(FAILED, PIPELINE, "manual")
    assert (found.state, found.error) == ("failed", "Trainer: the loss is not a number")
    assert (found.metrics, found.blessed, found.pushed_version) == ({}, None, None)


def test_a_model_that_is_not_blessed_is_so_in_the_headline_of_a_run_that_succeeded():
    found = summaries.headline_of(NOT_BLESSED, PIPELINE, "manual")
    assert (found.state, found.blessed, found.error) == ("succeeded", 0, None)


def test_the_headline_of_an_interrupted_run_has_its_state():
    assert summaries.headline_of(FAILED, PIPELINE, "manual", "cancelled").state == "cancelled"


# --- from ML Metadata --------------------------------------------------------------------------


def of_run(recorded, run_id, *assignments, exit_code=ExitCode.DONE, error="", hint="", executions=None, kind="image"):
    ended = (
        NodeEnded("ExampleGen", NodeState.CACHED, 0.0),
        NodeEnded("Trainer", NodeState.EXECUTED, 31.23456),
        NodeEnded("Pusher", NodeState.SKIPPED, 0.0, "the model is not blessed"),
    )
    configured = recorded.configured(*assignments, source=recorded.source(notice="a notice", kind=kind))
    data = dataclasses.replace(PIPELINE.data, hints=lambda resolved, attainable: (hint,) * bool(hint and attainable))
    configured.pipeline = dataclasses.replace(PIPELINE, data=data)
    return summaries.of_run(
        recorded.store(),
        summaries.RunResult(run_id, ended, exit_code, error, executions),
        configured,
        recorded.root,
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


def test_a_result_with_its_executions_is_summed_up_alike(recorded):
    recorded.run("r1")
    known = {node: one.id for node, one in recorded.store().executions("r1").items()}
    assert of_run(recorded, "r1", executions=known) == of_run(recorded, "r1")
    assert of_run(recorded, "r1", executions={}).metrics == {}


def test_labels_of_metrics_are_in_the_words_of_the_data(recorded):
    recorded.run("r1")
    assert of_run(recorded, "r1", kind="vector").words == {"image": "vector", "pixel": "value"}


def test_a_rerun_that_changed_nothing_is_summed_up_alike(recorded):
    recorded.run("r1")
    recorded.replay("r2")
    one, other = (of_run(recorded, run) for run in ("r1", "r2"))
    for name in ("metrics", "blessed", "reasons", "pushed_version", "report", "exit_code"):
        assert getattr(one, name) == getattr(other, name)


def test_the_version_of_a_model_that_was_promoted_is_the_one_that_is_served(recorded):
    recorded.run("r1")
    recorded.run("r2", "training.seed=2")
    promotion.promote(recorded.root, "r1", "better", print)  # as version 3
    recorded.replay("r3")
    assert of_run(recorded, "r3").pushed_version == "3"
    assert of_run(recorded, "r2", "training.seed=2").pushed_version is None


def test_a_model_that_is_not_blessed_fails_its_gate_with_the_reasons(recorded):
    recorded.run("r1", "evaluation.max_bce=0.09", blessed=False)
    found = of_run(recorded, "r1", "evaluation.max_bce=0.09")
    assert (found.state, found.exit_code, found.blessed) == ("succeeded", ExitCode.GATE_FAILED, False)
    assert found.reasons == ("bce overall is 0.0943, allowed is at most 0.09",)
    assert found.pushed_version is None


def test_hints_are_repeated_for_a_model_that_is_not_blessed(recorded):
    recorded.run("r1")
    recorded.run("r2", "training.seed=2", blessed=False)
    assert of_run(recorded, "r1", hint="try less").hints == ()
    assert of_run(recorded, "r2", "training.seed=2", hint="try less").hints == ("try less",)


def test_a_model_that_could_not_pass_is_told_so_and_not_how_to_train_a_better_one(recorded):
    recorded.run("r1", "evaluation.max_bce_to_mean_image=0.2", blessed=False)
    found = of_run(recorded, "r1", "evaluation.max_bce_to_mean_image=0.2", hint="try less")
    assert found.reasons[-1] == (  # 0.0581 / 0.2625
        "no model can pass: the entropy floor of the test split is 0.2213 of the loss of always predicting the mean, "
        "so raise evaluation.max_bce_to_mean_image or use model.loss=mse"
    )
    assert found.hints == ()


def test_a_model_that_the_push_gate_rejects_fails_its_gate_with_the_reason(recorded):
    recorded.run("r1")
    decided = recorded.outputs("r1", "PushGate")["decision"]
    recorded.change(decided.id, push=0, reason="worse than version 3")
    found = of_run(recorded, "r1")
    assert (found.state, found.exit_code, found.blessed) == ("succeeded", ExitCode.GATE_FAILED, True)
    assert (found.kept_back, found.pushed_version) == ("worse than version 3", None)


def test_a_model_that_passed_or_is_not_blessed_is_not_rejected(recorded):
    recorded.run("r1")
    assert of_run(recorded, "r1").kept_back == ""
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
    assert definition.evaluation_of(recorded.outputs("r1", "Evaluator")["evaluation"]) is None


def test_the_numbers_of_an_evaluation_are_by_label():
    text = json.dumps({"overall": {"bce": 0.1}, "per_label": {"0": {"bce": 0.2}, "10": {"bce": 0.3}}})
    found = definition.evaluation_of(Artifact("/evaluation", {"metrics": text}))
    assert found.overall == {"bce": 0.1}
    assert found.per_label == {0: {"bce": 0.2}, 10: {"bce": 0.3}}


def test_a_run_in_a_moved_root_is_summed_up_where_it_lies(recorded):
    recorded.run("r1")
    recorded.root = type(recorded.root)(recorded.root.path.rename(recorded.folder / "moved"))
    assert pathlib.Path(of_run(recorded, "r1").report).is_file()
    assert set(PIPELINE.names) == set(recorded.store().executions("r1"))


@pytest.mark.parametrize(
    "assignments",
    [(), ("training.epochs=3", "training.jit_compile=false"), ("data.dataset=fashion_mnist", "evaluation.max_bce=0.5")],
)
def test_the_assignments_give_the_settings_of_the_run_with_its_profile(recorded, assignments):
    recorded.run("r1", *assignments)
    found = of_run(recorded, "r1", *assignments)
    assert set(found.assignments) == set(assignments)
    request = settings.Request(found.profile, assignments=found.assignments, root=str(recorded.root.path))
    assert settings.resolve(request).config == recorded.config(*assignments)
