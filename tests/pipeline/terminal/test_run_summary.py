"""The last lines of a run."""

from __future__ import annotations

import dataclasses

import pytest

from pipeline.core.errors import ExitCode
from pipeline.core.events import NOT_IN_PART
from pipeline.core.suggestions import Selection
from pipeline.sparse_autoencoder.definition import PIPELINE
from pipeline.terminal import run_summary
from tests.pipeline.terminal.examples import FAILED, KEPT_BACK, NOT_BLESSED, summary

DATA_REFUSED = summary(
    state="failed",
    metrics={},
    blessed=None,
    pushed_version=None,
    report=None,
    error="DataGate: image: unexpected shape",
    exit_code=ExitCode.GATE_FAILED,
)


def next_commands(ended, selected=None):
    return list(run_summary.next_commands(ended, PIPELINE, selected or Selection()))


def as_text(ended):
    return run_summary.as_text(ended, PIPELINE, Selection())


def test_metrics_are_in_the_words_of_the_data():
    assert "  BCE, nats per value  " in as_text(summary(words={"pixel": "value"}))


def test_a_superseded_model_is_not_said_to_be_served():
    nodes = ({"id": PIPELINE.pushed[0], "state": "cached", "seconds": 0.0, "reason": None},)
    assert "superseded" in as_text(summary(nodes=nodes, pushed_version=None))


def test_a_good_run_ends_with_its_measures_and_what_to_do_next():
    assert as_text(summary()).splitlines() == [
        "",
        "mnist 3.0.1, run 20261123-143005: succeeded in 61.2 s",
        "",
        "  on the test split          model  mean image      PCA   floor",
        "  BCE, nats per pixel       0.0943      0.2625           0.0581",
        "  MSE                      0.01077     0.06750  0.01683",
        "  active units, per image     17.2",
        "  dead units                    12",
        "  Hoyer sparsity             0.412",
        "  Gini index                 0.637",
        "  BCE to mean image         0.3593",
        "",
        "blessed, served as version 1795447856",
        "report: /root/report.html",
        f"next:   {next_commands(summary())[0]}",
        "          with --set NAME=VALUE: the nodes that run again when a setting changes",
        f"        {next_commands(summary())[1]}",
        "          runs, charts and models in a browser",
    ]


def test_the_next_command_names_a_root_that_is_not_the_default():
    assert next_commands(summary(root="/o t"))[1] == "sae serve --root '/o t'"


def test_the_next_command_keeps_the_settings_of_this_run():
    found = next_commands(summary(profile="sample", root="/other", assignments=("model.l1=0.1",)))
    assert found[0] == "sae plan --profile sample --root /other --set model.l1=0.1"


def test_a_notice_is_repeated_with_the_result():
    assert "note: This is the sample" in as_text(summary(notice="This is the sample")).splitlines()


def test_a_blessed_model_that_was_not_pushed_is_not_said_to_be_served():
    assert "blessed" in as_text(summary(pushed_version=None)).splitlines()


def test_a_model_that_is_not_blessed_is_explained():
    lines = as_text(NOT_BLESSED).splitlines()
    assert "not blessed, not served: bce 0.2700 is above 0.12; label 8: 0.3000 is above 0.16" in lines
    assert "report: /root/report.html" in lines
    assert "note: try a smaller batch" in as_text(dataclasses.replace(NOT_BLESSED, hints=("try a smaller batch",)))


def test_a_model_that_is_kept_back_is_explained():
    lines = as_text(KEPT_BACK).splitlines()
    assert f"blessed, not served: {KEPT_BACK.kept_back}" in lines


def test_the_command_that_serves_it_all_the_same_names_its_root_and_no_profile():
    found = next_commands(dataclasses.replace(KEPT_BACK, root="/other", profile="sample"))
    assert found[0] == "sae promote 20261123-143005 --reason TEXT --root /other"


def test_a_failed_node_is_explained_with_the_log_and_without_measures():
    assert as_text(FAILED).splitlines() == [
        "",
        "mnist 3.0.1, run 20261123-143005: failed in 61.2 s",
        "error: Trainer: the loss is not a number",
        "log:    /root/logs/20261123-143005.log",
        "next:   less /root/logs/20261123-143005.log",
        f"        {next_commands(FAILED)[1]}",
        "          when the cause is removed",
    ]


def test_refused_data_is_explained_without_measures():
    lines = as_text(DATA_REFUSED).splitlines()
    assert lines[2] == "error: DataGate: image: unexpected shape"
    assert len(lines) == 5


@pytest.mark.parametrize(
    ("ended", "command"),
    [
        (summary(), "sae plan"),
        (FAILED, "less /root/logs/20261123-143005.log"),
        (NOT_BLESSED, "sae show 20261123-143005"),
        (KEPT_BACK, "sae promote 20261123-143005 --reason TEXT"),
        (DATA_REFUSED, "sae config show"),
    ],
    ids=["good", "node failed", "not blessed", "kept back", "data refused"],
)
def test_the_next_command_fits_the_end(ended, command):
    assert next_commands(ended)[0].startswith(command)


def test_the_next_command_keeps_the_profile_of_this_run():
    found = next_commands(dataclasses.replace(DATA_REFUSED, profile="sample"))
    assert found[0].startswith("sae config show --profile sample")


def test_metrics_of_another_pipeline_are_listed_by_name():
    lines = as_text(summary(metrics={"accuracy": 0.875, "examples": 1000.0})).splitlines()
    assert [line.split() for line in lines[4:6]] == [["accuracy", "0.87500"], ["examples", "1,000"]]


def test_a_failed_part_is_run_again_because_it_cannot_be_resumed():
    ended = dataclasses.replace(FAILED, part="--from-node Trainer", root="/o t", assignments=("data.dataset=a b",))
    command = "sae run --root '/o t' --set 'data.dataset=a b' --from-node Trainer"
    assert next_commands(ended)[1] == command


def test_a_part_without_the_pusher_says_nothing_of_a_served_model():
    nodes = ({"id": PIPELINE.pushed[0], "state": "skipped", "seconds": 0.0, "reason": NOT_IN_PART},)
    lines = as_text(summary(nodes=nodes, pushed_version=None, part="--to-node Evaluator")).splitlines()
    assert "blessed" in lines


def test_the_paths_of_commands_are_quoted():
    assert next_commands(dataclasses.replace(FAILED, log="/o t/l.log"))[0] == "less '/o t/l.log'"


def test_the_commands_begin_as_the_user_called_the_program():
    selected = Selection(pipeline="mine:A B", program="/x/sae")
    assert next_commands(summary(), selected)[0] == "/x/sae --pipeline 'mine:A B' plan"
