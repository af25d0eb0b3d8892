"""What a soak test checks at its end: the outcome of each tick, its runs, and what is left behind."""

from __future__ import annotations

import collections
import pathlib
from collections.abc import Iterable, Iterator

import psutil

from pipeline.scheduler import times, triggers
from pipeline.scheduler.store import ScheduleDatabase


def faults_of_ticks(database: ScheduleDatabase, name: str) -> Iterator[str]:
    """Say which planned times of a schedule have no outcome, or several, and which runs several attempts."""
    ticks = [tick for tick in reversed(database.ticks(name)) if not tick.manual]
    schedule = database.schedule(name)
    created = times.from_text(schedule.created)
    last = max(times.from_text(tick.planned) for tick in ticks)
    wanted = [times.as_text(when) for when in triggers.between(schedule.timing, created, created, last)]
    found = collections.Counter(tick.planned for tick in ticks)
    yield from (f"{when} has no outcome" for when in wanted if not found[when])
    yield from (f"{when} is there {number} times" for when, number in found.items() if number > 1)
    yield from (f"{tick.planned} waits" for tick in ticks if tick.decision is None)
    runs = collections.Counter(one.run_id for tick in ticks for one in tick.attempts if one.run_id)
    yield from (f"run {run} belongs to {number} attempts" for run, number in runs.items() if number > 1)


def left_over(processes: Iterable[psutil.Process], root: pathlib.Path) -> Iterator[str]:
    """Name the processes, and the files of attempts in a root, that should have gone."""
    yield from (f"process {one.pid} is left over: {' '.join(one.cmdline())}" for one in processes)
    yield from (f"{path} is left over" for path in (root / "scheduling").iterdir())
