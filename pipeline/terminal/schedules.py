"""`sae schedule list`, `next` and `status`: schedules, next times and the daemon."""

from __future__ import annotations

import datetime
from collections.abc import Sequence

from pipeline.scheduler import status, wording
from pipeline.scheduler.types import Daemon, Planned, Tick
from pipeline.terminal.table import Cell, Column, Screen, state_cell

_LIST = (
    Column("schedule", min_width=12),
    Column("state"),
    Column("when", min_width=16),
    Column("next (UTC)"),
    Column("", drop=3),
    Column("last"),
    Column("run", min_width=12, drop=2),
    Column("options", min_width=12, drop=1),
)
_NEXT = (
    Column("schedule", min_width=12),
    Column("time (UTC)"),
    Column("", drop=1),
    Column("in words", min_width=20, drop=2),
)


def as_text(screen: Screen, found: Sequence[Planned], now: datetime.datetime) -> str:
    """Return the schedules as a table; empty for no schedules."""
    if not found:
        return ""
    return "\n".join(screen.table(_LIST, [_row(one, now) for one in found]))


def _row(one: Planned, now: datetime.datetime) -> list[Cell | str]:
    return [
        one.schedule.name,
        state_cell("paused" if one.schedule.paused else "active"),
        one.words,
        wording.stamp(one.next[0]) if one.next else "",
        wording.distance(one.next[0], now) if one.next else "",
        state_cell(one.last.state) if one.last else "",
        wording.run_of(one.last) if one.last else "",
        " ".join(wording.options(one.schedule.work)),
    ]


def note(found: Sequence[Planned], daemon: Daemon, place: str) -> str:
    """Return a note on how to add a schedule, or that no daemon starts the runs."""
    if not found:
        return f'no schedule in {place}: `sae schedule add nightly --cron "0 3 * * *"` adds the first one'
    if status.unattended(daemon, found):
        return f"the daemon is {daemon.state}, so no run starts: start it with `sae schedule run` (docs/operations.md)"
    return ""


def times(found: Sequence[Planned], count: int) -> list[tuple[Planned, str]]:
    """Return the next times of all schedules, nearest first, `count` at most."""
    every = [(one, time) for one in found for time in one.next]
    return sorted(every, key=lambda pair: (pair[1], pair[0].schedule.name))[:count]


def next_text(screen: Screen, found: Sequence[tuple[Planned, str]], now: datetime.datetime) -> str:
    """Return the next times as a table: in UTC, how far away, and in the schedule's time zone."""
    rows = [
        [
            one.schedule.name,
            wording.stamp(time),
            wording.distance(time, now),
            wording.moment(time, one.schedule.timing.zone),
        ]
        for one, time in found
    ]
    return "\n".join(screen.table(_NEXT, rows)) if rows else ""


def next_note(found: Sequence[Planned], name: str, place: str) -> str:
    """Return why there is no next time."""
    if name or found:
        which = f"{name} is" if name else "all schedules are"
        return f"no next run: {which} paused; resume with `sae schedule resume NAME`"
    return f"no schedule in {place}: `sae schedule add` adds one"


def status_text(screen: Screen, daemon: Daemon, found: Sequence[Planned], now: datetime.datetime) -> str:
    """Return the state of the daemon, the number of schedules, and those whose last tick failed."""
    failing = status.failing(found)
    paused = sum(bool(one.schedule.paused) for one in found)
    upcoming = times(found, 1)
    lines = screen.pairs(
        [
            ("daemon", Cell(wording.daemon(daemon, now), state_cell(daemon.state).style)),
            ("schedules", f"{len(found)}" + (f", {paused} of them paused" if paused else "")),
            *(
                ("next", f"{one.schedule.name}, {wording.stamp(time)} UTC, {wording.distance(time, now)}")
                for one, time in upcoming
            ),
            *((tick.state, Cell(f"{name}: {_why(tick)}", "red")) for name, tick in failing.items()),
        ]
    )
    return "\n".join(lines)


def _why(tick: Tick) -> str:
    run = wording.run_of(tick)
    return (wording.reason(tick) or "no reason recorded") + (f" (run {run})" if run else "")
