"""Marks of states: a class for the colour, and a distinct shape for users who cannot distinguish the colours."""

from __future__ import annotations

import collections
from collections.abc import Iterable

from pipeline.web.charts import svg

# Paths on 16 by 16 pixels, drawn over a disc of the state's colour.
_MARKS = {
    "executed": "M4.5 8.3L7 10.8L11.6 5.6",  # a check
    "cached": "M8 8V4.6M8 8L10.4 9.6",  # a clock; its disc is a dashed ring
    "failed": "M5.3 5.3L10.7 10.7M10.7 5.3L5.3 10.7",  # a cross
    "running": "M6.4 5L11 8L6.4 11Z",  # play
    "cancelled": "M5.6 5.6H10.4V10.4H5.6Z",  # stop
    "unfinished": "M8 4.4V8.8M8 11.2V11.6",  # an exclamation mark
    "skipped": "M5 4.8L8.2 8L5 11.2M8.6 4.8L11.8 8L8.6 11.2",  # fast forward
    "waiting": "M5 8H5.1M8 8H8.1M11 8H11.1",  # three dots
    "not-run": "M5 8H11",  # a dash
    "other": "M6.2 6.4C6.2 3.9 9.8 3.9 9.8 6.4C9.8 7.8 8 7.8 8 9.2M8 11.4V11.6",  # a question mark
}
# States of schedules, the daemon, model versions and sweeps that share one of these marks.
_SAME_MARK = {
    "succeeded": "executed",
    "active": "executed",
    "complete": "executed",
    "pruned": "skipped",
    "interrupted": "cancelled",
    "paused": "cancelled",
    "missed": "unfinished",
    "silent": "failed",
    "stopping": "waiting",
    "stopped": "not-run",
    "served": "executed",
    "kept": "cached",
    "deleted": "not-run",
    "rolled-back": "cancelled",
}


def _mark_name(state: str) -> str:
    name = state.strip().lower().replace(" ", "-")
    name = _SAME_MARK.get(name, name)
    return name if name in _MARKS else "other"


def state_class(state: str) -> str:
    """Return the class of a state: `state-not-run`; `state-other` if it is unknown."""
    return f"state-{_mark_name(state)}"


class Html(str):
    """Markup that templates insert without escaping."""

    __slots__ = ()

    def __html__(self) -> str:
        return str(self)


def state_mark(state: str) -> Html:
    """Draw the mark of a state for a page, 16 by 16 pixels."""
    return Html(svg.root(_shapes(state), f"mark {state_class(state)}", 16, 16, aria_hidden="true"))


def mark(state: str, x: float, y: float) -> str:
    """Draw the mark of a state in a chart, with its upper left corner at a point."""
    return svg.element("g", _shapes(state), class_=f"mark {state_class(state)}", transform=svg.translation(x, y))


def _shapes(state: str) -> str:
    disc = svg.element("circle", class_="mark-disc", cx=8, cy=8, r=6.8)
    return disc + svg.element("path", class_="mark-sign", d=_MARKS[_mark_name(state)])


def count_states(states: Iterable[str]) -> str:
    """Return how often each state occurs: `2 executed, 1 failed`."""
    return ", ".join(f"{count} {state}" for state, count in collections.Counter(states).items())
