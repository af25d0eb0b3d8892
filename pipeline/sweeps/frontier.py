"""The frontier of a sweep: one metric of its combinations against another, for each method, and the best trade-offs."""

from __future__ import annotations

import dataclasses
import math
import operator
from collections.abc import Mapping, Sequence

from components.evaluation.metrics import Metric
from pipeline.definition.spec import Frontier, Pipeline
from pipeline.inspection.run_filter import setting_text
from pipeline.sweeps.statistics import Estimate
from pipeline.sweeps.views import Combination, PointState, Sweep

TEST, VALIDATION = "test", "validation"
SPLITS = (TEST, VALIDATION)


@dataclasses.dataclass(frozen=True)
class FrontierPoint:
    """A combination.

    Attributes:
      combination: its number.
      x, y: the metrics, over its seeds.
      marked: mean of the metric that marks points; None if there is none.
      joined: whether no other combination of its method dominates it: none is at least as good in both metrics, and
        better in one.
    """

    combination: int
    x: Estimate
    y: Estimate
    marked: float | None
    joined: bool


@dataclasses.dataclass(frozen=True)
class SeedPoint:
    """A point of the sweep: one seed of a combination."""

    point: int
    run: str
    x: float
    y: float


@dataclasses.dataclass(frozen=True)
class Method:
    """The combinations of a method. `name`: the value of its setting; empty if all combinations have the same one."""

    name: str
    points: tuple[FrontierPoint, ...]
    seeds: tuple[SeedPoint, ...]


@dataclasses.dataclass(frozen=True)
class DrawnFrontier:
    """The frontier on a split.

    Attributes:
      x, y: names of the metrics as declared: those of the test split.
      x_shown, y_shown: names of the metrics that are shown: those of the split, where there are any.
      marked: name of the metric that marks points; empty if there is none.
      methods: in the order of the sweep.
      left_out: number of combinations without both metrics.
    """

    x: str
    y: str
    x_shown: str
    y_shown: str
    marked: str
    methods: tuple[Method, ...]
    left_out: int


def on_split(found: Sweep, name: str, split: str, pipeline: Pipeline) -> str:
    """Return the name of a metric on a split: that on the validation split, or itself if no run has that."""
    other = pipeline.sweep_spec.validation.get(name, name) if split == VALIDATION else name
    return other if other in found.metrics else name


def choices(found: Sweep, pipeline: Pipeline) -> tuple[str, ...]:
    """Return the metrics that may be drawn up: those of the runs, of the test split, that have a better direction."""
    spec = pipeline.sweep_spec.frontier
    beside = {*pipeline.sweep_spec.validation.values(), *((spec.x, spec.marked) if spec else ())}
    declared = [one for one in pipeline.declared_metrics if one.run_key in found.metrics and one.better]
    return tuple(one.run_key for one in declared if one.run_key not in beside)


def draw_up(found: Sweep, pipeline: Pipeline) -> str:
    """Return the metric that is drawn up without a choice; empty if no run has one that may be."""
    spec, known = pipeline.sweep_spec.frontier, choices(found, pipeline)
    if spec is None or not known:
        return ""
    instead = [one.run_key for one in pipeline.declared_metrics if one.instead_of == spec.y]
    return next((name for name in (spec.y, *instead) if name in known), known[0])


def frontier(found: Sweep, pipeline: Pipeline, y: str, split: str) -> DrawnFrontier | None:
    """Return the frontier of a sweep on a split; None if none is declared, or no combination has both metrics.

    Args:
      found: the sweep.
      pipeline: its pipeline.
      y: name of the metric drawn up, one of `choices`.
      split: one of `SPLITS`.
    """
    spec = pipeline.sweep_spec.frontier
    if spec is None or not y:
        return None
    x_shown, y_shown = on_split(found, spec.x, split, pipeline), on_split(found, y, split, pipeline)
    grouped: dict[str, list[Combination]] = {}
    for one in found.combinations:
        if x_shown in one.metrics and y_shown in one.metrics:
            grouped.setdefault(_method(one, spec), []).append(one)
    if not grouped:
        return None
    better = {one.run_key: one.better for one in pipeline.declared_metrics}
    signs = tuple(-1.0 if better.get(name) == "higher" else 1.0 for name in (spec.x, y))
    return DrawnFrontier(
        spec.x,
        y,
        x_shown,
        y_shown,
        spec.marked if spec.marked in found.metrics else "",
        tuple(
            _of_method(name, members, found, (x_shown, y_shown), signs, spec.marked)
            for name, members in grouped.items()
        ),
        len(found.combinations) - sum(map(len, grouped.values())),
    )


def pareto(points: Sequence[tuple[float, ...]]) -> list[int]:
    """Return the places of the points that no other one dominates, less being better, by their first coordinate.

    A point dominates another if it is at least as good in all coordinates, and better in one; so equal points both
    stay.
    """
    kept: list[int] = []
    for place in sorted(range(len(points)), key=lambda one: points[one]):  # a point comes after those that dominate it
        others = (points[one] for one in kept)
        if not any(other != points[place] and all(map(operator.le, other, points[place])) for other in others):
            kept.append(place)
    return kept


def baselines(of: str, values: Mapping[str, float], pipeline: Pipeline) -> list[tuple[Metric, float]]:
    """Return the baselines of a metric of runs that a run has.

    Args:
      of: name of the metric.
      values: metrics of the run, by `name` or `run_key`.
      pipeline: declares them.
    """
    name = next((one.name for one in pipeline.declared_metrics if one.run_key == of), "")
    found = []
    for one in pipeline.declared_metrics:
        value = values.get(one.name, values.get(one.run_key, math.nan))
        if name and one.baseline_of == name and math.isfinite(value):
            found.append((one, value))
    return found


def _method(one: Combination, spec: Frontier) -> str:
    return setting_text(one.settings.get(spec.method)) if spec.method else ""


def _of_method(
    name: str,
    members: Sequence[Combination],
    found: Sweep,
    shown: tuple[str, str],
    signs: tuple[float, ...],
    marked: str,
) -> Method:
    x, y = shown
    joined = pareto([(signs[0] * one.metrics[x].mean, signs[1] * one.metrics[y].mean) for one in members])
    numbers = {number for one in members for number in one.points}
    return Method(
        name,
        tuple(
            FrontierPoint(
                one.number,
                one.metrics[x],
                one.metrics[y],
                one.metrics[marked].mean if marked in one.metrics else None,
                place in joined,
            )
            for place, one in enumerate(members)
        ),
        tuple(
            SeedPoint(one.number, one.run, one.metrics[x], one.metrics[y])
            for one in found.points
            if one.number in numbers and one.state == PointState.SUCCEEDED and x in one.metrics and y in one.metrics
        ),
    )
