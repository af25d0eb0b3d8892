"""What becomes of each tick: all that are planned up to now are written down, and each gets one decision.

A tick waits in the schedule database until its outcome is recorded, so it has one outcome, whatever ends the daemon
between. Of the ticks that a look finds at once, the newest is in time while it is no later than max-late; the others
were missed, and catch-up says which of them are made up for.
"""

from __future__ import annotations

import dataclasses
import datetime
import logging
import sqlite3
from collections.abc import Iterator

from pipeline.core.errors import UsageError
from pipeline.scheduler import schema, tick_planner, times
from pipeline.scheduler.store import ScheduleDatabase
from pipeline.scheduler.types import CatchUp, Outcome, Overlap, Schedule

logger = logging.getLogger(__name__)

_CHUNKS = 20  # of ticks written down in one look: about a second, then signals are answered and the look goes on
_IN_TIME, _LATE = "in time", "late"


@dataclasses.dataclass(frozen=True)
class Candidate:
    """A tick that may start now.

    Attributes:
      id: in the schedule database.
      schedule: name.
      planned: its time, as the schedule database writes it.
      outcome: recorded when it starts; None for a retry, which has one.
      reason: of that outcome.
      manual: whether it was asked for.
    """

    id: int
    schedule: str
    planned: str
    outcome: Outcome | None
    reason: str
    manual: bool


class TickOutcomes:
    """The daemon's view of the ticks of a schedule database."""

    def __init__(self, database: ScheduleDatabase) -> None:
        self._database = database
        self._connection = database.connection
        self._refused: set[str] = set()

    def restart(self) -> None:
        """At the daemon's start: nobody was there for what waits from before."""
        with schema.transaction(self._connection):
            self._connection.execute("UPDATE ticks SET place = '' WHERE decision IS NULL AND place != ''")

    def check(self, busy: str) -> bool:
        """Writes down what is planned up to now, and decides what need not wait.

        Args:
          busy: which run holds the root, in words; empty when it is free.

        Returns:
          Whether that is all; when not, look again at once.
        """
        now = self._database.clock.now()
        complete = True
        for schedule in self._database.schedules():
            try:
                if not schedule.paused and not self._plan(schedule, now):
                    complete = False
                    continue  # which of its ticks is the newest is not known yet
            except UsageError as error:  # its time zone is not known here any more, say
                if schedule.name not in self._refused:
                    self._refused.add(schedule.name)
                    logger.warning("the ticks of %s cannot be planned: %s", schedule.name, error)
            self._classify(schedule, now)
            self._skip_waiting(schedule, now, busy)
        return complete

    def candidates(self) -> Iterator[Candidate]:
        """Ticks that may start now, as the root is free: those in time first, then retries, then missed ones."""
        now = self._database.now()
        rows = self._connection.execute(
            "SELECT *, 0 AS turn, due AS since FROM ticks WHERE decision IS NULL AND (manual = 1 OR place = ?) "
            "UNION ALL "
            "SELECT *, 1 AS turn, retry AS since FROM ticks "
            "WHERE decision IS NOT NULL AND state = 'waiting' AND retry <= ? "
            "UNION ALL "
            "SELECT *, 2 AS turn, due AS since FROM ticks WHERE decision IS NULL AND manual = 0 AND place = ? "
            "ORDER BY turn, since, schedule LIMIT 100",
            (_IN_TIME, now, _LATE),
        ).fetchall()
        return (self._candidate(row) for row in rows)

    def skip(self, tick: int, reason: str) -> None:
        """Decides that a tick that waits does not run."""
        self._record(Outcome.SKIPPED, reason, "id = ?", (tick,))

    def _candidate(self, row: sqlite3.Row) -> Candidate:
        outcome, reason = None, row["reason"]
        if row["decision"] is None:
            late = (self._database.clock.now() - times.from_text(row["due"])).total_seconds()
            caught_up = row["place"] == _LATE
            outcome = Outcome.CAUGHT_UP if caught_up else Outcome.STARTED
            if caught_up:
                reason = "the daemon was not running in time"
            elif late >= 60 and not row["manual"]:
                reason = f"{times.in_words(late - late % 60)} late"
        return Candidate(row["id"], row["schedule"], row["planned"], outcome, reason, bool(row["manual"]))

    def _plan(self, schedule: Schedule, now: datetime.datetime) -> bool:
        for _ in range(_CHUNKS):
            if not tick_planner.comes(self._connection, schedule, now):
                return True
            with schema.transaction(self._connection):
                # It may be gone by now, or paused.
                if not self._connection.execute(
                    "SELECT 1 FROM schedules WHERE name = ? AND paused = ''", (schedule.name,)
                ).fetchone():
                    return True
                if tick_planner.plan(self._connection, schedule, now):
                    return True
        return False

    def _classify(self, schedule: Schedule, now: datetime.datetime) -> None:
        """Tells ticks in time from missed ones, and decides those of the latter that are not made up for."""
        policies = schedule.policies
        found = "schedule = ? AND decision IS NULL AND manual = 0 AND place = '' AND due <= ?"
        values = (schedule.name, times.as_text(now))
        rows = self._connection.execute(
            f"SELECT id, due FROM ticks WHERE {found} ORDER BY planned DESC LIMIT ?",
            (*values, policies.catch_up_limit + 1),
        ).fetchall()
        if not rows:
            return
        in_time = (now - times.from_text(rows[0]["due"])).total_seconds() <= policies.max_late
        made_up = {
            CatchUp.NONE: 0,
            CatchUp.ONE: 0 if in_time else 1,  # one that is in time stands for all
            CatchUp.ALL: policies.catch_up_limit,
        }[CatchUp(policies.catch_up)]
        late = rows[1 : 1 + made_up] if in_time else rows[:made_up]
        with schema.transaction(self._connection):
            if in_time:
                self._connection.execute("UPDATE ticks SET place = ? WHERE id = ?", (_IN_TIME, rows[0]["id"]))
            self._connection.executemany(
                "UPDATE ticks SET place = ? WHERE id = ?", [(_LATE, row["id"]) for row in late]
            )
            reason = f"the daemon was not running in time (catch-up {policies.catch_up})"
            self._write(Outcome.MISSED, reason, found, values)

    def _skip_waiting(self, schedule: Schedule, now: datetime.datetime, busy: str) -> None:
        """Skips what may not wait until the root is free, or has waited for too long."""
        policies = schedule.policies
        waiting = "schedule = ? AND decision IS NULL AND manual = 0 AND place = ?"
        if busy and policies.overlap == Overlap.SKIP:
            self._record(Outcome.SKIPPED, f"a run held the root: {busy}", waiting, (schedule.name, _IN_TIME))
        reason = f"a run held the root for more than {times.in_words(policies.max_late)} (max-late)"
        latest = times.as_text(now - datetime.timedelta(seconds=policies.max_late))
        self._record(Outcome.SKIPPED, reason, f"{waiting} AND due < ?", (schedule.name, _IN_TIME, latest))

    def _record(self, outcome: Outcome, reason: str, where: str, values: tuple[object, ...]) -> None:
        if self._connection.execute(f"SELECT 1 FROM ticks WHERE {where} LIMIT 1", values).fetchone():
            with schema.transaction(self._connection):
                self._write(outcome, reason, f"decision IS NULL AND {where}", values)

    def _write(self, outcome: Outcome, reason: str, where: str, values: tuple[object, ...]) -> None:
        self._connection.execute(
            f"UPDATE ticks SET decision = ?, state = ?, decided = ?, reason = ?, place = '' WHERE {where}",
            (outcome.value, outcome.value, self._database.now(), reason, *values),
        )
