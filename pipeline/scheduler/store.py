"""Read and write schedules and ticks in the schedule database.

Commands write schedules and the daemon writes ticks, at the same time.
"""

from __future__ import annotations

import contextlib
import dataclasses
import datetime
import functools
import hashlib
import itertools
import json
import pathlib
import re
import sqlite3
from collections.abc import Iterator, Sequence

from components import json_text
from pipeline.core import root_lock, serialization, shell
from pipeline.core.errors import NotFoundError, UnavailableError, UsageError
from pipeline.core.text import closest
from pipeline.scheduler import schema, times, triggers, wording
from pipeline.scheduler.run_process import DaemonFiles
from pipeline.scheduler.schema import DamagedRow
from pipeline.scheduler.times import Clock
from pipeline.scheduler.types import Attempt, Outcome, Schedule, Tick, TimingKind
from pipeline_config import LONGEST

_PLAN_LIMIT = 1_000  # ticks in one transaction: milliseconds, and little memory
_NEVER_TRIED = ("skipped", "missed")  # states without attempts
_MAX_REASON = 200  # characters of why a row cannot be read
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")


def check_name(name: str) -> None:
    """Raise `UsageError` unless a schedule can have this name."""
    if not _NAME.fullmatch(name):
        raise UsageError(
            f"a schedule cannot be called {name!r}: a name has 1 to 64 letters, digits, '-', '_' and '.', and begins "
            "with a letter or digit"
        )


