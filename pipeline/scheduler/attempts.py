"""Record the attempts of ticks in the schedule database: start, process, run id, result, retry.

Each step is recorded before it is done: outcome and attempt before the process starts, the process id before its
gate opens. So the daemon after one that was killed finds every process.
"""

from __future__ import annotations

import dataclasses
import datetime
from collections.abc import Sequence

from pipeline.scheduler import schema, times
from pipeline.scheduler.attempt_result import AttemptResult
from pipeline.scheduler.store import ScheduleDatabase
from pipeline.scheduler.tick_outcomes import Candidate
from pipeline.scheduler.types import CatchUp
from pipeline_config import SchedulePolicies

LOST = "the row of its run in the schedule database is damaged or was deleted"
LONGEST_RETRY_WAIT = 86_400.0  # seconds, however often the wait was doubled


@dataclasses.dataclass(frozen=True)
class OpenAttempt:
    """An attempt whose result is not recorded; `process` is None if it was not started."""

    id: int
    schedule: str
    planned: str
    started: str
    process: int | None
    identity: str


@dataclasses.dataclass(frozen=True)
class EndedTick:
    """A tick that has ended and whose hooks (`sae gc`, its schedule's command) have not all ended.

    Attributes:
      tick: its id.
      schedule, planned, state: as of `Tick`.
      attempt: id of its last attempt.
      run_id: of that attempt; empty without a run.
      exit_code: of that attempt; None if unknown.
    """

    tick: int
    schedule: str
    planned: str
    state: str
    attempt: int
    run_id: str
    exit_code: int | None


class Attempts:
    """The attempts in a schedule database."""

    def __init__(self, database: ScheduleDatabase) -> None:
        self._database = database
        self._connection = database.connection

    def start(self, candidate: Candidate, data: str | None = None) -> int | None:
        """Record the outcome of a tick, unless it has one, and the start of an attempt.

        Args:
          candidate: the tick.
          data: fingerprint of the data to record with its schedule; None keeps the recorded one.

        Returns:
          The attempt's id; None if the tick no longer waits, because its schedule was just paused or removed.
        """
        with schema.transaction(self._connection):
            row = self._connection.execute(
                "SELECT decision, state FROM valid_ticks WHERE id = ?", (candidate.id,)
            ).fetchone()
            if row is None or row["state"] != "waiting" or (row["decision"] is None) is (candidate.outcome is None):
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
        """Record the fingerprint of the data that a schedule saw last."""
        self._connection.execute("UPDATE schedules SET data = ? WHERE name = ?", (fingerprint, schedule))

    def recorded_data(self, schedule: str) -> str:
        """Return the fingerprint of the data that a schedule saw last; empty before the first check."""
        row = self._connection.execute("SELECT data FROM schedules WHERE name = ?", (schedule,)).fetchone()
        return str(row["data"]) if row else ""

    def record_process(self, attempt: int, process: int, identity: str) -> None:
        """Record the process of a run, before its gate opens."""
        self._connection.execute(
            "UPDATE attempts SET process = ?, process_identity = ? WHERE id = ?", (process, identity, attempt)
        )

    def record_run_id(self, attempt: int, run_id: str) -> None:
        """Record the id of a run."""
        self._connection.execute("UPDATE attempts SET run_id = ? WHERE id = ?", (run_id, attempt))

    def end(self, attempt: int, result: AttemptResult, policies: SchedulePolicies | None) -> None:
        """Record the result of an attempt, and end its tick or set the time of the next attempt.

        Args:
          attempt: its id.
          result: of the attempt.
          policies: of the schedule; None if it was removed or paused: no retry.
        """
        now = self._database.clock()
        with schema.transaction(self._connection):
            row = self._connection.execute("SELECT tick FROM attempts WHERE id = ?", (attempt,)).fetchone()
            if row is None:  # deleted by hand: its tick gets its end as one without an attempt
                return
            [tick] = row
            self._connection.execute(
                "UPDATE attempts SET ended = ?, exit_code = ?, reason = ?, begun = ?, closed = 1 WHERE id = ?",
                (
                    times.as_text(now) if result.observed else "",
                    result.exit_code,
                    result.reason,
                    result.started,
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

    def end_ticks_without(self, known: Sequence[int]) -> list[tuple[str, str]]:
        """Record that running ticks without an open attempt failed; return schedule and planned time of each.

        Args:
          known: attempts of this daemon, whose rows may be damaged by now.
        """
        marks = ", ".join("?" * len(known))
        with schema.transaction(self._connection):
            rows = self._connection.execute(
                "SELECT id, schedule, planned FROM valid_ticks WHERE state = 'running' "
                "AND id NOT IN (SELECT tick FROM valid_attempts WHERE closed = 0) "
                f"AND id NOT IN (SELECT tick FROM attempts WHERE id IN ({marks}) AND tick IS NOT NULL)",
                known,
            ).fetchall()
            for tick, *_ in rows:
                self._connection.execute(  # its hooks get a valid attempt
                    "INSERT INTO attempts (tick, started, reason, closed, begun) VALUES (?, ?, ?, 1, 0)",
                    (tick, self._database.now(), LOST),
                )
                self._connection.execute(
                    "UPDATE ticks SET state = 'failed', retry = '', told = 0 WHERE id = ?", (tick,)
                )
        return [(schedule, planned) for _, schedule, planned in rows]

    def open_attempts(self) -> tuple[OpenAttempt, ...]:
        """Return the attempts without a result, of this daemon and of previous ones."""
        rows = self._connection.execute(
            "SELECT attempt.id, schedule, planned, started, process, process_identity "
            "FROM valid_attempts AS attempt JOIN valid_ticks AS tick ON tick.id = attempt.tick "
            "WHERE closed = 0 ORDER BY attempt.id"
        )
        return tuple(OpenAttempt(*row) for row in rows)

    def awaiting_hooks(self) -> tuple[EndedTick, ...]:
        """Return the ticks whose hooks have not all ended, oldest first."""
        rows = self._connection.execute(
            "SELECT ticks.id, schedule, planned, state, attempt.id, run_id, exit_code "
            "FROM valid_ticks AS ticks JOIN valid_attempts AS attempt ON attempt.tick = ticks.id "
            "WHERE told = 0 AND attempt.id = (SELECT MAX(id) FROM attempts WHERE tick = ticks.id) ORDER BY ticks.id"
        )
        return tuple(EndedTick(*row) for row in rows)

    def record_hooks_done(self, tick: int) -> None:
        """Record that the hooks of a tick ended."""
        self._connection.execute("UPDATE ticks SET told = 1 WHERE id = ?", (tick,))

    def _wait(self, tick: int, result: AttemptResult, policies: SchedulePolicies | None) -> float | None:
        """Return the seconds until the next attempt of a tick; None for no retry."""
        if policies is None or not result.transient:
            return None
        if not result.started:  # does not count as an attempt, but it may be too late by now
            row = self._connection.execute("SELECT due FROM valid_ticks WHERE id = ?", (tick,)).fetchone()
            if row is None:  # damaged since it started
                return None
            late = (self._database.clock() - times.from_text(row["due"])).total_seconds()
            return None if late > policies.max_late and policies.catch_up == CatchUp.NONE else 0.0
        [tried] = self._connection.execute(
            "SELECT COUNT(*) FROM attempts WHERE tick = ? AND begun = 1", (tick,)
        ).fetchone()
        if tried > policies.retries:
            return None
        return min(policies.retry_wait * float(2 ** (tried - 1)), LONGEST_RETRY_WAIT)
