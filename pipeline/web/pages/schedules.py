"""What is planned, who does it, and what came of it."""

from __future__ import annotations

import dataclasses
import datetime
import shlex
from collections.abc import Mapping

from pipeline.core.pipeline_root import Root
from pipeline.scheduler import health, status, times, upcoming, wording
from pipeline.scheduler import history as stretches
from pipeline.scheduler.history import Stretch
from pipeline.scheduler.store import Book
from pipeline.scheduler.types import Daemon, Planned
from pipeline.web.pages.base import Asked, Page

NEXT = 5  # times shown of a schedule
ROWS = 10  # shown of its history


@dataclasses.dataclass(frozen=True)
class NextTime:
    """A time to come: `2026-11-24T03:00:00Z`, how far away, and as the clocks of the schedule's zone show it."""

    time: str
    distance: str
    words: str


@dataclasses.dataclass(frozen=True)
class Shown:
    """A schedule on the page.

    Attributes:
      planned: the schedule and where it stands.
      next: its next times.
      command: what a tick runs, as it is typed.
      policies: what it does when things do not go as planned, by what does not.
      history: the newest ticks, with those together that say the same.
      more: whether there are older ones.
    """

    planned: Planned
    next: tuple[NextTime, ...]
    command: str
    policies: Mapping[str, str]
    history: tuple[Stretch, ...]
    more: bool


@dataclasses.dataclass(frozen=True)
class SchedulesView:
    """The page.

    Attributes:
      root: the folder; empty for a store alone, which has no schedules.
      now: when this was read, `2026-11-24T03:00:00Z`.
      daemon: who does the scheduling; None without a root.
      daemon_words: the same in words.
      alone: whether something is planned that no daemon will start.
      schedules: by name.
      begin: the commands to begin with, by what they do.
      going: whether a tick runs or waits for a run to end.
    """

    root: str
    now: str
    daemon: Daemon | None
    daemon_words: str
    alone: bool
    schedules: tuple[Shown, ...]
    begin: Mapping[str, str]
    going: bool


def build(asked: Asked) -> SchedulesView:
    """Reads the book."""
    now = datetime.datetime.now(datetime.timezone.utc)
    if asked.root is None:
        return SchedulesView("", times.as_text(now), None, "", False, (), {}, False)
    daemon = status.daemon(asked.root.path)
    schedules = _schedules(asked.root, now)
    return SchedulesView(
        root=str(asked.root.path),
        now=times.as_text(now),
        daemon=daemon,
        daemon_words=wording.daemon(daemon, now),
        alone=health.unattended(daemon, [one.planned for one in schedules]),
        schedules=schedules,
        begin=_begin(asked.root),
        going=any(stretch.tick.state in ("running", "waiting") for one in schedules for stretch in one.history),
    )


def _schedules(root: Root, now: datetime.datetime) -> tuple[Shown, ...]:
    book = Book.read(root.path)
    if book is None:
        return ()
    with book:
        return tuple(_shown(book, one, root, now) for one in upcoming.planned(book, now, NEXT))


def _shown(book: Book, one: Planned, root: Root, now: datetime.datetime) -> Shown:
    ticks = book.ticks(one.schedule.name, stretches.READ + 1)
    history = stretches.of(ticks[: stretches.READ])
    zone = one.schedule.timing.zone
    return Shown(
        planned=one,
        next=tuple(NextTime(time, wording.distance(time, now), wording.moment(time, zone)) for time in one.next),
        command=shlex.join(["sae", "run", *wording.options(one.schedule.work), "--root", str(root.path)]),
        policies=wording.policies(one.schedule.policies),
        history=history[:ROWS],
        more=len(ticks) > stretches.READ or len(history) > ROWS,
    )


def _begin(root: Root) -> Mapping[str, str]:
    folder = shlex.quote(str(root.path))
    return {
        "a run every night at 03:00 UTC": f'sae schedule add nightly --cron "0 3 * * *" --root {folder}',
        "a run every six hours": f"sae schedule add often --every 6h --root {folder}",
        "a run whenever the data changed": f"sae schedule add fresh --on-data-change --root {folder}",
        "the daemon that starts them": f"sae schedule run --root {folder}",
    }


PAGE = Page("schedules", "/schedules", build)
