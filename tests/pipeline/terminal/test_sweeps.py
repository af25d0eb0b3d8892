"""Sweeps as text."""

import pytest

from pipeline.sparse_autoencoder.definition import PIPELINE
from pipeline.sweeps.definition import Definition, Objective
from pipeline.sweeps.space import Choices
from pipeline.sweeps.statistics import estimate
from pipeline.sweeps.views import Combination, Point, PointState, Sweep, SweepRow, SweepState
from pipeline.terminal import sweeps
from pipeline.terminal.table import Screen


def test_objectives_are_told_apart():
    objectives = (
        Objective("test_bce", "lower", "validation_bce"),
        Objective("linear_probe_accuracy", "higher", "linear_probe_accuracy"),
    )
    row = SweepRow("a", SweepState.STOPPED, "search", ("model.l1",), objectives, 3, {"waiting": 3}, None, 0.0)
    text = sweeps.rows(Screen(None), [row], PIPELINE.declared_metrics)
    assert "minimise test BCE, chosen by validation BCE; maximise linear probe" in text


def test_the_seed_of_a_point_is_that_of_its_run():
    row = SweepRow("a", SweepState.COMPLETE, "grid", (), (), 2, {"succeeded": 2}, None, 0.0)
    definition = Definition("a", "sample", {}, seeds=2)
    points = tuple(Point(number, 1, {}, 40 + number, PointState.SUCCEEDED, f"run-{number}") for number in (1, 2))
    shown = sweeps.as_text(Screen(None), Sweep(row, definition, (), (), points), PIPELINE)
    assert [line.split()[:2] for line in shown.splitlines()[-3:]] == [["point", "seed"], ["1", "41"], ["2", "42"]]
    line = sweeps.progress(points[1], definition, PIPELINE.declared_metrics)
    assert line.startswith("point 2 of 2 (seed 42): succeeded")


@pytest.mark.parametrize(
    ("base", "over", "runs"),
    [
        ({"model.l1": 0.5}, (), "profile mnist, model.l1 = 0.5"),
        ({"data.dataset": "digits"}, (), "no profile, data.dataset = digits"),  # as `sae plan` says
        ({}, (Choices("data.dataset", ("digits", "letters")),), "no profile"),
    ],
)
def test_a_profile_that_does_not_apply_is_not_shown(base, over, runs):
    row = SweepRow("a", SweepState.STOPPED, "grid", (), (), 2, {"waiting": 2}, None, 0.0)
    found = Sweep(row, Definition("a", "mnist", base, over, seeds=2), (), (), ())
    assert f" {runs}\n" in sweeps.as_text(Screen(None), found, PIPELINE)


@pytest.mark.parametrize(("dead_units", "shown"), [([0.0, 1.0], "0.5 ± 6.4"), ([1.0], "1")])
def test_a_mean_of_counts_has_a_digit_after_the_point(dead_units, shown):
    by = Objective("dead_units", "lower", "dead_units")
    seeds = len(dead_units)
    combination = Combination(1, {}, tuple(range(seeds)), seeds, True, {"dead_units": estimate(dead_units)})
    row = SweepRow("a", SweepState.COMPLETE, "grid", (), (by,), seeds, {}, None, 0.0)
    sweep = Sweep(row, Definition("a", "sample", {}, seeds=seeds), ("dead_units",), (combination,), ())
    points = [Point(1, 1, {}, 0, PointState.SUCCEEDED, "run-1")]
    text = sweeps.best(Screen(None), sweep, by, [combination], points, PIPELINE.declared_metrics)
    assert text.splitlines()[-1].strip().split("  ")[0] == shown
