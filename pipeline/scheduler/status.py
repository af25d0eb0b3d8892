"""Report the state of schedules and of the daemon."""

from __future__ import annotations

import datetime
import pathlib
from collections.abc import Iterable

from pipeline.core import root_lock
from pipeline.scheduler import times, triggers
from pipeline.scheduler.run_process import DaemonFiles
from pipeline.scheduler.store import ScheduleDatabase
from pipeline.scheduler.types import Daemon, Planned, Schedule, Tick

_SILENCE = 60.0  # seconds without a heartbeat until a daemon is silent: six heartbeats
_FAILED = ("failed", "missed")


def daemon(root: pathlib.Path) -> Daemon:
    """Return the daemon of a root: it lives while it holds its lock. Takes no lock. Raises `UnavailableError`."""
    with ScheduleDatabase.read(root) as database:
        row = database.connection.execute("SELECT * FROM valid_daemon").fetchone()
    if root_lock.holder(DaemonFiles(root).lock) is None:
        return Daemon("stopped", None, "", row["heard"] if row else "")
    if row is None:  # it has just started, or its row is damaged until its next heartbeat
        return Daemon("running", None, "", "")
    quiet = (times.now() - times.from_text(row["heard"])).total_seconds()
    state = "stopping" if row["stopping"] else "running"
    return Daemon("silent" if quiet > _SILENCE else state, row["process"], row["since"], row["heard"])


def planned(database: ScheduleDatabase, now: datetime.datetime, count: int) -> tuple[Planned, ...]:
    """Return all schedules by name, each with its next `count` times after `now` and its last tick."""
    return tuple(
        Planned(
            schedule,
            triggers.explain(schedule.timing),
            _next(schedule, now, count),
            database.last_outcome(schedule.name),
            database.last_ended(schedule.name),
        )
        for schedule in database.schedules()
    )


def _next(schedule: Schedule, now: datetime.datetime, count: int) -> tuple[str, ...]:
    if schedule.paused:
        return ()
    found = triggers.next_times(schedule.timing, times.from_text(schedule.created), now, count)
    return tuple(times.as_text(when) for when in found)


def unattended(daemon: Daemon, found: Iterable[Planned]) -> bool:
    """Return whether a schedule is active and no daemon will start it: it is stopped or silent."""
    return daemon.state in ("stopped", "silent") and any(not one.schedule.paused for one in found)


def failing(found: Iterable[Planned]) -> dict[str, Tick]:
    """Return the last ended ticks that failed or were missed, by schedule: a rerun in progress does not count yet."""
    return {one.schedule.name: one.last_ended for one in found if one.last_ended and one.last_ended.state in _FAILED}
