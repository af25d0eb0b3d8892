"""Plan ticks and record one outcome for each.

A tick waits in the schedule database until its outcome is recorded, so it has one outcome even if the daemon is
killed. Of the ticks found in one check, the newest is on time up to max-late; the others were missed, and catch-up
selects which of them are run later.
"""

from __future__ import annotations

import dataclasses
import datetime
import logging
import sqlite3
from collections.abc import Iterator

from pipeline.core.errors import UsageError
from pipeline.scheduler import schema, times
from pipeline.scheduler.store import ScheduleDatabase
from pipeline.scheduler.types import CatchUp, Outcome, Overlap, Schedule

logger = logging.getLogger(__name__)

_CHUNKS = 20  # of ticks planned in one check: about a second, so that signals are answered
_ON_TIME, _LATE = "in time", "late"  # column `place`; existing databases have these words


@dataclasses.dataclass(frozen=True)
class Candidate:
    """A tick that may start now.

    Attributes:
      id: in the schedule database.
      schedule: name.
      planned: its time, `2026-11-24T03:00:00Z`.
      outcome: recorded when it starts; None for a retry, which has one.
      reason: of that outcome.
      manual: whether `sae schedule trigger` requested it.
    """

    id: int
    schedule: str
    planned: str
    outcome: Outcome | None
    reason: str
    manual: bool


