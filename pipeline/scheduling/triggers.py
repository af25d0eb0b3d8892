"""What a run's trigger says of the schedule that started it: `schedule nightly 2026-11-24T03:00:00Z`."""

from __future__ import annotations

import dataclasses

_FIRST = "schedule"


@dataclasses.dataclass(frozen=True)
class Trigger:
    """The schedule and the planned time of the tick, `2026-11-24T03:00:00Z`, that a run was started for."""

    schedule: str
    planned: str


def as_text(schedule: str, planned: str) -> str:
    """What is recorded of a run that is started for a tick."""
    return f"{_FIRST} {schedule} {planned}"


def parse(text: str) -> Trigger | None:
    """The tick that a trigger names; None for a run that was started otherwise."""
    words = text.split(" ")
    return Trigger(words[1], words[2]) if len(words) == 3 and words[0] == _FIRST and words[1] and words[2] else None
