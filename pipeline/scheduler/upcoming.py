"""What comes next: each schedule with its next times and its last tick."""

from __future__ import annotations

import datetime

from pipeline.scheduler import times, triggers
from pipeline.scheduler.store import Book
from pipeline.scheduler.types import Planned, Schedule


def planned(book: Book, now: datetime.datetime, count: int) -> tuple[Planned, ...]:
    """All schedules by name, each with its next `count` times after `now`."""
    return tuple(
        Planned(
            schedule, triggers.explain(schedule.timing), _next(schedule, now, count), book.last_decided(schedule.name)
        )
        for schedule in book.schedules()
    )


def _next(schedule: Schedule, now: datetime.datetime, count: int) -> tuple[str, ...]:
    if schedule.paused:
        return ()
    found = triggers.next_times(schedule.timing, times.from_text(schedule.created), now, count)
    return tuple(times.as_text(when) for when in found)
