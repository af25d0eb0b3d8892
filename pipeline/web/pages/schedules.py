"""Schedules: the daemon, their next runs and their history."""

from __future__ import annotations

import dataclasses
import datetime
from collections.abc import Mapping

from pipeline.core import shell
from pipeline.core.pipeline_root import Root
from pipeline.core.suggestions import Selection
from pipeline.core.text import escaped
from pipeline.scheduler import history, status, times, wording
from pipeline.scheduler.history import TickGroup
from pipeline.scheduler.store import ScheduleDatabase
from pipeline.scheduler.types import Daemon, Planned
from pipeline.web.pages.base import PageRequest

NEXT = 5  # next times of each schedule
ROWS = 10  # rows of its history
_MAX_DAMAGED = 20  # damaged rows named


@dataclasses.dataclass(frozen=True)
class NextTime:
    """A planned time (`2026-11-24T03:00:00Z`), its distance from now, and its text in the schedule's time zone."""

    time: str
    distance: str
    words: str


@dataclasses.dataclass(frozen=True)
class ShownSchedule:
    """A schedule on the page.

    Attributes:
      planned: the schedule and its state.
      next: its next times.
      command: the command that a tick runs.
      policies: for overlapping, missed, late and failed runs, by name.
      history: the newest ticks, grouped by outcome.
      more: whether there are older ticks.
    """

    planned: Planned
    next: tuple[NextTime, ...]
    command: str
    policies: Mapping[str, str]
    history: tuple[TickGroup, ...]
    more: bool


@dataclasses.dataclass(frozen=True)
class DamagedEntry:
    """A damaged row of the schedule database, in words, and the command that deletes it."""

    text: str
    command: str


@dataclasses.dataclass(frozen=True)
class SchedulesView:
    """The page.

    Attributes:
      root: the folder; empty for a store without a root, which has no schedules.
      now: when this was read, `2026-11-24T03:00:00Z`.
      daemon: None without a root.
      daemon_words: its state in words.
      alone: whether a schedule is active but no daemon will start its runs.
      schedules: by name.
      begin: commands that add schedules and start the daemon, by purpose.
      going: whether a tick is running or waiting.
      damaged: rows of the schedule database that are left out, at most 20.
      more_damaged: how many more there are.
    """

    root: str
    now: str
    daemon: Daemon | None
    daemon_words: str
    alone: bool
    schedules: tuple[ShownSchedule, ...]
    begin: Mapping[str, str]
    going: bool
    damaged: tuple[DamagedEntry, ...] = ()
    more_damaged: int = 0


def build(request: PageRequest) -> SchedulesView:
    """Read the schedule database."""
    now = datetime.datetime.now(datetime.timezone.utc)
    if request.root is None:
        return SchedulesView("", times.as_text(now), None, "", False, (), {}, False)
    daemon = status.daemon(request.root.path)
    with ScheduleDatabase.read(request.root.path) as database:
        planned = status.planned(database, now, NEXT)
        schedules = tuple(_shown(database, one, request.root, now) for one in planned)
        damaged = _damaged(database, request.root, request.selected)
    return SchedulesView(
        root=str(request.root.path),
        now=times.as_text(now),
        daemon=daemon,
        daemon_words=wording.daemon(daemon, now),
        alone=status.unattended(daemon, [one.planned for one in schedules]),
        schedules=schedules,
        begin=_start_commands(request.root, request.selected),
        going=any(group.tick.state in ("running", "waiting") for one in schedules for group in one.history),
        damaged=damaged[:_MAX_DAMAGED],
        more_damaged=len(damaged[_MAX_DAMAGED:]),
    )


def _damaged(database: ScheduleDatabase, root: Root, selected: Selection) -> tuple[DamagedEntry, ...]:
    found = []
    for name, why in database.unreadable().items():
        text, command = wording.unreadable(name, why)
        full = f"{command} --root {shell.quoted(str(root.path))}".replace("sae ", f"{selected.command} ", 1)
        found.append(DamagedEntry(escaped(text), full))
    return (*found, *(DamagedEntry(*wording.damaged(row, root.path)) for row in database.damaged_rows()))


def _shown(database: ScheduleDatabase, one: Planned, root: Root, now: datetime.datetime) -> ShownSchedule:
    ticks = database.ticks(one.schedule.name, history.MAX_READ + 1)
    groups = history.group(ticks[: history.MAX_READ])
    zone = one.schedule.timing.zone
    return ShownSchedule(
        planned=one,
        next=tuple(NextTime(time, wording.distance(time, now), wording.moment(time, zone)) for time in one.next),
        command=shell.joined(["sae", *one.schedule.work.command(), "--root", str(root.path)]),
        policies=wording.policies(one.schedule.policies),
        history=groups[:ROWS],
        more=len(ticks) > history.MAX_READ or len(groups) > ROWS,
    )


def _start_commands(root: Root, selected: Selection) -> Mapping[str, str]:
    sae, folder = selected.command, shell.quoted(str(root.path))
    return {
        "a run every night at 03:00 UTC": f'{sae} schedule add nightly --cron "0 3 * * *" --root {folder}',
        "a run every six hours": f"{sae} schedule add often --every 6h --root {folder}",
        "a run whenever the data changed": f"{sae} schedule add fresh --on-data-change --root {folder}",
        "the daemon that starts them": f"{sae} schedule run --root {folder}",
    }
