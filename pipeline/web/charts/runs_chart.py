"""Test BCE and active units over runs: one panel each over a common axis."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Callable, Sequence

from pipeline.core.text import counted
from pipeline.web.charts import axes, scales, svg
from pipeline.web.charts.line_chart import color_class

MOST_RUNS = 2000  # two for each pixel, about 800 KB
TAB_STOPS = 50  # runs that the Tab key stops at, the newest: the table beside the drawing leads to all of them

_PANEL, _TOP, _BETWEEN, _BOTTOM = 130, 30, 40, 44  # pixels
_CROWDED = 4.0  # pixels from run to run, below which points are small and stand alone
_PANELS = (("Test BCE, nats per pixel", "test BCE", 1), ("Active units per image", "active units", 2))


@dataclasses.dataclass(frozen=True)
class RunPoint:
    """A run.

    Attributes:
      name: its id.
      test_bce: None, or what is no finite number, leaves a gap; so with `active_units`.
      active_units: mean over the test images.
      href: where a click leads; empty: nowhere.
      when: when it started, for people; empty: not said.
      state: as its run's state: one that did not succeed is drawn hollow.
    """

    name: str
    test_bce: float | None
    active_units: float | None
    href: str = ""
    when: str = ""
    state: str = ""


def runs_chart(
    runs: Sequence[RunPoint], *, title: str = "Test BCE and active units over runs", width: int = 960
) -> svg.Drawing:
    """Draws runs.

    Args:
      runs: the oldest first; the newest 2,000 are drawn.
      title: what is drawn.
      width: in pixels.
    """
    drawn = runs[-MOST_RUNS:]
    cut = len(runs) - len(drawn)
    note = f"The {MOST_RUNS:,} newest of {len(runs):,} runs are drawn." if cut else ""
    height = _TOP + 2 * _PANEL + _BETWEEN + _BOTTOM
    columns = ([run.test_bce for run in drawn], [run.active_units for run in drawn])
    found = [[value for value in column if value is not None and scales.usable(value)] for column in columns]
    if not any(found):
        parts = [axes.empty(width, 120, "No run has been evaluated yet.")]
        summary = f"{counted(len(drawn), 'run')}, none of them evaluated."
        return svg.document(parts, width=width, height=120, title=title, summary=summary, kind="runs", note=note)

    tops = (_TOP, _TOP + _PANEL + _BETWEEN)
    ys = [scales.linear(values, top + _PANEL, top, count=4) for values, top in zip(found, tops, strict=True)]
    left = math.ceil(max(axes.label_width(y) for y in ys)) + 14
    right = width - 14
    x = scales.tight(cut + 1, len(runs), left + 8, right - 8)
    parts = []
    for y, top, (label, _, color), column in zip(ys, tops, _PANELS, columns, strict=True):
        parts.append(axes.horizontal_grid(y, left, right))
        parts.append(svg.text(left, top - 14, label, "axis-label"))
        if _pitch(x) >= _CROWDED:  # else it would go up and down like a fence
            parts.append(_trend(column, cut, x, y, color))
    parts.append(axes.bottom_axis(x, left, right, tops[1] + _PANEL))
    parts.append(svg.text((left + right) / 2, height - 8, "Runs, the oldest first", "axis-label", "middle"))
    for index, run in enumerate(drawn):
        parts.append(_run(run, x, ys, cut + index + 1, _column_of(x), len(drawn) - index <= TAB_STOPS))
    return svg.document(
        parts, width=width, height=height, title=title, summary=_summary(drawn, found), kind="runs",
        links=any(run.href for run in drawn), note=note,
    )  # fmt: skip


def _pitch(x: scales.Scale) -> float:
    """Pixels from run to run."""
    return (x.end - x.start) / (x.high - x.low)


def _column_of(x: scales.Scale) -> Callable[[int], tuple[float, float]]:
    """Which pixels across belong to a run: half way to its neighbours, and never more than 24 on either side."""
    half = min(24.0, _pitch(x) / 2)
    return lambda place: (x(place) - half, x(place) + half)


def _trend(column: Sequence[float | None], cut: int, x: scales.Scale, y: scales.Scale, color: int) -> str:
    """A faint line from run to run, broken where one has no value."""
    data, pen = [], False
    for place, value in enumerate(column, cut + 1):
        if value is None or not scales.usable(value):
            pen = False
            continue
        data.append(f"{'L' if pen else 'M'}{svg.coordinate(x(place))} {svg.coordinate(y(value))}")
        pen = True
    return svg.element("g", svg.element("path", class_="trend", d="".join(data)), class_=color_class(color))


def _run(
    run: RunPoint,
    x: scales.Scale,
    ys: Sequence[scales.Scale],
    place: int,
    column: Callable[[int], tuple[float, float]],
    focusable: bool,
) -> str:
    """One link with a point in each panel, and all of its column to hit it by."""
    values = (run.test_bce, run.active_units)
    crowded = _pitch(x) < _CROWDED
    shapes, said = [], []
    for value, y, (_, name, color) in zip(values, ys, _PANELS, strict=True):
        if value is None or not scales.usable(value):
            continue
        said.append(f"{name} {scales.number(value)}")
        hollow = run.state not in ("", "succeeded")
        classes = f"dot {color_class(color)}" + (" hollow" if hollow else "") + (" small" if crowded else "")
        shapes.append(svg.element("circle", class_=classes, cx=x(place), cy=y(value), r=2 if crowded else 4))
    if not shapes:
        return ""
    start, end = column(place)
    top, bottom = ys[0].end, ys[1].start
    shapes.insert(0, svg.element("rect", class_="hit", x=start, y=top, width=end - start, height=bottom - top))
    name = ", ".join(filter(None, [run.name, run.when, run.state if run.state != "succeeded" else "", *said]))
    return svg.link(run.href, name, "".join(shapes), focusable)


def _summary(runs: Sequence[RunPoint], found: list[list[float]]) -> str:
    parts = [f"{counted(len(runs), 'run')}."]
    for values, (_, name, _) in zip(found, _PANELS, strict=True):
        if len(values) == 1:
            parts.append(f"{name[0].upper()}{name[1:]}: {scales.number(values[0])}.")
        elif values:
            parts.append(
                f"{name[0].upper()}{name[1:]}: {len(values):,} values from {scales.number(min(values))}"
                f" to {scales.number(max(values))}, newest {scales.number(values[-1])}."
            )
    return " ".join(parts)
