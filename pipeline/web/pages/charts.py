"""Charts of previews and of runs."""

from __future__ import annotations

import itertools
from collections.abc import Mapping, Sequence
from typing import Any

from pipeline.artifacts.sections import BarChart, Diagram, LineChart, Section
from pipeline.core.events import EpochEnded
from pipeline.inspection import run_filter
from pipeline.web.charts.bar_chart import Bar, bar_chart
from pipeline.web.charts.chart import Drawing
from pipeline.web.charts.dag import GraphNode, dag
from pipeline.web.charts.line_chart import Series, line_chart
from pipeline.web.charts.parallel_coordinates import ParallelAxis
from pipeline.web.formatting import DeclaredMetrics

HALF_PAGE = 572  # pixels: half of a page in a window of 1280 with a scroll bar
# Pixels: the room on a phone, so that values at the end of bars are visible.
_PHONE = 356
_PHONE_CARD = 318  # inside a card's border and padding


def of_section(section: Section, in_card: bool = False) -> Drawing | None:
    """Draw a section, perhaps inside a card; None if it is not a chart, or has nothing to draw."""
    if isinstance(section, LineChart) and any(curve.points for curve in section.curves):
        return _lines(section)
    if isinstance(section, BarChart) and section.bars:
        bars = [Bar(bar.label, bar.value, bar.note) for bar in section.bars]
        width = _PHONE_CARD if in_card else _PHONE
        return bar_chart(bars, title=section.title, percent=section.share, limit=section.limit, width=width)
    return _diagram(section) if isinstance(section, Diagram) else None


def _lines(section: LineChart) -> Drawing:
    """Draw solid and dashed lines, each kind with the colours 1, 2, 3."""
    solid, dashed = itertools.count(1), itertools.count(1)
    series = [
        Series(
            curve.name,
            curve.points,
            next(dashed if curve.dashed else solid),
            curve.dashed,
            "" if curve.dashed else curve.name,
        )
        for curve in section.curves
    ]
    return line_chart(series, title=section.title, x_label=section.x_label, y_label=section.y_label, width=HALF_PAGE)


def _diagram(section: Diagram) -> Drawing:
    columns = [
        [
            GraphNode(f"{place}-{row}", box.name, box.detail, kind="artifact" if box.data else "execution")
            for row, box in enumerate(column)
        ]
        for place, column in enumerate(section.columns)
    ]
    edges = [(before.id, after.id) for left, right in itertools.pairwise(columns) for before in left for after in right]
    return dag([box for column in columns for box in column], edges, title=section.title, to_right=True)


def live_curves(epochs: Sequence[EpochEnded]) -> Drawing | None:
    """Draw the losses so far; a training in progress only reports losses that include the penalty."""
    if not epochs:
        return None
    series = [
        Series("validation", [(one.epoch, one.val_loss) for one in epochs], 1, label="validation"),
        Series("training", [(one.epoch, one.loss) for one in epochs], 2, label="training"),
    ]
    return line_chart(
        series,
        title="Loss by epoch, including the penalty",
        x_label="epoch",
        y_label="loss",
        width=HALF_PAGE,
    )


def setting_axis(name: str, title: str, settings: Sequence[Mapping[str, Any]]) -> ParallelAxis:
    """Return the axis of a setting: its values in order, evenly spaced, because they often differ by powers of ten.

    `settings`: those of the run of each line; one without this setting has a gap.
    """
    given = {run_filter.short_setting(one[name]): one[name] for one in settings if name in one}
    numbers = {text: run_filter.number_of(value) for text, value in given.items()}
    choices = sorted(given, key=lambda text: (numbers[text] is None, numbers[text] or 0.0))
    places = {text: float(place) for place, text in enumerate(choices)}
    values = [places[run_filter.short_setting(one[name])] if name in one else None for one in settings]
    return ParallelAxis(title, name, values, choices)


def slices(
    values: Mapping[str, Mapping[str, float]], titles: Mapping[str, str], metrics: DeclaredMetrics
) -> Drawing | None:
    """Draw the headline metric by slice, from ML Metadata alone: without a preview no limit is known."""
    for headline in metrics.headlines:
        bars = [
            Bar(titles.get(name, name), found[headline.name])
            for name, found in values.items()
            if headline.name in found
        ]
        if bars:
            return bar_chart(bars, title=f"{metrics.label(headline.name)} by slice", width=_PHONE)
    return None
