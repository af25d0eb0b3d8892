"""The runs of ticks in the schedule database: begun, known by their process, known by their run, ended, tried again.

What is written here goes ahead of what is done: the decision and the attempt before the process, its number before it
may go on. So a daemon that comes after one that was killed knows what to look for.
"""

from __future__ import annotations

import dataclasses
import datetime
import sqlite3

from pipeline.scheduler import schema, times
from pipeline.scheduler.attempt_result import AttemptResult
from pipeline.scheduler.store import ScheduleDatabase
from pipeline.scheduler.tick_outcomes import Candidate
from pipeline.scheduler.types import CatchUp
from pipeline_config import SchedulePolicies

_LONGEST_RETRY_WAIT = 86_400.0  # seconds, however often the wait was doubled


@dataclasses.dataclass(frozen=True)
class OpenAttempt:
    """An attempt that the schedule database does not know the end of.

    Attributes:
      id: of the attempt.
      tick: its tick's id.
      schedule, planned: of its tick.
      started: when.
      process, identity: None and empty where it was not begun.
    """

    id: int
    tick: int
    schedule: str
    planned: str
    started: datetime.datetime
    process: int | None
    identity: str


@dataclasses.dataclass(frozen=True)
class EndedTick:
    """A tick whose runs are over, and whose command is still to be started.

    Attributes:
      tick: its id.
      schedule, planned: of it.
      state: `succeeded`, `failed` or `interrupted`.
      attempt: the last one's id.
      run_id: the last one's; empty where there was none.
      exit_code: likewise; None where nobody saw it.
    """

    tick: int
    schedule: str
    planned: str
    state: str
    attempt: int
    run_id: str
    exit_code: int | None


