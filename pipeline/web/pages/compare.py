"""Comparison of two to eight runs: only what differs."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Mapping, Sequence

from pipeline.artifacts import types
from pipeline.artifacts.sections import LineChart, Picture, Pictures, Section, Tile
from pipeline.core.errors import UsageError
from pipeline.core.serialization import INLINE
from pipeline.core.text import counted
from pipeline.inspection import run_diff, run_filter
from pipeline.inspection.reader import Reader
from pipeline.inspection.run_groups import RunGroup
from pipeline.inspection.views import Run
from pipeline.web.charts.chart import Drawing
from pipeline.web.charts.line_chart import Series, line_chart
from pipeline.web.charts.parallel_coordinates import ParallelAxis, ParallelLine, parallel_coordinates
from pipeline.web.charts.scatter import ScatterPoint, scatter
from pipeline.web.formatting import DeclaredMetrics, in_sentence, run_metric_title
from pipeline.web.pages.base import DELETED, Drawings, PageRequest, run_named
from pipeline.web.pages.charts import HALF_PAGE, setting_axis
from pipeline.web.urls import Links

FEWEST, MOST = 2, 8  # runs; there are eight colours
_NO_PREVIEW = "it has no preview, or one of an earlier version"
_MOST_IMAGES = 20  # rows of test images
_PARALLEL = 760  # pixels of the parallel coordinates: more with many axes


@dataclasses.dataclass(frozen=True)
class ComparedRun:
    """A run in the charts. `sections`: line charts and pictures of its outputs."""

    id: str
    metrics: Mapping[str, float | None] = dataclasses.field(metadata={INLINE: True})
    sections: tuple[ComparedSection, ...]


@dataclasses.dataclass(frozen=True)
class ComparedSection:
    """A line chart, or pictures, of an artifact."""

    artifact: int
    section: Section


@dataclasses.dataclass(frozen=True)
class ComparedImage:
    """The same picture of every run, such as a test image and its reconstructions.

    Attributes:
      artifact: id of the artifact that has `original`.
      original: the picture that all runs share.
      pictures: by run, the id of the artifact and its picture; None if the run has none.
    """

    label: str
    artifact: int
    original: Picture
    pictures: tuple[tuple[int, Picture] | None, ...]


@dataclasses.dataclass(frozen=True)
class Axis:
    """A number that runs have, and that the scatter can show.

    Attributes:
      name: of a metric, or of a setting that differs: `test_bce`, `model.l1`.
      title: what people see.
      label: of the axis, with the unit.
      values: one for each run; None if it has none.
    """

    name: str
    title: str
    label: str
    values: tuple[float | None, ...]


@dataclasses.dataclass(frozen=True)
class CompareView:
    """The page.

    Attributes:
      comparison: only what differs.
      compared: by run, in the same order.
      images: the same pictures of all runs; empty if their data differ.
      missing: what cannot be shown, and why.
      labels: by run, what charts call it: its name if no other run has that, else its id.
      axes: what the scatter can show.
      x, y: names of the axes that it shows; empty if there are not two.
    """

    comparison: run_diff.Comparison
    compared: tuple[ComparedRun, ...]
    images: tuple[ComparedImage, ...]
    missing: tuple[str, ...]
    labels: tuple[str, ...]
    axes: tuple[Axis, ...]
    x: str
    y: str


def build(request: PageRequest) -> CompareView:
    """Read the runs that `run=` names; `x=` and `y=` select the axes of the scatter.

    Raises:
      UsageError: too few or too many runs, or an unknown axis.
    """
    wanted = request.query.many("run")
    reader = request.open_reader
    if len(wanted) > MOST:
        raise UsageError(f"{len(wanted)} runs are selected: select {FEWEST} to {MOST} runs to compare")
    by_id = {run.row.id: run for run in (run_named(reader, one) for one in wanted)}
    ids, runs = list(by_id), list(by_id.values())
    if len(ids) < FEWEST:
        selected = "no run is selected" if not ids else "only one run is selected"
        raise UsageError(f"{selected}: select {FEWEST} to {MOST} runs to compare in the list of runs")
    columns = request.metrics.all_columns
    compared = tuple(
        ComparedRun(
            run.row.id,
            {one.run_key: run.metrics.get(one.name, run.row.metrics.get(one.run_key)) for one in columns},
            tuple(sections(reader, run)),
        )
        for run in runs
    )
    comparison = run_diff.compare(reader, ids)
    axes = _axes(comparison, compared, request.metrics)
    names = [one.name for one in axes]
    x, y = _shown_axes(names, compared, request.metrics)
    return CompareView(
        comparison=comparison,
        compared=compared,
        images=tuple(images(compared))[:_MOST_IMAGES],
        missing=tuple(_missing(compared, runs)),
        labels=tuple(
            name if name and comparison.names.count(name) == 1 else run_id
            for name, run_id in zip(comparison.names, ids, strict=True)
        ),
        axes=axes,
        x=request.query.one("x", names or ["-"], x),
        y=request.query.one("y", names or ["-"], y),
    )


def _axes(
    comparison: run_diff.Comparison, compared: Sequence[ComparedRun], metrics: DeclaredMetrics
) -> tuple[Axis, ...]:
    """Return the metrics that runs have, and the settings that differ and are numbers."""
    found = [
        Axis(
            one.run_key,
            run_metric_title(one),
            run_metric_title(one, unit=True, replaced=comparison.words),
            tuple(run.metrics[one.run_key] for run in compared),
        )
        for one in metrics.all_columns
    ]
    columns = {one.name for one in metrics.all_columns}
    for metric in comparison.metrics:
        if metric.slice == run_diff.OVERALL and metric.name not in columns:
            label = metrics.label(metric.name, comparison.words)
            found.append(Axis(metric.name, label, label, metric.values))
    for name, title in run_filter.titles(run_filter.differing_settings(comparison.runs)).items():
        values = tuple(run_filter.number_of(row.settings.get(name)) for row in comparison.runs)
        found.append(Axis(name, title, name, values))
    return tuple(one for one in found if any(value is not None for value in one.values))


def _shown_axes(names: Sequence[str], compared: Sequence[ComparedRun], metrics: DeclaredMetrics) -> tuple[str, str]:
    """Return the axes without a query: the headline metric, and the first other column."""
    columns = [one for one in metrics.columns_of(compared) if one.run_key in names]
    beside = [one for one in columns if one not in metrics.headlines]
    if columns and beside and columns[0] in metrics.headlines:
        return columns[0].run_key, beside[0].run_key
    return (names[0], names[1]) if len(names) > 1 else ("", "")


def sections(reader: Reader, run: Run) -> Iterator[ComparedSection]:
    """Yield the line charts and pictures of a run's outputs of the types that are compared."""
    for kind in types.compared():
        row = run.output(kind.name)
        if row and (preview := reader.preview(row)):
            for section in preview.sections:
                if isinstance(section, (LineChart, Pictures)):
                    yield ComparedSection(row.id, section)


