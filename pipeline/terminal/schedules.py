"""`sae schedule list`, `next` and `status`: what is planned, when, and who does it."""

from __future__ import annotations

import datetime
from collections.abc import Sequence

from pipeline.scheduler import health, wording
from pipeline.scheduler.types import Daemon, Planned, Tick
from pipeline.terminal.table import Cell, Column, Screen, state_cell

_LIST = (
    Column("schedule", least=12),
    Column("state"),
    Column("when", least=16),
    Column("next (UTC)"),
    Column("", drop=3),
    Column("last"),
    Column("run", least=12, drop=2),
    Column("runs with", least=12, drop=1),
)
_NEXT = (Column("schedule", least=12), Column("time (UTC)"), Column("", drop=1), Column("in words", least=20, drop=2))


def as_text(screen: Screen, found: Sequence[Planned], now: datetime.datetime) -> str:
    """The schedules as a table; empty where there are none."""
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
    """What to say beside the table: how to begin, or that nobody does what is planned."""
    if not found:
        return f'no schedule in {place}: `sae schedule add nightly --cron "0 3 * * *"` plans the first one'
    if health.unattended(daemon, found):
        return f"the daemon is {daemon.state}, so nothing is started: `sae schedule run` starts it (docs/operations.md)"
    return ""


def times(found: Sequence[Planned], count: int) -> list[tuple[Planned, str]]:
    """The next times of all schedules together, the nearest first, `count` at most."""
    every = [(one, time) for one in found for time in one.next]
    return sorted(every, key=lambda pair: (pair[1], pair[0].schedule.name))[:count]


def next_text(screen: Screen, found: Sequence[tuple[Planned, str]], now: datetime.datetime) -> str:
    """The next times as a table: in UTC, how far away, and in words as the clocks of the schedule's zone show them."""
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
    """What to say where there is no next time."""
    if name or found:
        which = f"{name} is" if name else "all schedules are"
        return f"nothing is planned: {which} paused; `sae schedule resume NAME` plans again"
    return f"no schedule in {place}: `sae schedule add` adds one"


def status_text(screen: Screen, daemon: Daemon, found: Sequence[Planned], now: datetime.datetime) -> str:
    """The daemon, how many schedules there are, and the ones whose last tick failed."""
    failing = health.failing(found)
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
    return (wording.reason(tick) or "no reason was noted") + (f" (run {run})" if run else "")
