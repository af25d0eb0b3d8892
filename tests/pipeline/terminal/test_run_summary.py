"""The last lines of a run."""

from __future__ import annotations

import dataclasses

import pytest

from pipeline.core.errors import ExitCode
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


def next_commands(ended):
    return run_summary.next_commands(ended, PIPELINE)


def as_text(ended):
    return run_summary.as_text(ended, PIPELINE)


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
        f"        {next_commands(summary())[1]}",
    ]


def test_the_next_command_names_a_root_that_is_not_the_default():
    assert next_commands(summary(root="/o t"))[1].startswith("sae serve --root '/o t'")


def test_the_next_command_keeps_the_settings_of_this_run():
    found = next_commands(summary(profile="sample", root="/other", assignments=("model.l1=0.1",)))
    assert found[0].startswith("sae plan --profile sample --root /other --set model.l1=0.1 --set NAME=VALUE")


def test_a_notice_is_repeated_with_the_result():
    assert "note: This is the sample" in as_text(summary(notice="This is the sample")).splitlines()


def test_a_blessed_model_that_was_not_pushed_is_not_said_to_be_served():
    assert "blessed" in as_text(summary(pushed_version=None)).splitlines()


def test_a_model_that_is_not_blessed_is_explained():
    lines = as_text(NOT_BLESSED).splitlines()
    assert "not blessed, not served: bce 0.2700 is above 0.12; label 8: 0.3000 is above 0.16" in lines
    assert "report: /root/report.html" in lines


def test_a_model_that_is_kept_back_is_explained():
    lines = as_text(KEPT_BACK).splitlines()
    assert f"blessed, not served: {KEPT_BACK.kept_back}" in lines


def test_the_command_that_serves_it_all_the_same_names_its_root_and_no_profile():
    found = next_commands(dataclasses.replace(KEPT_BACK, root="/other", profile="sample"))
    assert found[0] == "sae promote 20261123-143005 --reason TEXT --root /other   (serve it anyway)"


def test_a_failed_node_is_explained_with_the_log_and_without_measures():
    assert as_text(FAILED).splitlines() == [
        "",
        "mnist 3.0.1, run 20261123-143005: failed in 61.2 s",
        "error: Trainer: the loss is not a number",
        "log:    /root/logs/20261123-143005.log",
        "next:   less /root/logs/20261123-143005.log",
        f"        {next_commands(FAILED)[1]}",
    ]


def test_refused_data_is_explained_without_measures():
    lines = as_text(DATA_REFUSED).splitlines()
    assert lines[2] == "error: DataGate: image: unexpected shape"
    assert len(lines) == 4


@pytest.mark.parametrize(
    ("ended", "command"),
    [
        (summary(), "sae plan --set"),
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
