"""Ticks that say the same one after another, as one: looks at data that did not change would hide all else."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable

from pipeline.scheduler.types import Tick

# Ticks that are read to be shown: a week of looks every ten minutes is as many, and older ones are kept as one.
READ = 1_000


@dataclasses.dataclass(frozen=True)
class Stretch:
    """Ticks of one schedule in a row.

    Attributes:
      tick: the newest of them.
      count: how many, those too that one in the schedule database stands for.
      since: planned time of the oldest.
    """

    tick: Tick
    count: int
    since: str


def of(ticks: Iterable[Tick]) -> tuple[Stretch, ...]:
    """The ticks, newest first, with those together that started nothing, for the same reason."""
    found: list[Stretch] = []
    for tick in ticks:
        if found and _same(found[-1].tick, tick):
            found[-1] = dataclasses.replace(
                found[-1], count=found[-1].count + tick.count, since=tick.since or tick.planned
            )
        else:
            found.append(Stretch(tick, tick.count, tick.since or tick.planned))
    return tuple(found)


def _same(newer: Tick, older: Tick) -> bool:
    quiet = newer.decision is not None and not (newer.attempts or older.attempts)
    return quiet and _but_for_times(newer) == _but_for_times(older)


def _but_for_times(tick: Tick) -> Tick:
    return dataclasses.replace(tick, planned="", decided="", count=1, since="")