def images(compared: Sequence[ComparedRun]) -> list[ComparedImage]:
    """Return the pictures of the first run that has some, with those of the other runs if they show the same."""
    found = [next((one for one in run.sections if isinstance(one.section, Pictures)), None) for run in compared]
    first = next((one for one in found if one is not None), None)
    if first is None:
        return []
    labels = [tile.label for tile in _tiles(first)]
    same = [one if [tile.label for tile in _tiles(one)] == labels else None for one in found]
    return [
        ComparedImage(
            tile.label,
            first.artifact,
            tile.pictures[0],
            tuple((one.artifact, _tiles(one)[place].pictures[-1]) if one else None for one in same),
        )
        for place, tile in enumerate(_tiles(first))
    ]


def _tiles(one: ComparedSection | None) -> Sequence[Tile]:
    """Return the tiles that have an original and a picture made from it."""
    tiles = one.section.tiles if one is not None and isinstance(one.section, Pictures) else ()
    return [tile for tile in tiles if len(tile.pictures) > 1]


def _missing(compared: Sequence[ComparedRun], runs: Sequence[Run]) -> list[str]:
    """Say which runs lack what is compared, and why; of a type that no run has, nothing."""
    lacking = []
    for kind in types.compared():
        rows = {run.row.id: run.output(kind.name) for run in runs}
        if not any(rows.values()):
            continue
        shown = {found.artifact for one in compared for found in one.sections}
        without = [run_id for run_id, row in rows.items() if row is None or row.id not in shown]
        reasons: dict[str, list[str]] = {}
        for run_id in without:
            row = rows[run_id]
            reason = "the run has none" if row is None else "it was deleted" if row.state == DELETED else _NO_PREVIEW
            reasons.setdefault(reason, []).append(run_id)
        lacking += [f"No {kind.name} for {', '.join(ids)}: {reason}." for reason, ids in reasons.items()]
    return lacking


