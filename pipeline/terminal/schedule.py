"""`sae schedule show` and `history`: one schedule, and what its ticks ended as."""

from __future__ import annotations

import datetime
import shlex
from collections.abc import Iterator, Sequence

from pipeline.scheduler import wording
from pipeline.scheduler.history import Stretch
from pipeline.scheduler.types import Planned
from pipeline.terminal.table import Cell, Column, Screen, state_cell

_TICKS = (
    Column("schedule", least=12),
    Column("planned (UTC)"),
    Column("result", least=9),
    Column("run", least=12, drop=1),
    Column("why", least=16, drop=2),
)


def as_text(screen: Screen, found: Planned, history: Sequence[Stretch], root: str, now: datetime.datetime) -> str:
    """A schedule: when, what, its next times, its policies and its newest ticks."""
    return "\n".join(_lines(screen, found, history, root, now))


def _lines(
    screen: Screen, found: Planned, history: Sequence[Stretch], root: str, now: datetime.datetime
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
    said = wording.policies(schedule.policies)
    yield ""
    yield screen.heading("policies")
    yield from screen.pairs(((name[0].lower() + name[1:], text) for name, text in said.items()), "  ")
    yield ""
    yield screen.heading("history")
    if history:
        yield from screen.table(_TICKS[1:], [row[1:] for row in map(_row, history)], "  ")
    else:
        yield "  no tick was decided yet"


def next_lines(screen: Screen, found: Planned, now: datetime.datetime) -> list[str]:
    """The next times: in UTC, how far away, and as the clocks of the schedule's zone show them."""
    zone = found.schedule.timing.zone
    columns = (Column(""), Column("", drop=1), Column("", least=20, drop=2))
    rows = [
        [f"{wording.stamp(time)} UTC", wording.distance(time, now), wording.moment(time, zone)] for time in found.next
    ]
    return screen.table(columns, rows, "  ")


def history_text(screen: Screen, history: Sequence[Stretch]) -> str:
    """Ticks as a table, the newest first; empty where there are none."""
    return "\n".join(screen.table(_TICKS, list(map(_row, history)))) if history else ""


def _row(stretch: Stretch) -> list[Cell | str]:
    tick = stretch.tick
    result = wording.result(tick)
    if stretch.count > 1:
        result += f", {stretch.count:,} times since {wording.stamp(stretch.since)}"
    return [
        tick.schedule,
        wording.stamp(tick.planned),
        Cell(result, state_cell(tick.state).style),
        wording.run_of(tick),
        wording.reason(tick),
    ]


def history_note(shown: int, more: bool, name: str) -> str:
    """What to say beside the history: that there is more of it, or none."""
    whose = f" of {name}" if name else ""
    if not shown:
        return f"no tick{whose} was decided yet"
    return f"the newest {shown}{whose}; --limit shows more" if more else ""
