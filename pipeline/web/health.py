"""`/health.json`, for monitoring."""

from __future__ import annotations

import dataclasses
import datetime

from pipeline.scheduler import status
from pipeline.scheduler.store import ScheduleDatabase
from pipeline.web.pages.base import PageRequest

OK, UNATTENDED, UNREADABLE = "ok", "unattended", "unreadable"


@dataclasses.dataclass(frozen=True)
class SchedulerHealth:
    """State of the scheduler.

    Attributes:
      state, heard: of the daemon.
      schedules: number of schedules.
      unreadable: damaged rows of the schedule database: names of schedules, which do not run, and `row 3 of ticks`.
      failing: schedules whose last tick failed or was missed.
    """

    state: str
    heard: str
    schedules: int
    failing: tuple[str, ...]
    unreadable: tuple[str, ...]


@dataclasses.dataclass(frozen=True)
class Health:
    """State of the server.

    Attributes:
      status: `ok`; `unattended` if a schedule is active but no daemon will start its runs;
        `unreadable` if rows of the schedule database are damaged.
      store: the root's folder, or the store's file or URL.
      runs: number of runs in the store.
      scheduler: None for a store without a root.
    """

    status: str
    store: str
    runs: int
    scheduler: SchedulerHealth | None


def check(request: PageRequest) -> Health:
    """Read the store and the schedule database; raise if one of them cannot be read."""
    runs = len(request.reader.run_ids()) if request.reader else 0
    if request.root is None:
        return Health(OK, request.store, runs, None)
    daemon = status.daemon(request.root.path)
    with ScheduleDatabase.read(request.root.path) as database:
        schedules = status.planned(database, datetime.datetime.now(datetime.timezone.utc), 0)
        unreadable = (*database.unreadable(), *map(str, database.damaged_rows()))
    scheduler = SchedulerHealth(
        daemon.state, daemon.heard, len(schedules), tuple(status.failing(schedules)), unreadable
    )
    if unreadable:
        return Health(UNREADABLE, request.store, runs, scheduler)
    return Health(UNATTENDED if status.unattended(daemon, schedules) else OK, request.store, runs, scheduler)
