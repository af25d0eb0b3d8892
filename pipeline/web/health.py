"""`/health.json`, for what watches the server."""

from __future__ import annotations

import dataclasses
import datetime

from pipeline.core.pipeline_root import Root
from pipeline.scheduler import health, status, upcoming
from pipeline.scheduler.store import Book
from pipeline.web.pages.base import Asked

OK, UNATTENDED = "ok", "unattended"


@dataclasses.dataclass(frozen=True)
class Scheduler:
    """Who does the scheduling.

    Attributes:
      state, heard: of the daemon.
      schedules: how many there are.
      failing: the schedules whose last tick failed or was missed.
    """

    state: str
    heard: str
    schedules: int
    failing: tuple[str, ...]


@dataclasses.dataclass(frozen=True)
class Health:
    """What is well.

    Attributes:
      status: `ok`; `unattended` where something is planned that no daemon will start.
      store: the root's folder, or the store's file or URL.
      runs: how many the store holds.
      scheduler: None for a store without a root.
    """

    status: str
    store: str
    runs: int
    scheduler: Scheduler | None


def look(asked: Asked) -> Health:
    """Reads the store and the book of schedules; raises where one of them cannot be read."""
    runs = len(asked.reader.run_ids()) if asked.reader else 0
    if asked.root is None:
        return Health(OK, asked.store, runs, None)
    return _with_schedules(asked.root, asked.store, runs)


def _with_schedules(root: Root, store: str, runs: int) -> Health:
    daemon = status.daemon(root.path)
    book = Book.read(root.path)
    if book is None:
        return Health(OK, store, runs, Scheduler(daemon.state, daemon.heard, 0, ()))
    with book:
        found = upcoming.planned(book, datetime.datetime.now(datetime.timezone.utc), 0)
    scheduler = Scheduler(daemon.state, daemon.heard, len(found), tuple(health.failing(found)))
    return Health(UNATTENDED if health.unattended(daemon, found) else OK, store, runs, scheduler)