class ScheduleDatabase:
    """An open schedule database; a context manager that closes it. Not thread-safe."""

    def __init__(self, root: pathlib.Path, connection: sqlite3.Connection, clock: Clock = times.now) -> None:
        """Keep the connection, which `TickOutcomes` and `Attempts` share."""
        self._root = root
        self.connection = connection
        self.clock = clock

    @classmethod
    def open(cls, root: pathlib.Path, clock: Clock = times.now) -> ScheduleDatabase:
        """Open the schedule database of a root for writing; create it if missing. Raises `UnavailableError`."""
        return cls(root, schema.open_for_writing(root), clock)

    @classmethod
    def read(cls, root: pathlib.Path) -> ScheduleDatabase:
        """Open the schedule database of a root for reading only; it is empty if missing. Raises `UnavailableError`."""
        return cls(root, schema.open_for_reading(root))

    def close(self) -> None:
        """Close the database."""
        self.connection.close()

    def __enter__(self) -> ScheduleDatabase:
        return self

    def __exit__(self, kind: object, error: BaseException | None, _: object) -> None:
        self.close()
        if isinstance(error, sqlite3.DatabaseError):  # damage that shows when a table is read
            raise UnavailableError(schema.damaged(self._root / schema.NAME, error)) from error

    def now(self) -> str:
        """Return the current time as text."""
        return times.as_text(self.clock())

    def add(self, schedule: Schedule) -> None:
        """Add a schedule; its ticks start after `schedule.created`.

        Raises:
          UsageError: the name is taken or not allowed.
        """
        check_name(schedule.name)
        try:
            with self._writing():
                self._insert(schedule)
        except sqlite3.IntegrityError as error:
            raise UsageError(
                f"there is a schedule {schedule.name!r} already: choose another name, or add --replace"
            ) from error

    def replace(self, schedule: Schedule) -> Schedule:
        """Replace the schedule of this name, and return the new one: paused if that was. Waiting ticks are skipped.

        Raises:
          NotFoundError: there is none.
          UnavailableError: its row is damaged.
        """
        replaced = dataclasses.replace(schedule, paused=self.schedule(schedule.name).paused)
        with self._end_of_waiting(schedule.name, "the schedule was replaced"):
            self.connection.execute("DELETE FROM schedules WHERE name = ?", (schedule.name,))
            self._insert(replaced)
        return replaced

    def _insert(self, schedule: Schedule) -> None:
        document = json.dumps(dataclasses.asdict(schedule))
        self.connection.execute(
            "INSERT INTO schedules (name, document, paused, horizon) VALUES (?, ?, ?, ?)",
            (schedule.name, document, schedule.paused, schedule.created),
        )

    def remove(self, name: str) -> None:
        """Remove a schedule. Its ticks stay; waiting ones are skipped. Raises `NotFoundError`."""
        if name in self.unreadable():
            with self._writing():
                self.connection.execute("DELETE FROM schedules WHERE name = ? OR ? = 'row ' || rowid", (name, name))
            return
        with self._end_of_waiting(name, "the schedule was removed"):
            self.connection.execute("DELETE FROM schedules WHERE name = ?", (name,))

    def pause(self, name: str) -> Schedule:
        """Pause a schedule; waiting ticks are skipped. Raises `NotFoundError`."""
        if not self.schedule(name).paused:
            with self._end_of_waiting(name, "the schedule was paused"):
                self.connection.execute("UPDATE schedules SET paused = ? WHERE name = ?", (self.now(), name))
        return self.schedule(name)

    def resume(self, name: str) -> Schedule:
        """Resume a schedule from now on. Raises `NotFoundError`.

        This also resets the horizon of a schedule that is not paused: after a clock that was years ahead was put right,
        nothing would be planned until then.
        """
        self.schedule(name)
        with self._writing():
            self.connection.execute(
                "UPDATE schedules SET paused = '', horizon = ? WHERE name = ? AND (paused != '' OR horizon > ?)",
                (self.now(), name, self.now()),
            )
        return self.schedule(name)

    def trigger(self, name: str) -> Tick:
        """Request a run as soon as the root is free, also of a paused schedule. Raises `NotFoundError`."""
        self.schedule(name)
        planned = self.clock()
        while True:
            text = times.as_text(planned)
            with contextlib.suppress(sqlite3.IntegrityError), self._writing():
                self.connection.execute(
                    "INSERT INTO ticks (schedule, planned, manual, due) VALUES (?, ?, 1, ?)", (name, text, text)
                )
                break
            planned += datetime.timedelta(seconds=1)  # requested twice in a second
        [tick] = self._ticks("schedule = ? AND planned = ? AND manual = 1", (name, text))
        return tick

    def schedules(self) -> tuple[Schedule, ...]:
        """Return all schedules, by name."""
        found = self._rows()
        return tuple(one for one in found.values() if isinstance(one, Schedule))

    def unreadable(self) -> dict[str, str]:
        """Return why damaged rows of schedules cannot be read, by name; `row N` for a row without a valid name."""
        return {name: one for name, one in self._rows().items() if isinstance(one, str)}

    def damaged_rows(self) -> tuple[DamagedRow, ...]:
        """Return the damaged rows of the other tables. Commands and daemon go on without them."""
        return schema.damaged_rows(self.connection)

    def _rows(self) -> dict[str, Schedule | str]:
        """Return each schedule, or the reason why its row cannot be read, by name."""
        rows = self.connection.execute("SELECT rowid, name, document, paused, horizon FROM schedules ORDER BY name")
        return {
            name if isinstance(name, str) and _NAME.fullmatch(name) else f"row {row}": _schedule(name, *values)
            for row, name, *values in rows
        }

    def schedule(self, name: str) -> Schedule:
        """Return a schedule.

        Raises:
          NotFoundError: there is none; names the closest one.
          UnavailableError: its row is damaged.
        """
        found = self._rows().get(name)
        if isinstance(found, str):
            raise UnavailableError(
                f"schedule {name!r} in {self._root / schema.NAME} cannot be read ({found}): remove it with "
                f"`sae schedule remove {shell.quoted(name)}` and add it again"
            )
        if found is None:
            known = [schedule.name for schedule in self.schedules()]
            if known:
                raise NotFoundError(f"no schedule {name!r}{closest(name, known)} (there are: {', '.join(known)})")
            raise NotFoundError(f"no schedule {name!r} in {self._root}: {wording.HOW_TO_ADD}")
        return found

    def ticks(self, name: str = "", limit: int = 0) -> tuple[Tick, ...]:
        """Return ticks, newest first.

        Args:
          name: of a schedule, also a removed one; empty for all.
          limit: maximum number; 0 for all.
        """
        where = "schedule = ?" if name else "1"
        return self._ticks(where, (name,) if name else (), limit)

    def last_outcome(self, name: str) -> Tick | None:
        """Return the newest tick with an outcome other than skipped, else the newest skipped one.

        So a failure is reported until the next run, also when later checks of the data found no change.
        """
        decided = "schedule = ? AND decision IS NOT NULL"
        found = self._ticks(f"{decided} AND state != 'skipped'", (name,), 1) or self._ticks(decided, (name,), 1)
        return found[0] if found else None

    def last_ended(self, name: str) -> Tick | None:
        """Return the newest tick that ended or was missed, whatever runs or waits since."""
        ended = "schedule = ? AND decision IS NOT NULL AND state NOT IN ('waiting', 'running', 'skipped')"
        found = self._ticks(ended, (name,), 1)
        return found[0] if found else None

    def has_unplanned(self, schedule: Schedule, until: datetime.datetime) -> bool:
        """Return whether a schedule has unplanned ticks up to a time."""
        row = self.connection.execute("SELECT horizon FROM schedules WHERE name = ?", (schedule.name,)).fetchone()
        upcoming = _next_tick(schedule, row["horizon"]) if row else None
        return upcoming is not None and upcoming <= until

    def next_tick(self) -> datetime.datetime | None:
        """Return the earliest tick of all active schedules that is not planned yet."""
        found = []
        for row in self.connection.execute("SELECT name, document, paused, horizon FROM schedules WHERE paused = ''"):
            schedule = _schedule(*row)
            with contextlib.suppress(UsageError):  # an unknown time zone: reported when its ticks are planned
                if isinstance(schedule, Schedule):
                    found.append(_next_tick(schedule, row["horizon"]))
        return min((when for when in found if when is not None), default=None)

    def plan(self, schedule: Schedule, until: datetime.datetime) -> bool:
        """Insert the next ticks up to a time, and move the horizon to the last of them; inside a transaction.

        Returns:
          Whether all of them are planned now.
        """
        [horizon] = self.connection.execute("SELECT horizon FROM schedules WHERE name = ?", (schedule.name,)).fetchone()
        created, after = times.from_text(schedule.created), times.from_text(horizon)
        found = list(itertools.islice(triggers.between(schedule.timing, created, after, until), _PLAN_LIMIT))
        if not found:
            return True
        # A tick that exists or was merged into another was planned before the clock went back, or before the schedule
        # was added again.
        self.connection.executemany(
            "INSERT OR IGNORE INTO ticks (schedule, planned, due) SELECT :name, :at, :due WHERE NOT EXISTS "
            "(SELECT 1 FROM ticks WHERE schedule = :name AND state = 'skipped' AND manual = 0 AND planned > :at "
            "AND since BETWEEN '0' AND :at)",
            [
                {"name": schedule.name, "at": times.as_text(when), "due": times.as_text(when + jitter(schedule, when))}
                for when in found
            ],
        )
        self.connection.execute(
            "UPDATE schedules SET horizon = ? WHERE name = ?", (times.as_text(found[-1]), schedule.name)
        )
        return len(found) < _PLAN_LIMIT

    @contextlib.contextmanager
    def _writing(self) -> Iterator[None]:
        """Run a write transaction. Raises `UnavailableError`."""
        try:
            with schema.transaction(self.connection):
                yield
        except sqlite3.OperationalError as error:
            path = self._root / schema.NAME
            raise UnavailableError(schema.unwritable(path, error, "nothing was changed, try again")) from error

    def _ticks(self, where: str, values: Sequence[object], limit: int = 0) -> tuple[Tick, ...]:
        rows = self.connection.execute(
            f"SELECT * FROM valid_ticks WHERE {where} ORDER BY planned DESC, id DESC LIMIT ?", (*values, limit or -1)
        ).fetchall()
        return tuple(_tick(row, self._attempts(row["id"]) if row["state"] not in _NEVER_TRIED else ()) for row in rows)

    def _attempts(self, tick: int) -> tuple[Attempt, ...]:
        rows = self.connection.execute(
            "SELECT run_id, started, ended, exit_code, reason FROM valid_attempts WHERE tick = ? ORDER BY id", (tick,)
        )
        return tuple(Attempt(*row) for row in rows)

    @contextlib.contextmanager
    def _end_of_waiting(self, name: str, why: str) -> Iterator[None]:
        """Skip all waiting ticks of a schedule up to now, in one transaction with the block."""
        schedule = self.schedule(name)
        if root_lock.holder(DaemonFiles(self._root).lock) is None:
            why = f"no daemon was running, then {why}"
        with self._writing():
            while not (schedule.paused or self.plan(schedule, self.clock())):
                pass
            self.connection.execute(
                "UPDATE ticks SET decision = ?, state = 'skipped', decided = ?, reason = ? "
                "WHERE id IN (SELECT id FROM valid_ticks WHERE schedule = ? AND decision IS NULL)",
                (Outcome.SKIPPED.value, self.now(), why, name),
            )
            self.connection.execute(  # those that wait for a retry
                "UPDATE ticks SET state = 'failed', retry = '', told = 0 WHERE schedule = ? AND state = 'waiting'",
                (name,),
            )
            yield


