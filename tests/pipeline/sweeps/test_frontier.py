"""The frontier of a sweep: which combinations no other one dominates, for each method and split."""

import dataclasses
import random

import pytest

from pipeline.definition.spec import Frontier, SweepSpec
from pipeline.sparse_autoencoder.definition import PIPELINE
from pipeline.sweeps import csv_table, frontier
from pipeline.sweeps.definition import Definition, Objective
from pipeline.sweeps.space import Choices
from pipeline.sweeps.statistics import estimate
from pipeline.sweeps.views import Combination, Point, PointState, Sweep, SweepRow, SweepState

BY_BCE = Objective("test_bce", "lower", "validation_bce")
METHOD = "model.loss"  # any setting will do
BY_METHOD = dataclasses.replace(
    PIPELINE,
    sweep=dataclasses.replace(
        PIPELINE.sweep_spec, frontier=Frontier("active_units", "test_bce", METHOD, marked="dead_units")
    ),
)


def made(*combinations, seeds=1, metrics=("test_bce", "validation_bce", "active_units", "dead_units")):
    """A sweep of combinations: settings, and the metrics of each seed; None for a seed that failed."""
    points, means = [], []
    for number, (settings, values) in enumerate(combinations, 1):
        first = (number - 1) * seeds + 1
        for seed, one in enumerate(values):
            state = PointState.FAILED if one is None else PointState.SUCCEEDED
            run = f"run-{first + seed}"
            points.append(Point(first + seed, number, settings, seed, state, run, metrics=one or {}))
        known = [one for one in values if one is not None]
        names = known[0] if known else ()
        means.append(
            Combination(
                number,
                settings,
                tuple(range(first, first + seeds)),
                len(known),
                len(known) == seeds,
                {name: estimate([one[name] for one in known]) for name in names},
                best=number == 1,
            )
        )
    varied = tuple(dict.fromkeys(name for settings, _ in combinations for name in settings))
    over = tuple(Choices(name, ()) for name in varied)
    row = SweepRow("l1", SweepState.COMPLETE, "grid", varied, (BY_BCE,), len(points), {}, None, 0.0)
    definition = Definition("l1", "sample", {}, over=over, seeds=seeds, objectives=(BY_BCE,))
    return Sweep(row, definition, tuple(metrics), tuple(means), tuple(points))


def values(active, bce, dead=0.0, **more):
    return {"active_units": active, "test_bce": bce, "validation_bce": bce + 0.1, "dead_units": dead, **more}


def test_joined_points_are_those_that_no_other_one_dominates():
    # (2, 3) and (1, 5) are better in one each; (2, 4) is worse than (2, 3), (3, 3) as well; (4, 1) is the best in y.
    points = [(2, 3), (2, 4), (1, 5), (3, 3), (4, 1)]
    assert frontier.pareto(points) == [2, 0, 4]
    assert frontier.pareto([(1, 1), (2, 2), (1, 1)]) == [0, 2]  # equal points dominate neither
    assert frontier.pareto([]) == []


@pytest.mark.parametrize("seed", range(20))
def test_joined_points_are_those_of_the_definition(seed):
    chosen = random.Random(seed)
    points = [tuple(float(chosen.randint(0, 6)) for _ in range(1 + seed % 3)) for _ in range(25)]
    expected = {
        place
        for place, point in enumerate(points)
        if not any(other != point and all(a <= b for a, b in zip(other, point, strict=True)) for other in points)
    }
    assert set(frontier.pareto(points)) == expected


def test_each_method_has_a_frontier_of_its_own():
    found = made(
        ({METHOD: "bce"}, [values(8, 0.2)]),
        ({METHOD: "mse"}, [values(4, 0.1)]),  # better in both than those of bce
        ({METHOD: "bce"}, [values(9, 0.3, dead=6.0)]),
    )
    drawn = frontier.frontier(found, BY_METHOD, "test_bce", "test")
    assert drawn is not None
    assert [(one.name, [point.combination for point in one.points]) for one in drawn.methods] == [
        ("bce", [1, 3]),
        ("mse", [2]),
    ]
    assert [(one.combination, one.joined, one.marked) for method in drawn.methods for one in method.points] == [
        (1, True, 0.0),
        (3, False, 6.0),
        (2, True, 0.0),
    ]
    # A sweep that does not vary the method has one group.
    alone = frontier.frontier(found, PIPELINE, "test_bce", "test")
    assert alone is not None
    assert [one.name for one in alone.methods] == [""]


