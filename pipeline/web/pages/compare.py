"""Comparison of two to eight runs: only what differs."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Mapping, Sequence

from pipeline.artifacts import types
from pipeline.artifacts.sections import LineChart, Picture, Pictures, Section, Tile
from pipeline.core.errors import UsageError
from pipeline.core.serialization import INLINE
from pipeline.inspection import run_diff
from pipeline.inspection.reader import Reader
from pipeline.inspection.views import Run
from pipeline.web import charts
from pipeline.web.formatting import DeclaredMetrics, run_metric_name, run_metric_title
from pipeline.web.pages.base import DELETED, Drawings, Page, PageRequest, run_named
from pipeline.web.pages.charts import HALF_PAGE
from pipeline.web.urls import Links

FEWEST, MOST = 2, 8  # runs; there are eight colours
_MOST_IMAGES = 20  # rows of test images


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
class CompareView:
    """The page.

    Attributes:
      comparison: only what differs.
      compared: by run, in the same order.
      images: the same pictures of all runs; empty if their data differ.
      missing: what cannot be shown, and why.
    """

    comparison: run_diff.Comparison
    compared: tuple[ComparedRun, ...]
    images: tuple[ComparedImage, ...]
    missing: tuple[str, ...]


def build(request: PageRequest) -> CompareView:
    """Read the runs that `run=` names.

    Raises:
      UsageError: too few or too many of them.
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
            tuple(_sections(reader, run)),
        )
        for run in runs
    )
    return CompareView(
        comparison=run_diff.compare(reader, ids),
        compared=compared,
        images=tuple(_images(compared))[:_MOST_IMAGES],
        missing=tuple(_missing(compared, runs)),
    )


def _sections(reader: Reader, run: Run) -> Iterator[ComparedSection]:
    """Yield the line charts and pictures of a run's outputs of the types that are compared."""
    for kind in types.compared():
        row = run.output(kind.name)
        if row and (preview := reader.preview(row)):
            for section in preview.sections:
                if isinstance(section, (LineChart, Pictures)):
                    yield ComparedSection(row.id, section)


def _images(compared: Sequence[ComparedRun]) -> list[ComparedImage]:
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
    lacking = []
    for kind in types.compared():
        rows = {run.row.id: run.output(kind.name) for run in runs}
        shown = {found.artifact for one in compared for found in one.sections}
        without = [run_id for run_id, row in rows.items() if row is None or row.id not in shown]
        gone = [run_id for run_id in without if (row := rows[run_id]) and row.state == DELETED]
        rest = [run_id for run_id in without if run_id not in gone]
        if gone:
            lacking.append(f"No {kind.name} for {', '.join(gone)}: it was deleted.")
        if rest:
            lacking.append(f"No {kind.name} for {', '.join(rest)}: there is no preview of this version.")
    return lacking


def draw(view: CompareView, to: Links, metrics: DeclaredMetrics) -> Drawings:
    """Draw the curves of all runs, and their second metric against the headline metric."""
    series, chart = [], None
    for number, one in enumerate(view.compared, 1):
        for section in (found.section for found in one.sections):
            if isinstance(section, LineChart) and section.curves and section.title == (chart or section).title:
                chart = chart or section
                main, *others = section.curves[:2]
                series.append(charts.Series(f"{one.id}, {main.name}", main.points, number, label=one.id))
                series += [charts.Series(f"{one.id}, {other.name}", other.points, number, True) for other in others]
    curves = scatter = None
    if chart:
        curves = charts.line_chart(
            series, title=chart.title, x_label=chart.x_label, y_label=chart.y_label, width=HALF_PAGE
        )
    columns = metrics.columns_of(view.compared)
    beside = [one for one in columns[1:] if one not in metrics.headlines]
    if beside:
        across, down = columns[0], beside[0]
        points = [
            charts.ScatterPoint(one.id, one.metrics[across.run_key], one.metrics[down.run_key], to.run(one.id), number)
            for number, one in enumerate(view.compared, 1)
        ]
        if any(point.x is not None for point in points):
            scatter = charts.scatter(
                points,
                title=f"{run_metric_title(down)} against {run_metric_name(across)}",
                x_label=run_metric_title(across, unit=True),
                y_label=run_metric_title(down, unit=True),
                width=HALF_PAGE,
            )
    return {"curves": curves, "scatter": scatter}


PAGE = Page("compare", "/compare", build, draw)
