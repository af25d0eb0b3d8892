"""The schedule database of a root: its schedules, and what became of each of their ticks.

Commands write schedules into it and the daemon ticks; both may have it open at once.
"""

from __future__ import annotations

import contextlib
import dataclasses
import datetime
import functools
import json
import pathlib
import re
import sqlite3
from collections.abc import Iterator, Sequence

from pipeline.core import serialization
from pipeline.core.errors import NotFoundError, UnavailableError, UsageError
from pipeline.core.text import closest
from pipeline.scheduler import schema, tick_planner, times
from pipeline.scheduler.clock import Clock, SystemClock
from pipeline.scheduler.types import Attempt, Outcome, Schedule, Tick

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")


class ScheduleDatabase:
    """An opened schedule database; closes itself as a context manager. Not for several threads."""

    def __init__(self, connection: sqlite3.Connection, clock: Clock) -> None:
        """Keeps the connection, which the daemon's side of the schedule database (`deciding`, `attempts`) shares."""
        self.connection = connection
        self.clock = clock

    @classmethod
    def open(cls, root: pathlib.Path, clock: Clock | None = None) -> ScheduleDatabase:
        """Open the schedule database of a root for writing; create it if missing. Raises `UnavailableError`."""
        return cls(schema.open_for_writing(root), clock or SystemClock())

    @classmethod
    def read(cls, root: pathlib.Path, clock: Clock | None = None) -> ScheduleDatabase | None:
        """Open the schedule database of a root for reading only; None if missing. Raises `UnavailableError`."""
        connection = schema.open_for_reading(root)
        return None if connection is None else cls(connection, clock or SystemClock())

    def close(self) -> None:
        """Closes the file."""
        self.connection.close()

    def __enter__(self) -> ScheduleDatabase:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def now(self) -> str:
        """The time as the schedule database writes it."""
        return times.as_text(self.clock.now())

    def add(self, schedule: Schedule) -> None:
        """Adds a schedule; its ticks are those after `schedule.created`.

        Raises:
          UsageError: the name is taken, or cannot be one.
        """
        if not _NAME.fullmatch(schedule.name):
            raise UsageError(
                f"a schedule cannot be called {schedule.name!r}: a name has 1 to 64 letters, digits, '-', '_' and "
                "'.', and begins with a letter or digit"
            )
        document = json.dumps(dataclasses.asdict(schedule))
        try:
            with self._writing():
                self.connection.execute(
                    "INSERT INTO schedules (name, document, paused, horizon) VALUES (?, ?, ?, ?)",
                    (schedule.name, document, schedule.paused, schedule.created),
                )
        except sqlite3.IntegrityError as error:
            raise UsageError(
                f"there is a schedule {schedule.name!r} already: choose another name, or remove that one first"
            ) from error

    def remove(self, name: str) -> None:
        """Removes a schedule. Its ticks stay; those that still wait are skipped. Raises `NotFoundError`."""
        with self._end_of_waiting(name, "the schedule was removed"):
            self.connection.execute("DELETE FROM schedules WHERE name = ?", (name,))

    def pause(self, name: str) -> Schedule:
        """Plans no more ticks of a schedule; those that still wait are skipped. Raises `NotFoundError`."""
        if not self.schedule(name).paused:
            with self._end_of_waiting(name, "the schedule was paused"):
                self.connection.execute("UPDATE schedules SET paused = ? WHERE name = ?", (self.now(), name))
        return self.schedule(name)

    def resume(self, name: str) -> Schedule:
        """Plans ticks again, those from now on. Raises `NotFoundError`.

        It also brings back the horizon of a schedule that is not paused: the way out when a clock that was years ahead
        was put right, and all ticks until then count as decided.
        """
        self.schedule(name)
        with self._writing():
            self.connection.execute(
                "UPDATE schedules SET paused = '', horizon = ? WHERE name = ? AND (paused != '' OR horizon > ?)",
                (self.now(), name, self.now()),
            )
        return self.schedule(name)

    def trigger(self, name: str) -> Tick:
        """Asks for a run now or as soon as the root is free, also of a paused schedule. Raises `NotFoundError`."""
        self.schedule(name)
        planned = self.clock.now()
        while True:
            text = times.as_text(planned)
            with contextlib.suppress(sqlite3.IntegrityError), self._writing():
                self.connection.execute(
                    "INSERT INTO ticks (schedule, planned, manual, due) VALUES (?, ?, 1, ?)", (name, text, text)
                )
                break
            planned += datetime.timedelta(seconds=1)  # asked for twice in a second
        [tick] = self._ticks("schedule = ? AND planned = ? AND manual = 1", (name, text))
        return tick

    def schedules(self) -> tuple[Schedule, ...]:
        """All of them, by name."""
        rows = self.connection.execute("SELECT document, paused FROM schedules ORDER BY name")
        return tuple(_schedule(row) for row in rows)

    def schedule(self, name: str) -> Schedule:
        """One of them. Raises `NotFoundError`, with the closest name."""
        row = self.connection.execute("SELECT document, paused FROM schedules WHERE name = ?", (name,)).fetchone()
        if row is None:
            known = [schedule.name for schedule in self.schedules()]
            there = f" (there are: {', '.join(known)})" if known else " (there is none)"
            raise NotFoundError(f"no schedule {name!r}{closest(name, known)}{there}")
        return _schedule(row)

    def ticks(self, name: str = "", limit: int = 0) -> tuple[Tick, ...]:
        """What was planned, the newest first.

        Args:
          name: of one schedule, also one that was removed; empty for all.
          limit: how many at most; 0 for all.
        """
        where = "schedule = ?" if name else "1"
        return self._ticks(where, (name,) if name else (), limit)

    def last_outcome(self, name: str) -> Tick | None:
        """The newest tick of a schedule that has a decision and was not skipped; where all were, the newest of these.

        A run that failed is not over because a later look at the data found nothing new.
        """
        decided = "schedule = ? AND decision IS NOT NULL"
        found = self._ticks(f"{decided} AND state != 'skipped'", (name,), 1) or self._ticks(decided, (name,), 1)
        return found[0] if found else None

    @contextlib.contextmanager
    def _writing(self) -> Iterator[None]:
        """A transaction. Raises `UnavailableError` where it cannot be written."""
        try:
            with schema.transaction(self.connection):
                yield
        except sqlite3.OperationalError as error:
            raise UnavailableError(f"cannot write the schedules: {error}; nothing was changed, try again") from error

    def _ticks(self, where: str, values: Sequence[object], limit: int = 0) -> tuple[Tick, ...]:
        rows = self.connection.execute(
            f"SELECT * FROM ticks WHERE {where} ORDER BY planned DESC, id DESC LIMIT ?", (*values, limit or -1)
        ).fetchall()
        return tuple(_tick(row, self._attempts(row["id"]) if row["state"] not in _NEVER_TRIED else ()) for row in rows)

    def _attempts(self, tick: int) -> tuple[Attempt, ...]:
        rows = self.connection.execute("SELECT * FROM attempts WHERE tick = ? ORDER BY id", (tick,))
        return tuple(
            Attempt(row["run_id"], row["started"], row["ended"], row["exit_code"], row["reason"]) for row in rows
        )

    @contextlib.contextmanager
    def _end_of_waiting(self, name: str, why: str) -> Iterator[None]:
        """Decides each tick of a schedule up to now; what else happens in the block happens with it or not at all."""
        schedule = self.schedule(name)
        with self._writing():
            while not (schedule.paused or tick_planner.plan(self.connection, schedule, self.clock.now())):
                pass
            self.connection.execute(
                "UPDATE ticks SET decision = ?, state = 'skipped', decided = ?, reason = ? "
                "WHERE schedule = ? AND decision IS NULL",
                (Outcome.SKIPPED.value, self.now(), why, name),
            )
            self.connection.execute(  # those that wait for a retry
                "UPDATE ticks SET state = 'failed', retry = '', told = 0 WHERE schedule = ? AND state = 'waiting'",
                (name,),
            )
            yield


_NEVER_TRIED = ("skipped", "missed")


def _schedule(row: sqlite3.Row) -> Schedule:
    return _from_document(row["document"], row["paused"])


@functools.lru_cache(maxsize=256)  # the daemon asks every other second
def _from_document(document: str, paused: str) -> Schedule:
    return dataclasses.replace(serialization.build(Schedule, json.loads(document)), paused=paused)


def _tick(row: sqlite3.Row, attempts: tuple[Attempt, ...]) -> Tick:
    return Tick(
        schedule=row["schedule"],
        planned=row["planned"],
        decision=Outcome(row["decision"]) if row["decision"] else None,
        decided=row["decided"],
        reason=row["reason"],
        manual=bool(row["manual"]),
        attempts=attempts,
        state=row["state"],
        # A file of the first format, that nobody opened for writing since, has neither.
        count=row["count"] if "count" in row.keys() else 1,  # noqa: SIM118 (a row is no mapping)
        since=row["since"] if "since" in row.keys() else "",  # noqa: SIM118
    )