class TickOutcomes:
    """The outcomes of ticks in a schedule database."""

    def __init__(self, database: ScheduleDatabase) -> None:
        self._database = database
        self._connection = database.connection
        self._refused: set[str] = set()

    def restart(self) -> None:
        """Classify waiting ticks again, when the daemon starts: they may be late by now."""
        with schema.transaction(self._connection):
            self._connection.execute("UPDATE ticks SET place = '' WHERE decision IS NULL AND place != ''")

    def check(self, busy: str) -> bool:
        """Plan all ticks up to now, and record outcomes of those that need not wait.

        Args:
          busy: describes the run that holds the root; empty if it is free.

        Returns:
          Whether that is all; if not, check again at once.
        """
        now = self._database.clock()
        complete = True
        for name, reason in self._database.unreadable().items():
            if name not in self._refused:
                self._refused.add(name)
                logger.warning("schedule %r cannot be read and does not run: %s", name, reason)
        for schedule in self._database.schedules():
            try:
                if not schedule.paused and not self._plan(schedule, now):
                    complete = False
                    continue  # its newest tick is not known yet
            except UsageError as error:  # such as an unknown time zone
                if schedule.name not in self._refused:
                    self._refused.add(schedule.name)
                    logger.warning("cannot plan the ticks of %s: %s", schedule.name, error)
            self._classify(schedule, now)
            self._skip_waiting(schedule, now, busy)
        return complete

    def candidates(self) -> Iterator[Candidate]:
        """Return the ticks that may start when the root is free: on time first, then retries, then late ones."""
        now = self._database.now()
        rows = self._connection.execute(
            "SELECT *, 0 AS turn, due AS start FROM valid_ticks WHERE decision IS NULL AND (manual = 1 OR place = ?) "
            "UNION ALL "
            "SELECT *, 1 AS turn, retry AS start FROM valid_ticks "
            "WHERE decision IS NOT NULL AND state = 'waiting' AND retry <= ? "
            "UNION ALL "
            "SELECT *, 2 AS turn, due AS start FROM valid_ticks WHERE decision IS NULL AND manual = 0 AND place = ? "
            "ORDER BY turn, start, schedule LIMIT 100",
            (_ON_TIME, now, _LATE),
        ).fetchall()
        return (self._candidate(row) for row in rows)

    def skip(self, tick: int, reason: str) -> None:
        """Record that a waiting tick is skipped."""
        self._record(Outcome.SKIPPED, reason, "id = ?", (tick,))

    def _candidate(self, row: sqlite3.Row) -> Candidate:
        outcome, reason = None, row["reason"]
        if row["decision"] is None:
            late = (self._database.clock() - times.from_text(row["due"])).total_seconds()
            caught_up = row["place"] == _LATE
            outcome = Outcome.CAUGHT_UP if caught_up else Outcome.STARTED
            if caught_up:
                reason = "the daemon was not running in time"
            elif late >= 60 and not row["manual"]:
                reason = f"{times.in_words(late - late % 60)} late"
        return Candidate(row["id"], row["schedule"], row["planned"], outcome, reason, bool(row["manual"]))

    def _plan(self, schedule: Schedule, now: datetime.datetime) -> bool:
        for _ in range(_CHUNKS):
            if not self._database.has_unplanned(schedule, now):
                return True
            with schema.transaction(self._connection):
                # It may have been removed or paused.
                if not self._connection.execute(
                    "SELECT 1 FROM schedules WHERE name = ? AND paused = ''", (schedule.name,)
                ).fetchone():
                    return True
                if self._database.plan(schedule, now):
                    return True
        return False

    def _classify(self, schedule: Schedule, now: datetime.datetime) -> None:
        """Separate ticks on time from late ones, and record as missed those that catch-up does not run."""
        policies = schedule.policies
        found = "schedule = ? AND decision IS NULL AND manual = 0 AND place = '' AND due <= ?"
        values = (schedule.name, times.as_text(now))
        rows = self._connection.execute(
            f"SELECT id, due FROM valid_ticks WHERE {found} ORDER BY planned DESC LIMIT ?",
            (*values, policies.catch_up_limit + 1),
        ).fetchall()
        if not rows:
            return
        on_time = (now - times.from_text(rows[0]["due"])).total_seconds() <= policies.max_late
        caught_up = {
            CatchUp.NONE: 0,
            CatchUp.ONE: 0 if on_time else 1,  # a tick on time replaces all before it
            CatchUp.ALL: policies.catch_up_limit,
        }[CatchUp(policies.catch_up)]
        late = rows[1 : 1 + caught_up] if on_time else rows[:caught_up]
        with schema.transaction(self._connection):
            if on_time:
                self._connection.execute("UPDATE ticks SET place = ? WHERE id = ?", (_ON_TIME, rows[0]["id"]))
            self._connection.executemany(
                "UPDATE ticks SET place = ? WHERE id = ?", [(_LATE, row["id"]) for row in late]
            )
            reason = f"the daemon was not running in time (catch-up {policies.catch_up})"
            self._write(Outcome.MISSED, reason, found, values)

    def _skip_waiting(self, schedule: Schedule, now: datetime.datetime, busy: str) -> None:
        """Skip ticks that may not wait for the root, or have waited for longer than max-late."""
        policies = schedule.policies
        waiting = "schedule = ? AND decision IS NULL AND manual = 0 AND place = ?"
        if busy and policies.overlap == Overlap.SKIP:
            self._record(Outcome.SKIPPED, f"a run held the root: {busy}", waiting, (schedule.name, _ON_TIME))
        reason = f"a run held the root for more than {times.in_words(policies.max_late)} (max-late)"
        latest = times.as_text(now - datetime.timedelta(seconds=policies.max_late))
        self._record(Outcome.SKIPPED, reason, f"{waiting} AND due < ?", (schedule.name, _ON_TIME, latest))

    def _record(self, outcome: Outcome, reason: str, where: str, values: tuple[object, ...]) -> None:
        if self._connection.execute(f"SELECT 1 FROM valid_ticks WHERE {where} LIMIT 1", values).fetchone():
            with schema.transaction(self._connection):
                self._write(outcome, reason, f"decision IS NULL AND {where}", values)

    def _write(self, outcome: Outcome, reason: str, where: str, values: tuple[object, ...]) -> None:
        self._connection.execute(
            "UPDATE ticks SET decision = ?, state = ?, decided = ?, reason = ?, place = '' "
            f"WHERE id IN (SELECT id FROM valid_ticks WHERE {where})",
            (outcome.value, outcome.value, self._database.now(), reason, *values),
        )
