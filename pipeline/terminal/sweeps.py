"""`sae sweep`: a line for each sweep, combination and point."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence

from components.evaluation.metrics import Metric
from pipeline.core.text import number_text, seconds_text, when_text
from pipeline.definition.spec import Pipeline
from pipeline.inspection import run_filter
from pipeline.inspection.run_filter import short_setting
from pipeline.sweeps.definition import Definition, Objective, applied_profile
from pipeline.sweeps.statistics import Estimate
from pipeline.sweeps.views import Combination, Point, PointState, Sweep, SweepRow
from pipeline.terminal.table import Cell, Column, Screen, state_cell, yes_no


def rows(screen: Screen, found: Sequence[SweepRow], metrics: Sequence[Metric]) -> str:
    """Return the sweeps as a table."""
    columns = (
        Column("sweep", min_width=8),
        Column("state"),
        Column("kind", drop=2),
        Column("started", drop=3),
        Column("time", right=True, drop=1),
        Column("points", right=True),
        Column("of which", min_width=12),
        Column("settings", min_width=12),
        Column("objectives", min_width=12, drop=4),
    )
    return "\n".join(
        screen.table(
            columns,
            [
                [
                    one.name,
                    state_cell(one.state.value),
                    one.kind,
                    when_text(one.started)[:-3],
                    seconds_text(one.seconds) if one.started else "",
                    str(one.points),
                    _counts(one.counts),
                    ", ".join(one.varied),
                    "; ".join(_objective(each, metrics) for each in one.objectives),
                ]
                for one in found
            ],
        )
    )


def as_text(screen: Screen, found: Sweep, pipeline: Pipeline) -> str:
    """Return a sweep: what it is, its combinations with means and intervals, and its points."""
    metrics = pipeline.declared_metrics
    profile = applied_profile(found.definition, pipeline.configuration)
    row = found.row
    declared = {one.run_key: one for one in metrics}
    base = ", ".join(f"{name} = {short_setting(value)}" for name, value in found.definition.base.items())
    lines = screen.pairs(
        [
            ("sweep", row.name),
            ("state", state_cell(row.state.value)),
            ("points", f"{row.points}: {_counts(row.counts)}"),
            ("runs", f"{f'profile {profile}' if profile else 'no profile'}{f', {base}' if base else ''}"),
            ("objectives", "; ".join(_objective(one, metrics) for one in row.objectives)),
            ("time", seconds_text(row.seconds) if row.started else ""),
            ("artifact", "" if found.artifact is None else f"{found.artifact}  {found.digest}"),
        ]
    )
    columns = _metrics(found, declared)
    if found.combinations and found.definition.seeds > 1:
        lines += ["", screen.heading("combinations: mean and 95 % interval over the seeds")]
        lines += _combinations(screen, found, columns, declared)
    lines += ["", screen.heading("points")] if found.points else ["", "no point has started"]
    lines += _points(screen, found, columns, declared)
    return "\n".join(lines)


def best(
    screen: Screen,
    found: Sweep,
    by: Objective,
    ranked: Sequence[Combination],
    points: Sequence[Point],
    metrics: Sequence[Metric],
) -> str:
    """Return combinations, the best one first, with the run of the best model of each."""
    declared = {one.run_key: one for one in metrics}
    names = list(dict.fromkeys([by.chosen_by, *_metrics(found, declared)]))
    columns = (
        *_varied_columns(found),
        *(Column(_title(name, declared), right=True, drop=2) for name in names),
        Column("best run", min_width=15),
        Column("blessed", drop=1),
    )
    cells: list[list[Cell | str]] = [
        [
            *(short_setting(one.settings.get(name)) for name in found.definition.varied),
            *(_estimate(one.metrics.get(name), declared.get(name)) for name in names),
            point.run,
            state_cell(yes_no(point.blessed)),
        ]
        for one, point in zip(ranked, points, strict=True)
    ]
    chosen = f"chosen by {_title(by.chosen_by, declared)}, {by.better} is better"
    return "\n".join([*screen.paragraph(chosen), "", *screen.table(columns, cells)])


def progress(point: Point, definition: Definition, metrics: Sequence[Metric]) -> str:
    """Return a line on a point whose run ended: `3 of 8: l1 = 0.001, seed 1: succeeded in 14.2 s, test BCE 0.2730`."""
    titles = run_filter.titles(list(point.settings))
    parts = [f"{titles[name]} = {short_setting(value)}" for name, value in point.settings.items()]
    parts += [f"seed {point.seed}"] if definition.seeds > 1 else []
    text = f"point {point.number} of {definition.size} ({', '.join(parts)}): {point.state.value}"
    text += f" after epoch {point.pruned_at}" if point.pruned_at is not None else ""
    text += f" in {seconds_text(point.seconds)}" if point.state == PointState.SUCCEEDED else ""
    declared = {metric.run_key: metric for metric in metrics}
    names = dict.fromkeys(name for each in definition.objectives for name in (each.metric, each.chosen_by))
    values = [
        f"{_title(name, declared)} {_value(point.metrics.get(name), declared.get(name))}"
        for name in names
        if name in point.metrics
    ]
    text += "".join(f", {value}" for value in values)
    return f"{text}: {point.error}" if point.error else text


def _combinations(screen: Screen, found: Sweep, names: Sequence[str], declared: Mapping[str, Metric]) -> list[str]:
    columns = (
        Column(""),
        *_varied_columns(found),
        Column("seeds", right=True),
        *(Column(_title(name, declared), right=True, drop=2 if place else 0) for place, name in enumerate(names)),
    )
    cells: list[list[Cell | str]] = [
        [
            Cell("best", "green") if one.best else "",
            *(short_setting(one.settings.get(name)) for name in found.definition.varied),
            f"{one.succeeded} of {found.definition.seeds}",
            *(_estimate(one.metrics.get(name), declared.get(name)) for name in names),
        ]
        for one in found.combinations
    ]
    return screen.table(columns, cells)


def _points(screen: Screen, found: Sweep, names: Sequence[str], declared: Mapping[str, Metric]) -> list[str]:
    best_points = {number for one in found.combinations if one.best for number in one.points}
    several = found.definition.seeds > 1
    columns = (
        Column("point", right=True),
        Column(""),
        *_varied_columns(found),
        Column("seed", right=True),
        Column("state"),
        Column("run", min_width=15, drop=3),
        Column("time", right=True, drop=4),
        *(Column(_title(name, declared), right=True, drop=2 if place else 0) for place, name in enumerate(names)),
        Column("blessed", drop=5),
        Column("error", min_width=16, drop=6),
    )
    cells: list[list[Cell | str]] = [
        [
            str(one.number),
            Cell("best", "green") if one.number in best_points and not several else "",
            *(short_setting(one.settings.get(name)) for name in found.definition.varied),
            str(one.seed) if several else "",
            state_cell(one.state.value),
            one.run,
            seconds_text(one.seconds) if one.run else "",
            *(_value(one.metrics.get(name), declared.get(name)) for name in names),
            state_cell(yes_no(one.blessed)),
            f"after epoch {one.pruned_at}" if one.pruned_at is not None else one.error,
        ]
        for one in found.points
    ]
    return screen.table(columns, cells)


def _varied_columns(found: Sweep) -> list[Column]:
    return [Column(title, right=True) for title in run_filter.titles(found.definition.varied).values()]


def _metrics(found: Sweep, declared: Mapping[str, Metric]) -> list[str]:
    """Return the metrics that are columns: those of the objectives first, then those of lists of runs."""
    names = dict.fromkeys(name for one in found.row.objectives for name in (one.chosen_by, one.metric))
    names |= dict.fromkeys(name for name in found.metrics if name in declared and declared[name].column)
    return [name for name in names if name in found.metrics]


def _objective(one: Objective, metrics: Sequence[Metric]) -> str:
    declared = {metric.run_key: metric for metric in metrics}
    chosen = "" if one.chosen_by == one.metric else f", chosen by {_title(one.chosen_by, declared)}"
    return f"{'minimise' if one.better == 'lower' else 'maximise'} {_title(one.metric, declared)}{chosen}"


def _title(name: str, declared: Mapping[str, Metric]) -> str:
    metric = declared.get(name)
    return (metric.column or metric.label) if metric else name.replace("_", " ")


def _value(value: float | None, metric: Metric | None) -> str:
    if value is None:
        return ""
    return metric.text(value) if metric else number_text(value)


def _estimate(found: Estimate | None, metric: Metric | None) -> str:
    """Write `0.2730 ± 0.0012`."""
    if found is None:
        return ""
    if metric is not None and found.count > 1:  # a mean of whole numbers is none
        metric = dataclasses.replace(metric, decimals=max(1, metric.decimals))
    half = found.half_width
    return _value(found.mean, metric) + (f" ± {_value(half, metric)}" if half is not None else "")


def _counts(counts: Mapping[str, int]) -> str:
    return ", ".join(f"{count} {state}" for state, count in counts.items())
