"""`sae schedule show` and `history`: one schedule, and the outcome of ticks."""

from __future__ import annotations

import datetime
import shlex
from collections.abc import Iterator, Sequence

from pipeline.scheduler import wording
from pipeline.scheduler.history import TickGroup
from pipeline.scheduler.types import Planned
from pipeline.terminal.table import Cell, Column, Screen, state_cell

_TICKS = (
    Column("schedule", min_width=12),
    Column("planned (UTC)"),
    Column("result", min_width=9),
    Column("run", min_width=12, drop=1),
    Column("reason", min_width=16, drop=2),
)


def as_text(screen: Screen, found: Planned, history: Sequence[TickGroup], root: str, now: datetime.datetime) -> str:
    """Return trigger, command, next times, policies and newest ticks of a schedule."""
    return "\n".join(_lines(screen, found, history, root, now))


def _lines(
    screen: Screen, found: Planned, history: Sequence[TickGroup], root: str, now: datetime.datetime
) -> Iterator[str]:
    schedule = found.schedule
    command = shlex.join(["sae", "run", *wording.options(schedule.work), "--root", root])
    timing = schedule.timing
    yield screen.heading(f"schedule {schedule.name}")
    yield from screen.pairs(
        [
            ("when", found.words),
            ("cron", timing.cron),
            ("zone", timing.zone if timing.cron else ""),
            ("runs", command),
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
        yield from screen.table(_TICKS[1:], [row[1:] for row in map(_row, history)], "  ")
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
    """Return ticks as a table, newest first; empty for no ticks."""
    return "\n".join(screen.table(_TICKS, list(map(_row, history)))) if history else ""


def _row(group: TickGroup) -> list[Cell | str]:
    tick = group.tick
    result = wording.result(tick)
    if group.count > 1:
        result += f", {group.count:,} times since {wording.stamp(group.since)}"
    return [
        tick.schedule,
        wording.stamp(tick.planned),
        Cell(result, state_cell(tick.state).style),
        wording.run_of(tick),
        wording.reason(tick),
    ]


def history_note(shown: int, more: bool, name: str) -> str:
    """Return a note that there are more ticks, or none."""
    whose = f" of {name}" if name else ""
    if not shown:
        return f"no runs{whose} yet"
    return f"the newest {shown}{whose}; --limit shows more" if more else ""