def draw(view: CompareView, to: Links, metrics: DeclaredMetrics) -> Drawings:
    """Draw the curves of all runs, and one axis against another."""
    series, chart = [], None
    for number, (name, one) in enumerate(zip(view.labels, view.compared, strict=True), 1):
        for section in (found.section for found in one.sections):
            if isinstance(section, LineChart) and section.curves and section.title == (chart or section).title:
                chart = chart or section
                main, *others = section.curves[:2]
                series.append(Series(f"{name}, {main.name}", main.points, number, label=name))
                series += [Series(f"{name}, {other.name}", other.points, number, True) for other in others]
    curves = scattered = None
    if chart:
        curves = line_chart(series, title=chart.title, x_label=chart.x_label, y_label=chart.y_label, width=HALF_PAGE)
    by_name = {one.name: one for one in view.axes}
    if view.x in by_name and view.y in by_name:
        across, down = by_name[view.x], by_name[view.y]
        points = [
            ScatterPoint(name, x, y, to.run(one.id), number)
            for number, (name, one, x, y) in enumerate(
                zip(view.labels, view.compared, across.values, down.values, strict=True), 1
            )
        ]
        scattered = scatter(
            points,
            title=f"{down.title} against {in_sentence(across.title)}",
            x_label=across.label,
            y_label=down.label,
            width=HALF_PAGE,
            largest=(metrics.largest(across.name), metrics.largest(down.name)),
        )
    return {"curves": curves, "scatter": scattered, "parallel": _parallel(view, to, metrics)}


def _parallel(view: CompareView, to: Links, metrics: DeclaredMetrics) -> Drawing | None:
    """Draw the runs across the settings that differ and the metrics; None without two axes.

    Runs that differ only in the seed have one colour, that of the first of them, and the seed has no axis.
    """
    rows = view.comparison.runs
    groups = {run: group for group in view.comparison.groups for run in group.runs}
    seeds = {
        name
        for group in view.comparison.groups
        for name in run_filter.differing_settings([row for row in rows if row.id in group.runs])
    }
    names = [name for name in run_filter.differing_settings(rows) if name not in seeds]
    settings = [row.settings for row in rows]
    axes = [setting_axis(name, title, settings) for name, title in run_filter.titles(names).items()]
    columns = {one.run_key for one in metrics.columns_of(view.compared)}
    axes += [ParallelAxis(one.title, one.label, one.values) for one in view.axes if one.name in columns]
    if len(axes) < 2:
        return None
    numbers = {run.id: number for number, run in enumerate(view.compared, 1)}
    lines = [
        ParallelLine(
            name,
            to.run(run.id),
            numbers[groups[run.id].runs[0]] if run.id in groups else numbers[run.id],
            _group_name(groups[run.id]) if run.id in groups else "",
        )
        for name, run in zip(view.labels, view.compared, strict=True)
    ]
    return parallel_coordinates(lines, axes, title="Settings and metrics of each run", width=_PARALLEL)


def _group_name(group: RunGroup) -> str:
    return f"{group.name or 'all runs'} ({counted(group.seeds, 'seed')})"
