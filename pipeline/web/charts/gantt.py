"""When nodes ran and how long they took, as bars on one axis of time."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Sequence

from pipeline.core.text import counted
from pipeline.web.charts import axes, scales, state_icons, svg

MOST_ROWS = 200  # ours has eleven nodes; other people's pipelines have seldom more than fifty

_ROW, _BAR = 28, 14  # pixels
_TOP, _BOTTOM = 8, 26  # pixels
_TICK = 75  # pixels for one tick: `2 min 30 s`, and air
_LONGEST_LABEL = 190  # pixels
_SHORTEST = 4.0  # pixels, of the bar of a node that took no time


@dataclasses.dataclass(frozen=True)
class Span:
    """A node.

    Attributes:
      label: its name.
      start: seconds since the run started; None: it has not started.
      seconds: how long it took, or has taken so far while it runs; None: not known.
      state: as `NodeRunState` writes it.
      href: where a click leads; empty: nowhere.
    """

    label: str
    start: float | None
    seconds: float | None
    state: str
    href: str = ""


def waterfall(spans: Sequence[Span], *, title: str = "Durations of nodes", width: int = 960) -> svg.Drawing:
    """Draws nodes, a row each, in the order given.

    Args:
      spans: at most 200 are drawn.
      title: what is drawn.
      width: in pixels.
    """
    drawn = spans[:MOST_ROWS]
    note = f"The first {MOST_ROWS} of {len(spans):,} nodes are drawn." if len(spans) > MOST_ROWS else ""
    if not drawn:
        parts = [axes.empty(width, 80, "No node has started yet.")]
        return svg.document(parts, width=width, height=80, title=title, summary="No nodes.", kind="waterfall")
    # A clock that was set back must not push bars off the drawing.
    ends = [_start(span) + _seconds(span) for span in drawn if span.start is not None]
    longest = max(ends, default=0.0)
    left = math.ceil(min(max(svg.width_of(span.label, svg.TEXT) for span in drawn), _LONGEST_LABEL)) + 44
    right = width - 118  # room for the time beside the last bar
    scale = scales.durations(longest, left, right, count=max(2, min(8, int(right - left) // _TICK)))
    bottom = _TOP + len(drawn) * _ROW
    parts = [axes.vertical_grid(scale, _TOP, bottom)]
    parts.append(axes.bottom_axis(scale, left, right, bottom, lambda tick: scales.tick_duration(tick, scale.step)))
    parts += [_row(span, scale, _TOP + index * _ROW, left, width) for index, span in enumerate(drawn)]
    return svg.document(
        parts, width=width, height=bottom + _BOTTOM, title=title, summary=_summary(drawn, longest), kind="waterfall",
        links=any(span.href for span in drawn), note=note,
    )  # fmt: skip


def _start(span: Span) -> float:
    return max(0.0, span.start) if span.start is not None and scales.usable(span.start) else 0.0


def _seconds(span: Span) -> float:
    return max(0.0, span.seconds) if span.seconds is not None and scales.usable(span.seconds) else 0.0


def _row(span: Span, scale: scales.Scale, y: float, left: float, width: float) -> str:
    """A node's name, mark, bar and time."""
    middle = y + _ROW / 2
    shapes = [
        svg.element("rect", class_="hit", x=0, y=y, width=width, height=_ROW),
        state_icons.mark(span.state, 4, middle - 8),
        svg.text(26, middle + 4, svg.fit(span.label, left - 38, svg.TEXT), "chart-label", size=svg.TEXT),
    ]
    time = _time(span)
    if span.start is None:
        shapes.append(svg.text(left + 6, middle + 4, time, "chart-muted"))
    else:
        start = scale(_start(span))
        long = max(_SHORTEST, scale(_start(span) + _seconds(span)) - start)
        classes = f"span {state_icons.state_class(span.state)}" + (" slim" if long < 10 else "")
        top = middle - _BAR / 2
        if span.state == "running":  # open at its right end
            shape = f"M{svg.coordinate(start + long)} {svg.coordinate(top)}H{svg.coordinate(start)}v{_BAR}h"
            shape += f"{svg.coordinate(long)}l5 -{_BAR / 2:g}Z"
            shapes.append(svg.element("path", class_=classes, d=shape))
            long += 5
        else:
            shapes.append(
                svg.element("rect", class_=classes, x=start, y=top, width=long, height=_BAR, rx=min(3.0, long / 2))
            )
        shapes.append(svg.text(start + long + 7, middle + 4, time, "tick"))
    said = f"{span.label}: {time if span.start is None else f'{span.state}, {time}'}"
    if span.start is not None:
        said += f", started after {scales.duration(_start(span))}"
    return svg.link(span.href, said, "".join(shapes))


def _time(span: Span) -> str:
    if span.start is None:
        return span.state
    if span.seconds is None or not scales.usable(span.seconds):
        return "time not known"
    so_far = " so far" if span.state == "running" else ""
    return f"{scales.duration(_seconds(span))}{so_far}"


def _summary(spans: Sequence[Span], longest: float) -> str:
    states_seen: dict[str, int] = {}
    for span in spans:
        states_seen[span.state] = states_seen.get(span.state, 0) + 1
    counts = ", ".join(f"{count} {state}" for state, count in states_seen.items())
    parts = [f"{counted(len(spans), 'node')}: {counts}."]
    started = [span for span in spans if span.start is not None]
    if started:
        slowest = max(started, key=_seconds)
        parts.append(
            f"All within {scales.duration(longest)}; the longest is {slowest.label} with"
            f" {scales.duration(_seconds(slowest))}."
        )
    return " ".join(parts)
