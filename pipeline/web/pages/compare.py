"""Comparison of two to eight runs: only what differs."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence

from components.evaluation.thresholds import EpochLosses
from pipeline.artifacts import previews
from pipeline.artifacts.previews import Picture
from pipeline.core.errors import UsageError
from pipeline.inspection import run_diff
from pipeline.inspection.reader import Reader
from pipeline.inspection.views import ArtifactRow, Run
from pipeline.web import charts
from pipeline.web.pages.base import DELETED, Drawings, Page, PageRequest, run_named
from pipeline.web.urls import Links

FEWEST, MOST = 2, 8  # runs; eight colours can be told apart
_HALF = 580  # pixels: half a wide page
_MOST_IMAGES = 20  # rows of test images


@dataclasses.dataclass(frozen=True)
class Compared:
    """What the charts show of a run.

    Attributes:
      history: of its training; empty if there is no preview.
      report: the artifact whose pictures are shown; None if there are none.
    """

    id: str
    test_bce: float | None
    active_units: float | None
    history: tuple[EpochLosses, ...]
    report: ArtifactRow | None


@dataclasses.dataclass(frozen=True)
class Image:
    """A test image with its reconstructions.

    Attributes:
      report: the artifact that `original` belongs to.
      reconstructions: by run; None if a run does not have it.
    """

    label: str
    report: int
    original: Picture
    reconstructions: tuple[Picture | None, ...]


@dataclasses.dataclass(frozen=True)
class CompareView:
    """The page.

    Attributes:
      comparison: only what differs.
      compared: by run, in the same order.
      images: the same test images for all runs; empty if their data differ.
      missing: what cannot be shown, and why.
    """

    comparison: run_diff.Comparison
    compared: tuple[Compared, ...]
    images: tuple[Image, ...]
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
    reports = [_report(reader, run) for run in runs]
    compared = tuple(
        Compared(
            run.row.id,
            run.metrics.get("bce", run.row.test_bce),
            run.metrics.get("active_units", run.row.active_units),
            _history(reader, run),
            run.output("Report") if report else None,
        )
        for run, report in zip(runs, reports, strict=True)
    )
    return CompareView(
        comparison=run_diff.compare(reader, ids),
        compared=compared,
        images=tuple(_images(compared, reports))[:_MOST_IMAGES],
        missing=tuple(_missing(compared, runs)),
    )


def _report(reader: Reader, run: Run) -> previews.Report | None:
    row = run.output("Report")
    found = reader.preview(row) if row else None
    return found if isinstance(found, previews.Report) else None


def _history(reader: Reader, run: Run) -> tuple[EpochLosses, ...]:
    row = run.output("ModelRun")
    found = reader.preview(row) if row else None
    return found.history if isinstance(found, previews.ModelRun) else ()


def _images(compared: Sequence[Compared], reports: Sequence[previews.Report | None]) -> list[Image]:
    """Return the test images: the reports of all runs on a data set have the same images in the same order."""
    first = next((number for number, report in enumerate(reports) if report and report.images), None)
    if first is None:
        return []
    shown, row = reports[first], compared[first].report
    assert shown is not None
    assert row is not None
    labels = [one.label for one in shown.images]
    by_run: list[Mapping[int, Picture]] = [
        {place: one.reconstruction for place, one in enumerate(report.images)}
        if report and [one.label for one in report.images] == labels
        else {}
        for report in reports
    ]
    return [
        Image(one.label, row.id, one.original, tuple(pictures.get(place) for pictures in by_run))
        for place, one in enumerate(shown.images)
    ]


def _missing(compared: Sequence[Compared], runs: Sequence[Run]) -> list[str]:
    lacking = []
    for what, type_name, having in (
        ("curves", "ModelRun", [one.id for one in compared if one.history]),
        ("pictures", "Report", [one.id for one in compared if one.report]),
    ):
        without = [(run.row.id, run.output(type_name)) for run in runs if run.row.id not in having]
        gone = [run_id for run_id, row in without if row and row.state == DELETED]
        rest = [run_id for run_id, _ in without if run_id not in gone]
        if gone:
            lacking.append(f"No {what} for {', '.join(gone)}: they were deleted.")
        if rest:
            lacking.append(f"No {what} for {', '.join(rest)}: these runs have no preview of them.")
    return lacking


def draw(view: CompareView, to: Links) -> Drawings:
    """Draw the curves of all runs, and active units against BCE."""
    series = []
    for number, one in enumerate(view.compared, 1):
        validation = [(epoch.epoch, epoch.val_reconstruction) for epoch in one.history]
        training = [(epoch.epoch, epoch.reconstruction) for epoch in one.history]
        if one.history:
            series.append(charts.Series(f"{one.id}, validation", validation, number, label=one.id))
            series.append(charts.Series(f"{one.id}, training", training, number, dashed=True))
    points = [
        charts.ScatterPoint(one.id, one.test_bce, one.active_units, to.run(one.id), number)
        for number, one in enumerate(view.compared, 1)
    ]
    return {
        "curves": charts.line_chart(
            series, title="Reconstruction loss by epoch", x_label="epoch", y_label="BCE, nats per pixel", width=_HALF
        )
        if series
        else None,
        "scatter": charts.scatter(
            points,
            title="Active units against test BCE",
            x_label="test BCE, nats per pixel",
            y_label="active units",
            width=_HALF,
        )
        if any(one.test_bce is not None for one in view.compared)
        else None,
    }


PAGE = Page("compare", "/compare", build, draw)