class Attempts:
    """The daemon's view of the runs of a schedule database."""

    def __init__(self, database: ScheduleDatabase) -> None:
        self._database = database
        self._connection = database.connection

    def start(self, candidate: Candidate, data: str | None = None) -> int | None:
        """Decides a tick, where it is not decided yet, and notes that a run of it begins.

        Args:
          candidate: the tick.
          data: fingerprint of the data to remember with its schedule; None: leave that.

        Returns:
          The attempt's id; None where the tick waits no longer: its schedule was paused or removed just now.
        """
        with schema.transaction(self._connection):
            row = self._connection.execute("SELECT decision, state FROM ticks WHERE id = ?", (candidate.id,)).fetchone()
            if row["state"] != "waiting" or (row["decision"] is None) is (candidate.outcome is None):
                return None
            if candidate.outcome is not None:
                self._connection.execute(
                    "UPDATE ticks SET decision = ?, decided = ?, reason = ? WHERE id = ?",
                    (candidate.outcome.value, self._database.now(), candidate.reason, candidate.id),
                )
            if data is not None:
                self.record_data(candidate.schedule, data)
            self._connection.execute(
                "UPDATE ticks SET state = 'running', place = '', retry = '' WHERE id = ?", (candidate.id,)
            )
            return self._connection.execute(
                "INSERT INTO attempts (tick, started) VALUES (?, ?)", (candidate.id, self._database.now())
            ).lastrowid

    def record_data(self, schedule: str, fingerprint: str) -> None:
        """Notes which data a schedule saw."""
        self._connection.execute("UPDATE schedules SET data = ? WHERE name = ?", (fingerprint, schedule))

    def recorded_data(self, schedule: str) -> str:
        """Fingerprint of the data that a schedule saw; empty before the first look."""
        row = self._connection.execute("SELECT data FROM schedules WHERE name = ?", (schedule,)).fetchone()
        return str(row["data"]) if row else ""

    def record_process(self, attempt: int, process: int, identity: str) -> None:
        """Notes which process the run is. Only then may it go on."""
        self._connection.execute(
            "UPDATE attempts SET process = ?, process_identity = ? WHERE id = ?", (process, identity, attempt)
        )

    def record_run_id(self, attempt: int, run_id: str) -> None:
        """Notes the run's id, as soon as it has one."""
        self._connection.execute("UPDATE attempts SET run_id = ? WHERE id = ?", (run_id, attempt))

    def end(self, attempt: int, result: AttemptResult, policies: SchedulePolicies | None) -> None:
        """Closes an attempt, and its tick with it or until the next attempt.

        Args:
          attempt: its id.
          outcome: how it ended.
          policies: of the schedule; None where that is gone, and nothing is tried again.
        """
        now = self._database.clock.now()
        with schema.transaction(self._connection):
            [tick] = self._connection.execute("SELECT tick FROM attempts WHERE id = ?", (attempt,)).fetchone()
            self._connection.execute(
                "UPDATE attempts SET ended = ?, exit_code = ?, reason = ?, begun = ?, closed = 1 WHERE id = ?",
                (
                    times.as_text(now) if result.seen else "",
                    result.exit_code,
                    result.reason,
                    result.begun,
                    attempt,
                ),
            )
            wait = self._wait(tick, result, policies)
            if wait is None:
                change, values = "state = ?, retry = '', told = 0", (result.state,)
            else:
                change = "state = 'waiting', retry = ?"
                values = (times.as_text(now + datetime.timedelta(seconds=wait)),)
            self._connection.execute(f"UPDATE ticks SET {change} WHERE id = ?", (*values, tick))

    def open_attempts(self) -> tuple[OpenAttempt, ...]:
        """Attempts without an end: of this daemon, or at its start of the one before."""
        rows = self._connection.execute(
            "SELECT attempts.*, ticks.schedule, ticks.planned FROM attempts JOIN ticks ON ticks.id = attempts.tick "
            "WHERE closed = 0 ORDER BY attempts.id"
        )
        return tuple(_unended(row) for row in rows)

    def awaiting_hooks(self) -> tuple[EndedTick, ...]:
        """Ticks whose command is still to be started, oldest first."""
        rows = self._connection.execute(
            "SELECT ticks.*, attempts.id AS attempt, run_id, exit_code "
            "FROM ticks JOIN attempts ON attempts.tick = ticks.id "
            "WHERE told = 0 AND attempts.id = (SELECT MAX(id) FROM attempts WHERE tick = ticks.id) ORDER BY ticks.id"
        )
        return tuple(
            EndedTick(
                row["id"],
                row["schedule"],
                row["planned"],
                row["state"],
                row["attempt"],
                row["run_id"],
                row["exit_code"],
            )
            for row in rows
        )

    def record_hooks_started(self, tick: int) -> None:
        """Notes that the command of a tick was started."""
        self._connection.execute("UPDATE ticks SET told = 1 WHERE id = ?", (tick,))

    def _wait(self, tick: int, result: AttemptResult, policies: SchedulePolicies | None) -> float | None:
        """Seconds until the tick is tried again; None when it is not."""
        if policies is None or not result.may_pass:
            return None
        if not result.begun:  # nothing was tried, so it does not count; but it may be too late by now
            row = self._connection.execute("SELECT due FROM ticks WHERE id = ?", (tick,)).fetchone()
            late = (self._database.clock.now() - times.from_text(row["due"])).total_seconds()
            return None if late > policies.max_late and policies.catch_up == CatchUp.NONE else 0.0
        [tried] = self._connection.execute(
            "SELECT COUNT(*) FROM attempts WHERE tick = ? AND begun = 1", (tick,)
        ).fetchone()
        if tried > policies.retries:
            return None
        return min(policies.retry_wait * float(2 ** (tried - 1)), _LONGEST_RETRY_WAIT)


def _unended(row: sqlite3.Row) -> OpenAttempt:
    return OpenAttempt(
        row["id"],
        row["tick"],
        row["schedule"],
        row["planned"],
        times.from_text(row["started"]),
        row["process"],
        row["process_identity"],
    )
