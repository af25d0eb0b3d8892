"""Configurations with several seeds."""

from __future__ import annotations

from pipeline.inspection.run_groups import RunGroup, Spread, by_configuration
from pipeline.inspection.views import RunRow, RunState
from pipeline_config import PipelineConfig


def row(run_id, l1, seed, **metrics):
    settings = {"model.l1": l1, "training.seed": seed}
    return RunRow(run_id, "p", RunState.SUCCEEDED, None, 1.0, metrics=metrics, settings=settings)


def test_seeds_of_a_configuration_have_a_mean_and_a_range():
    rows = [
        row("a", 0.1, 1, test_bce=0.5, active_units=4.0),
        row("b", 0.2, 1, test_bce=0.7, active_units=None),
        row("c", 0.1, 2, test_bce=0.25, active_units=None),
        row("d", 0.1, 3, test_bce=0.0, active_units=None),
    ]
    assert by_configuration(rows, PipelineConfig) == (
        RunGroup(
            "l1 = 0.1",
            ("a", "c", "d"),
            3,
            {"test_bce": Spread(0.25, 0.0, 0.5, 3), "active_units": Spread(4.0, 4.0, 4.0, 1)},
        ),
        RunGroup("l1 = 0.2", ("b",), 1, {"test_bce": Spread(0.7, 0.7, 0.7, 1)}),
    )


def test_a_seed_that_was_run_again_counts_once():
    rows = [row("a", 0.1, 1, test_bce=None), row("b", 0.1, 1, test_bce=0.5), row("c", 0.1, 2, test_bce=1.0)]
    [group] = by_configuration(rows, PipelineConfig)
    assert (group.name, group.runs, group.seeds) == ("", ("a", "b", "c"), 2)
    assert group.metrics["test_bce"] == Spread(0.75, 0.5, 1.0, 2)


def test_without_two_seeds_of_a_configuration_there_are_no_groups():
    assert by_configuration([row("a", 0.1, 1), row("b", 0.2, 2)], PipelineConfig) == ()
    assert by_configuration([row("a", 0.1, 1), row("b", 0.1, 1)], PipelineConfig) == ()


def test_runs_without_settings_are_left_out():
    unknown = RunRow("x", "p", RunState.SUCCEEDED, None, 1.0)
    [group] = by_configuration([unknown, row("a", 0.1, 1), row("b", 0.1, 2)], PipelineConfig)
    assert group.runs == ("a", "b")