def jitter(schedule: Schedule, planned: datetime.datetime) -> datetime.timedelta:
    """Return the delay of a tick: whole seconds that depend on the names of schedule and tick only."""
    digest = hashlib.sha256(f"{schedule.name} {times.as_text(planned)}".encode()).digest()
    return datetime.timedelta(seconds=int.from_bytes(digest[:8], "big") % (int(schedule.policies.jitter) + 1))


@functools.lru_cache(maxsize=256)  # called every 2 s with the same result for hours
def _next_tick(schedule: Schedule, horizon: str) -> datetime.datetime | None:
    found = triggers.next_times(schedule.timing, times.from_text(schedule.created), times.from_text(horizon), 1)
    return found[0] if found else None


@functools.lru_cache(maxsize=256)  # called every 2 s
def _schedule(name: object, document: str, paused: str, horizon: str) -> Schedule | str:
    """Return the schedule of a row, or why the row cannot be read."""
    try:
        found = dataclasses.replace(serialization.build(Schedule, json_text.parse(document)), paused=paused)
        if found.name != name or not _NAME.fullmatch(found.name):
            raise ValueError(f"its name is {found.name!r}")
        for what, time in (("created", found.created), ("horizon", horizon), ("paused", paused or found.created)):
            if not isinstance(time, str):
                raise ValueError(f"{what} is no text")
            if times.from_text(time) and time >= times.END:
                raise ValueError(f"{what} is {time!r}")
        timing = found.timing
        if timing.kind is TimingKind.CRON:
            triggers.cron(timing.cron)
        elif not 1 <= timing.every <= LONGEST:
            raise ValueError(f"every is {timing.every}")
        policies = found.policies
        for seconds in (policies.max_late, policies.jitter, policies.retry_wait, policies.timeout):
            if not 0 <= seconds <= LONGEST:
                raise ValueError(f"{seconds} is no duration")
        # They become words of a command, and lines of units and crontabs.
        for text in (timing.cron, timing.zone, *found.work.command()):
            if not text.isprintable():
                raise ValueError(f"{text!a} contains a control character")
    except (KeyError, TypeError, ValueError, RecursionError, UsageError) as error:
        text = str(error.args[0] if error.args else error)
        return ([line[:_MAX_REASON] for line in text.splitlines()] or [type(error).__name__])[0]
    return found


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
        count=row["count"],
        since=row["since"],
    )
