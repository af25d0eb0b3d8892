"""The texts of `sae schedule list`, `show`, `next`, `history` and `status`."""

from __future__ import annotations

import datetime
from collections.abc import Iterator, Sequence

from pipeline.core import shell
from pipeline.scheduler import status, wording
from pipeline.scheduler.history import TickGroup
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

_TICKS = (
    Column("schedule", min_width=12),
    Column("planned (UTC)"),
    Column("result", min_width=9),
    Column("run", min_width=12, drop=1),
    Column("reason", min_width=16, drop=2),
)


def list_text(screen: Screen, found: Sequence[Planned], now: datetime.datetime) -> str:
    """Return the schedules as a table."""
    return "\n".join(screen.table(_LIST, [_list_row(one, now) for one in found]))


def _list_row(one: Planned, now: datetime.datetime) -> list[Cell | str]:
    return [
        one.schedule.name,
        state_cell("paused" if one.schedule.paused else "active"),
        one.words,
        wording.stamp(one.next[0]) if one.next else "",
        wording.distance(one.next[0], now) if one.next else "",
        state_cell(one.last.state) if one.last else "",
        wording.run_of(one.last) if one.last else "",
        f"sweep {one.schedule.work.sweep}" if one.schedule.work.sweep else " ".join(one.schedule.work.options()),
    ]


def note(found: Sequence[Planned], daemon: Daemon, root: str) -> str:
    """Return a note on how to add a schedule, or that no daemon starts the runs."""
    if not found:
        return f"no schedule in {root}: {wording.HOW_TO_ADD}"
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
    return "\n".join(screen.table(_NEXT, rows))


def next_note(found: Sequence[Planned], name: str, root: str) -> str:
    """Return why there is no next time."""
    if name or found:
        which = f"{name} is" if name else "all schedules are"
        return f"no next run: {which} paused; resume with `sae schedule resume NAME`"
    return f"no schedule in {root}: {wording.HOW_TO_ADD}"


def status_text(screen: Screen, daemon: Daemon, found: Sequence[Planned], now: datetime.datetime) -> str:
    """Return the state of the daemon, the number of schedules, and those whose last tick failed."""
    failing = status.failing(found)
    paused = sum(bool(one.schedule.paused) for one in found)
    upcoming = times(found, 1)
    lines = screen.pairs(
        [
            ("daemon", state_cell(daemon.state, wording.daemon(daemon, now))),
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
    return (wording.short_reason(tick) or "no reason recorded") + (f" (run {run})" if run else "")


def schedule_lines(
    screen: Screen, found: Planned, history: Sequence[TickGroup], root: str, now: datetime.datetime, retention: str
) -> Iterator[str]:
    """Yield trigger, command, next times, policies and newest ticks of a schedule.

    Args:
      screen: to write for.
      found: the schedule.
      history: its newest ticks.
      root: the root of its runs.
      now: the time.
      retention: what `sae gc` keeps after a run, in words.
    """
    schedule = found.schedule
    command = shell.joined(["sae", *schedule.work.command(), "--root", root])
    timing = schedule.timing
    yield screen.heading(f"schedule {schedule.name}")
    yield from screen.pairs(
        [
            ("when", found.words),
            ("cron", timing.cron),
            ("zone", timing.zone if timing.cron else ""),
            ("runs", command),
            ("retention", retention),
            ("added", f"{wording.stamp(schedule.created)} UTC"),
            ("paused", Cell(f"since {wording.stamp(schedule.paused)} UTC" if schedule.paused else "", "yellow")),
        ],
        "  ",
    )
    if found.next:
        yield ""
        yield screen.heading("next")
        yield from next_lines(screen, found, now)
    yield ""
    yield screen.heading("policies")
    yield from screen.pairs(
        ((name[0].lower() + name[1:], text) for name, text in wording.policies(schedule.policies).items()), "  "
    )
    yield ""
    yield screen.heading("history")
    if history:
        yield from screen.table(_TICKS[1:], [row[1:] for row in map(_tick_row, history)], "  ")
    else:
        yield "  no runs yet"


def next_lines(screen: Screen, found: Planned, now: datetime.datetime) -> list[str]:
    """Return the next times: in UTC, how far away, and in the schedule's time zone."""
    zone = found.schedule.timing.zone
    columns = (Column(""), Column("", drop=1), Column("", min_width=20, drop=2))
    rows = [
        [f"{wording.stamp(time)} UTC", wording.distance(time, now), wording.moment(time, zone)] for time in found.next
    ]
    return screen.table(columns, rows, "  ")


def history_text(screen: Screen, history: Sequence[TickGroup]) -> str:
    """Return ticks as a table, newest first."""
    return "\n".join(screen.table(_TICKS, list(map(_tick_row, history))))


def _tick_row(group: TickGroup) -> list[Cell | str]:
    tick = group.tick
    result = wording.result(tick)
    if group.count > 1:
        result += f", {group.count:,} times since {wording.stamp(group.since)}"
    return [
        tick.schedule,
        wording.stamp(tick.planned),
        state_cell(tick.state, result),
        wording.run_of(tick),
        wording.short_reason(tick),
    ]


def history_note(shown: int, more: bool, name: str) -> str:
    """Return a note that there are more ticks, or none."""
    whose = f" of {name}" if name else ""
    if not shown:
        return f"no runs{whose} yet"
    return f"the newest {shown}{whose}; --limit shows more" if more else ""
