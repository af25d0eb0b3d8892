"""Write and parse the trigger of the run of a point: `sweep l1 point 3`. Runs are found by it in ML Metadata."""

from __future__ import annotations

import re

_TRIGGER = re.compile(r"sweep (\S+) point ([1-9][0-9]*)")


def as_text(sweep: str, point: int) -> str:
    """Write the trigger of a point's run."""
    return f"sweep {sweep} point {point}"


def parse(text: str) -> tuple[str, int] | None:
    """Return the sweep and the number of the point in a trigger; None if it is not one of a sweep."""
    match = _TRIGGER.fullmatch(text)
    return (match[1], int(match[2])) if match else None
