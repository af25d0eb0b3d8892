"""Plan ticks: insert each time of a schedule up to now into the database once, with the time when it may start."""

from __future__ import annotations

import contextlib
import datetime
import functools
import hashlib
import itertools
import sqlite3
from collections.abc import Iterable

from pipeline.core.errors import UsageError
from pipeline.scheduler import times, triggers
from pipeline.scheduler.types import Schedule

CHUNK = 1_000  # ticks in one transaction: milliseconds, and little memory, however many there are


def comes(connection: sqlite3.Connection, schedule: Schedule, until: datetime.datetime) -> bool:
    """Return whether a schedule has unplanned ticks up to a moment."""
    row = connection.execute("SELECT horizon FROM schedules WHERE name = ?", (schedule.name,)).fetchone()
    if row is None:
        return False
    upcoming = _next(schedule, row[0])
    return upcoming is not None and upcoming <= until


def next_tick(connection: sqlite3.Connection, schedules: Iterable[Schedule]) -> datetime.datetime | None:
    """Return the earliest tick of all active schedules that is not planned yet."""
    horizons = dict(connection.execute("SELECT name, horizon FROM schedules WHERE paused = ''").fetchall())
    found = []
    for schedule in schedules:
        if schedule.name in horizons:
            with contextlib.suppress(UsageError):  # its time zone is gone: reported where its ticks are planned
                found.append(_next(schedule, horizons[schedule.name]))
    return min((when for when in found if when is not None), default=None)


def plan(connection: sqlite3.Connection, schedule: Schedule, until: datetime.datetime, most: int = CHUNK) -> bool:
    """Insert the next ticks up to a moment, `most` at most, and move the horizon; inside a transaction.

    The horizon is the time of the last one: without new ticks nothing is written.

    Returns:
      Whether all of them are planned now.
    """
    [horizon] = connection.execute("SELECT horizon FROM schedules WHERE name = ?", (schedule.name,)).fetchone()
    after = times.from_text(horizon)
    found = triggers.between(schedule.timing, times.from_text(schedule.created), after, until)
    chunk = list(itertools.islice(found, most))
    if not chunk:
        return True
    rows = [
        {"name": schedule.name, "at": times.as_text(when), "due": times.as_text(when + jitter(schedule, when))}
        for when in chunk
    ]
    # A tick that exists or was merged into another was planned before the clock went back, or before the schedule was
    # added again.
    connection.executemany(
        "INSERT OR IGNORE INTO ticks (schedule, planned, due) SELECT :name, :at, :due WHERE NOT EXISTS "
        "(SELECT 1 FROM ticks WHERE schedule = :name AND state = 'skipped' AND manual = 0 AND planned > :at "
        "AND since BETWEEN '0' AND :at)",
        rows,
    )
    connection.execute("UPDATE schedules SET horizon = ? WHERE name = ?", (times.as_text(chunk[-1]), schedule.name))
    return len(chunk) < most


@functools.lru_cache(maxsize=256)  # called every 2 s with the same result for hours
def _next(schedule: Schedule, horizon: str) -> datetime.datetime | None:
    found = triggers.next_times(schedule.timing, times.from_text(schedule.created), times.from_text(horizon), 1)
    return found[0] if found else None


def jitter(schedule: Schedule, planned: datetime.datetime) -> datetime.timedelta:
    """Return the delay of a tick: whole seconds that depend on the names of schedule and tick only."""
    most = int(schedule.policies.jitter)
    digest = hashlib.sha256(f"{schedule.name} {times.as_text(planned)}".encode()).digest()
    return datetime.timedelta(seconds=int.from_bytes(digest[:8], "big") % (most + 1))
