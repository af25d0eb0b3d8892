"""`/health.json`, for monitoring."""

from __future__ import annotations

import dataclasses
import datetime

from pipeline.core.pipeline_root import Root
from pipeline.scheduler import status
from pipeline.scheduler.store import ScheduleDatabase
from pipeline.web.pages.base import PageRequest

OK, UNATTENDED = "ok", "unattended"


@dataclasses.dataclass(frozen=True)
class SchedulerHealth:
    """State of the scheduler.

    Attributes:
      state, heard: of the daemon.
      schedules: number of schedules.
      failing: schedules whose last tick failed or was missed.
    """

    state: str
    heard: str
    schedules: int
    failing: tuple[str, ...]


@dataclasses.dataclass(frozen=True)
class Health:
    """State of the server.

    Attributes:
      status: `ok`; `unattended` if a schedule is active but no daemon will start its runs.
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
    return _with_schedules(request.root, request.store, runs)


def _with_schedules(root: Root, store: str, runs: int) -> Health:
    daemon = status.daemon(root.path)
    book = ScheduleDatabase.read(root.path)
    if book is None:
        return Health(OK, store, runs, SchedulerHealth(daemon.state, daemon.heard, 0, ()))
    with book:
        found = status.planned(book, datetime.datetime.now(datetime.timezone.utc), 0)
    scheduler = SchedulerHealth(daemon.state, daemon.heard, len(found), tuple(status.failing(found)))
    return Health(UNATTENDED if status.unattended(daemon, found) else OK, store, runs, scheduler)
