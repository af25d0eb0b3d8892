"""Write and parse the trigger of a run that a schedule started: `schedule nightly 2026-11-24T03:00:00Z`."""

from __future__ import annotations

import dataclasses

from pipeline.scheduler import times

_FIRST = "schedule"


@dataclasses.dataclass(frozen=True)
class Trigger:
    """The schedule and the planned time of the tick, `2026-11-24T03:00:00Z`, that a run was started for."""

    schedule: str
    planned: str


def as_text(schedule: str, planned: str) -> str:
    """Write the trigger of a tick's run."""
    return f"{_FIRST} {schedule} {planned}"


def parse(text: str) -> Trigger | None:
    """Parse a trigger; None if it is not one of a schedule."""
    parts = text.split(" ")
    if len(parts) != 3 or parts[0] != _FIRST or not parts[1]:
        return None
    try:
        times.from_text(parts[2])
    except ValueError:
        return None
    return Trigger(parts[1], parts[2])


def in_words(text: str) -> str:
    """Write `schedule nightly, for 2026-11-24 03:00 UTC`; other triggers unchanged."""
    from pipeline.scheduler import wording  # it imports the schedule database, which lists of runs do not read

    found = parse(text)
    return f"{_FIRST} {found.schedule}, for {wording.stamp(found.planned)} UTC" if found else text


def short(text: str) -> str:
    """Write `schedule nightly`; other triggers unchanged."""
    found = parse(text)
    return f"{_FIRST} {found.schedule}" if found else text
