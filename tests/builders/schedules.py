"""Schedules, ticks, attempts and daemons, and a clock that tests set."""

from __future__ import annotations

import dataclasses
import datetime
from typing import Any

from pipeline.scheduler import process_identity, times
from pipeline.scheduler.run_process import DaemonFiles
from pipeline.scheduler.store import ScheduleDatabase
from pipeline.scheduler.types import (
    Attempt,
    CatchUp,
    Daemon,
    Outcome,
    Overlap,
    Planned,
    Schedule,
    Tick,
    Timing,
    TimingKind,
    Work,
)
from pipeline_config import SchedulePolicies

NOW = datetime.datetime(2026, 11, 24, 20, 30, tzinfo=datetime.timezone.utc)
CREATED = "2026-11-20T12:00:00Z"
MIDNIGHT = "2026-11-24T00:00:00Z"


class QuickClock:
    """A clock that goes `speed` times as fast as that of the machine, and shows the same in all processes."""

    def __init__(self, speed: float) -> None:
        self._speed = speed

    def __call__(self) -> datetime.datetime:
        now = datetime.datetime.now(datetime.timezone.utc)
        return NOW + self._speed * (now - NOW)


def policies(**changed: Any) -> SchedulePolicies:
    """Default policies of tests, with changes."""
    values = {
        "overlap": Overlap.SKIP,
        "catch_up": CatchUp.ONE,
        "catch_up_limit": 10,
        "max_late": 86_400.0,
        "jitter": 0.0,
        "retries": 2,
        "retry_wait": 60.0,
        "timeout": 0.0,
    }
    return SchedulePolicies(**{**values, **changed})


def schedule(
    name: str = "nightly", timing: Timing | None = None, work: Work | None = None, paused: str = "", **changed: Any
) -> Schedule:
    """A schedule with the default policies of tests, with changes."""
    return Schedule(
        name,
        timing or Timing(TimingKind.CRON, cron="0 3 * * *"),
        work or Work("sample"),
        policies(**changed),
        CREATED,
        paused,
    )


def new_schedule(
    name: str = "nightly", timing: Timing | None = None, created: str = MIDNIGHT, **changed: Any
) -> Schedule:
    """A schedule without ticks, created at midnight, with a low catch-up limit and max-late."""
    strict = {"catch_up_limit": 3, "max_late": 600.0, **changed}
    return dataclasses.replace(schedule(name, timing, **strict), created=created)


def attempt(run_id: str = "20261124-030001-abcdef", code: int | None = 0, reason: str = "") -> Attempt:
    return Attempt(run_id, "2026-11-24T03:00:01Z", "2026-11-24T03:00:26Z", code, reason)


def tick(
    state: str = "succeeded",
    decision: Outcome | None = Outcome.STARTED,
    attempts: tuple[Attempt, ...] | None = None,
    reason: str = "",
    manual: bool = False,
    planned: str = "2026-11-24T03:00:00Z",
    name: str = "nightly",
) -> Tick:
    found = (attempt(),) if attempts is None else attempts
    decided = "2026-11-24T03:00:01Z" if decision else ""
    return Tick(name, planned, decision, decided, reason, manual, found, state, count=1, since="")


FAILED = tick("failed", attempts=(attempt(code=1, reason="Trainer failed: no space left"),))
SKIPPED = tick("skipped", Outcome.SKIPPED, (), "a run held the root: process 12", planned="2026-11-23T03:00:00Z")
MISSED = tick("missed", Outcome.MISSED, (), "no daemon ran", planned="2026-11-22T03:00:00Z")


def planned(given: Schedule | None = None, last: Tick | None = None, words: str = "At 03:00 every day, UTC") -> Planned:
    given = given or schedule()
    days = () if given.paused else tuple(f"2026-11-{day}T03:00:00Z" for day in (25, 26, 27, 28, 29))
    ended = last if last and last.state not in ("waiting", "running", "skipped") else None
    return Planned(given, words, days, last, ended)


RUNNING = Daemon("running", 4711, "2026-11-20T12:00:00Z", "2026-11-24T20:29:55Z")
SILENT = Daemon("silent", 4711, "2026-11-20T12:00:00Z", "2026-11-24T18:30:00Z")
STOPPED = Daemon("stopped", None, "", "2026-11-23T20:30:00Z")
NEVER = Daemon("stopped", None, "", "")


def write(database: ScheduleDatabase, found: Tick) -> None:
    """Write a tick to the database as the daemon does."""
    decision = found.decision.value if found.decision else None
    row = database.connection.execute(
        "INSERT INTO ticks (schedule, planned, due, manual, decision, decided, reason, state, count, since) "
        "VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
        (
            found.schedule,
            found.planned,
            found.planned,
            found.manual,
            decision,
            found.decided,
            found.reason,
            found.state,
            found.count,
            found.since,
        ),
    ).lastrowid
    for one in found.attempts:
        database.connection.execute(
            "INSERT INTO attempts (tick, run_id, started, ended, exit_code, reason) VALUES (?, ?, ?, ?, ?, ?)",
            (row, one.run_id, one.started, one.ended, one.exit_code, one.reason),
        )


def live(database: ScheduleDatabase, heard: str, process: int) -> None:
    """Register a process of this machine as the daemon, with its last heartbeat, as an earlier version did."""
    since = datetime.datetime.now(datetime.timezone.utc).isoformat(sep=" ", timespec="seconds")
    DaemonFiles(database._root).lock.write_text(f"process {process} since {since}\n", encoding="utf-8")
    database.connection.execute(
        "INSERT OR REPLACE INTO daemon (id, process, process_identity, since, heard) VALUES (1, ?, ?, ?, ?)",
        (process, process_identity.identity(process), CREATED, heard),
    )


def at(text: str) -> datetime.datetime:
    """A time in UTC: `2026-11-24 03:00`, `2026-11-24 03:00:05`."""
    return datetime.datetime.fromisoformat(text).replace(tzinfo=datetime.timezone.utc)


def texts(found: Any) -> list[str]:
    return [times.as_text(when) for when in found]


class SetClock:
    """A clock that shows what it is set to."""

    def __init__(self, now: str = "2026-11-24 00:00") -> None:
        self.time = at(now)

    def __call__(self) -> datetime.datetime:
        return self.time

    def set(self, text: str) -> None:
        self.time = at(text)

    def forward(self, seconds: float) -> None:
        self.time += datetime.timedelta(seconds=seconds)