def test_points_are_means_over_the_seeds_that_succeeded_and_each_seed_is_there():
    found = made(({"model.l1": 0.1}, [values(8, 0.2), None, values(10, 0.4)]), ({"model.l1": 0.2}, [None] * 3), seeds=3)
    drawn = frontier.frontier(found, PIPELINE, "test_bce", "test")
    assert drawn is not None
    [method] = drawn.methods
    [point] = method.points
    assert (point.x.mean, point.y.mean, point.x.count) == (9.0, pytest.approx(0.3), 2)
    # t of 1 degree of freedom at 97.5 % is 12.706; the standard deviation of 8 and 10 is 2 ** 0.5.
    assert point.x.half_width == pytest.approx(12.706 * 2**0.5 / 2**0.5, rel=1e-4)
    assert [(one.point, one.run, one.x, one.y) for one in method.seeds] == [(1, "run-1", 8, 0.2), (3, "run-3", 10, 0.4)]
    assert drawn.left_out == 1


def test_the_validation_split_is_shown_where_a_metric_has_it():
    found = made(({"model.l1": 0.1}, [values(8, 0.2)]))
    drawn = frontier.frontier(found, PIPELINE, "test_bce", "validation")
    assert drawn is not None
    assert drawn.y_shown == "validation_bce"
    assert drawn.methods[0].points[0].y.mean == pytest.approx(0.3)
    assert drawn.x_shown == "active_units"  # no run has its counterpart
    found = made(({"model.l1": 0.1}, [values(8, 0.2, validation_active_units=7)]), metrics=("validation_active_units",))
    drawn = frontier.frontier(found, PIPELINE, "test_bce", "validation")
    assert drawn is not None
    assert (drawn.x_shown, drawn.methods[0].points[0].x.mean) == ("validation_active_units", 7)


def test_more_of_a_metric_is_better_where_it_declares_that():
    known = ("active_units", "linear_probe_accuracy")
    found = made(
        ({"model.l1": 0.1}, [values(8, 0.2, linear_probe_accuracy=0.9)]),
        ({"model.l1": 0.2}, [values(9, 0.1, linear_probe_accuracy=0.8)]),
        metrics=known,
    )
    drawn = frontier.frontier(found, PIPELINE, "linear_probe_accuracy", "test")
    assert drawn is not None
    assert [one.joined for one in drawn.methods[0].points] == [True, False]


def test_what_may_be_drawn_up_are_metrics_of_the_runs_that_have_a_direction():
    found = made(({"model.l1": 0.1}, [values(8, 0.2)]))
    assert frontier.choices(found, PIPELINE) == ("test_bce",)  # not active_units, and not what marks points
    assert frontier.draw_up(found, PIPELINE) == "test_bce"
    of_mse = dataclasses.replace(found, metrics=("test_mse", "active_units"))
    assert frontier.draw_up(of_mse, PIPELINE) == "test_mse"
    undeclared = dataclasses.replace(PIPELINE, sweep=SweepSpec(()))
    assert frontier.draw_up(found, undeclared) == ""
    assert frontier.frontier(found, undeclared, "test_bce", "test") is None


def test_baselines_are_those_declared_for_the_metric():
    recorded = {"mean_image_bce": 0.26, "entropy_floor": 0.06, "mean_image_mse": 0.07, "bce": 0.2}
    found = frontier.baselines("test_bce", recorded, PIPELINE)
    assert [(metric.baseline, value) for metric, value in found] == [("mean image", 0.26), ("floor", 0.06)]
    found = frontier.baselines("test_mse", {**recorded, "pca_mse": 0.02, "mean_image_mse": float("nan")}, PIPELINE)
    assert [(metric.baseline, value) for metric, value in found] == [("PCA", 0.02)]


def test_the_table_has_a_row_for_each_point_and_each_combination():
    found = made(({"model.l1": 1e-3}, [values(8, 0.25), values(10, 0.75)]), seeds=2, metrics=("test_bce",))
    head, *rows = [line.split(",") for line in csv_table.text(found).splitlines()]
    first, second, mean = (dict(zip(head, row, strict=True)) for row in rows)
    assert (first["row"], first["model.l1"], first["seed"], first["run"]) == ("point", "0.001", "0", "run-1")
    assert [float(one["test_bce"]) for one in (first, second, mean)] == [0.25, 0.75, 0.5]
    assert (first["test_bce_low"], first["test_bce_high"]) == ("", "")
    # s of 0.25 and 0.75 is 0.5 / 2 ** 0.5, so half the interval is 12.7062 * 0.5 / 2.
    half = float(mean["test_bce_high"]) - 0.5
    assert half == pytest.approx(12.7062 * 0.25, rel=1e-4)
    assert float(mean["test_bce_low"]) == pytest.approx(0.5 - half)
    assert (mean["row"], mean["seeds"], mean["best"], mean["state"]) == ("combination", "2", "yes", "complete")
