"""Open and create the schedule database, `schedules.sqlite` in the root.

It is separate from ML Metadata, because schedules and ticks are no artifacts.
"""

from __future__ import annotations

import contextlib
import dataclasses
import pathlib
import sqlite3
from collections.abc import Iterator, Mapping
from typing import Any

from components.errors import cause_text
from pipeline.core.errors import FREE_SPACE, UnavailableError, advice
from pipeline.core.pipeline_root import refused
from pipeline.scheduler import times
from pipeline.scheduler.types import Outcome

NAME = "schedules.sqlite"
FORMAT = 2  # raised when the tables change so that an older version would misread them
_BUSY = 10.0  # seconds to wait for another process that writes; each writes for milliseconds

# Times are texts as `times.as_text` writes them: they sort as the times do.
_TABLES = """
CREATE TABLE IF NOT EXISTS schedules (
  name TEXT PRIMARY KEY,
  document TEXT NOT NULL,            -- JSON of types.Schedule
  paused TEXT NOT NULL DEFAULT '',
  horizon TEXT NOT NULL,             -- all ticks up to here are in the table of ticks
  data TEXT NOT NULL DEFAULT ''      -- fingerprint of the data of the last run or first check
);
CREATE TABLE IF NOT EXISTS ticks (
  id INTEGER PRIMARY KEY,
  schedule TEXT NOT NULL,
  planned TEXT NOT NULL,
  manual INTEGER NOT NULL DEFAULT 0,
  due TEXT NOT NULL,                 -- planned and jitter
  place TEXT NOT NULL DEFAULT '',    -- while it waits: '' not classified, 'in time', 'late'
  decision TEXT,
  decided TEXT NOT NULL DEFAULT '',
  reason TEXT NOT NULL DEFAULT '',
  state TEXT NOT NULL DEFAULT 'waiting',
  retry TEXT NOT NULL DEFAULT '',    -- when the next attempt is due
  told INTEGER NOT NULL DEFAULT 1,   -- 0: its hooks have not all ended
  count INTEGER NOT NULL DEFAULT 1,  -- merged ticks, with itself (history.py)
  since TEXT NOT NULL DEFAULT '',    -- planned time of the oldest of these; '' if count is 1
  UNIQUE (schedule, planned, manual)
);
CREATE INDEX IF NOT EXISTS ticks_undone ON ticks (schedule, due) WHERE decision IS NULL;
CREATE INDEX IF NOT EXISTS ticks_to_retry ON ticks (retry) WHERE state = 'waiting';
CREATE INDEX IF NOT EXISTS ticks_untold ON ticks (id) WHERE told = 0;
CREATE INDEX IF NOT EXISTS ticks_by_time ON ticks (planned);
CREATE INDEX IF NOT EXISTS ticks_skipped ON ticks (schedule, planned) WHERE state = 'skipped' AND manual = 0;
CREATE TABLE IF NOT EXISTS attempts (
  id INTEGER PRIMARY KEY,
  tick INTEGER NOT NULL REFERENCES ticks (id),
  run_id TEXT NOT NULL DEFAULT '',
  started TEXT NOT NULL,
  ended TEXT NOT NULL DEFAULT '',
  exit_code INTEGER,
  reason TEXT NOT NULL DEFAULT '',
  closed INTEGER NOT NULL DEFAULT 0, -- 1: its result is recorded
  begun INTEGER NOT NULL DEFAULT 1,  -- 0: the daemon ended before the run started
  process INTEGER,                   -- NULL: it was not started
  process_identity TEXT NOT NULL DEFAULT ''  -- distinguishes it from later processes with this id
);
CREATE INDEX IF NOT EXISTS attempts_of_tick ON attempts (tick);
CREATE INDEX IF NOT EXISTS attempts_open ON attempts (id) WHERE closed = 0;
CREATE TABLE IF NOT EXISTS daemon (
  id INTEGER PRIMARY KEY CHECK (id = 1),
  process INTEGER NOT NULL,
  process_identity TEXT NOT NULL,
  since TEXT NOT NULL,
  heard TEXT NOT NULL,
  stopping INTEGER NOT NULL DEFAULT 0
);
"""
_LONGEST = 10_000  # characters of a text
_TEXT = f"typeof({{0}}) = 'text' AND length(CAST({{0}} AS BLOB)) <= {_LONGEST}"
_WORD = f"{_TEXT} AND {{0}} NOT GLOB '*[^A-Za-z0-9._-]*' AND instr({{0}}, char(0)) = 0"
# SQLite changes a day that does not exist, such as 30 February, to one that does.
_TIME = f"{_TEXT} AND {{0}} BETWEEN '0001' AND '{times.END}' AND strftime('%Y-%m-%dT%H:%M:%SZ', {{0}}) = {{0}}"
_NO_TIME_OR = "{0} = '' OR " + _TIME
_FLAG = "typeof({0}) = 'integer' AND {0} IN (0, 1)"
_NUMBER = "typeof({{0}}) = 'integer' AND {{0}} BETWEEN {} AND {}"
_RUN_PROCESS = _NUMBER.format(2, 2**31 - 1)  # to signal 0, 1 or less would reach other processes
_DAEMON_PROCESS = _NUMBER.format(1, 2**31 - 1)  # it is 1 in a container, and never signalled
_OUTCOMES = ", ".join(f"'{one.value}'" for one in Outcome)
# What the columns contain, as SQL. The daemon and readers use the views `valid_TABLE`, without other rows.
_VALID: Mapping[str, Mapping[str, str]] = {
    "ticks": {
        "schedule": f"{_WORD} AND {{0}} != ''",
        "planned": _TIME,
        "manual": _FLAG,
        "due": _TIME,
        "place": "{0} IN ('', 'in time', 'late')",
        "decision": f"{{0}} IN ({_OUTCOMES}) OR ({{0}} IS NULL AND state = 'waiting')",
        "decided": _NO_TIME_OR,
        "reason": _TEXT,
        "state": "{0} IN ('waiting', 'running', 'succeeded', 'failed', 'interrupted', 'skipped', 'missed')",
        "retry": _NO_TIME_OR,
        "told": _FLAG,
        "count": _NUMBER.format(1, 10**12),
        "since": _NO_TIME_OR,
    },
    "attempts": {
        "tick": _NUMBER.format(-(2**63), 2**63 - 1),
        "run_id": f"{_WORD} AND {{0}} NOT GLOB '[.-]*'",
        "started": _TIME,
        "ended": _NO_TIME_OR,
        "exit_code": "{0} IS NULL OR " + _NUMBER.format(-255, 255),
        "reason": _TEXT,
        "closed": _FLAG,
        "begun": _FLAG,
        "process": "{0} IS NULL OR " + _RUN_PROCESS,
        "process_identity": _TEXT,
    },
    "daemon": {
        "process": _DAEMON_PROCESS,
        "process_identity": _TEXT,
        "since": _TIME,
        "heard": _TIME,
        "stopping": _FLAG,
    },
}
# Columns of ticks that a database of format 1 has not, with their types and the values of its rows.
_ADDED_SINCE_1 = {"count": ("INTEGER", "1"), "since": ("TEXT", "''")}


@dataclasses.dataclass(frozen=True)
class DamagedRow:
    """A row with a value that no daemon writes; `row` is its rowid, `column` the first such column."""

    table: str
    row: int
    column: str

    def __str__(self) -> str:
        """Write `row 3 of ticks`."""
        return f"row {self.row} of {self.table}"


def open_for_writing(root: pathlib.Path) -> sqlite3.Connection:
    """Open the database for writing; create it if missing.

    Raises:
      UnavailableError: it cannot be written, is damaged, or a newer version made it.
    """
    path = root / NAME
    try:
        root.mkdir(parents=True, exist_ok=True)
        if refusal := refused(root, *_files(path)):
            raise UnavailableError(refusal)
        path.touch()  # with the permissions of this process; SQLite would not let a group write it
        with _connect(path, isolation_level=None) as connection:
            if _format(connection, path) < FORMAT:
                _make(connection, path)
            connection.execute("PRAGMA synchronous = FULL")  # what is recorded outlives a power cut
            _create_views(connection, FORMAT)
    except (sqlite3.Error, OSError) as error:
        raise UnavailableError(unwritable(path, error, "check the disk, or choose another root with --root")) from error
    return connection


def open_for_reading(root: pathlib.Path) -> sqlite3.Connection:
    """Open the database without writing any file; an empty one in memory if it is missing or being created.

    Raises:
      UnavailableError: it cannot be read, is damaged, or a newer version made it.
    """
    path = root / NAME
    if not path.is_file():
        return _empty()
    # Without a write-ahead log no process has it open. SQLite would create one to read it, unless it is immutable.
    still = "" if _has_log(path) else "&immutable=1"
    try:
        with _connect(f"{path.absolute().as_uri()}?mode=ro{still}", uri=True) as connection:
            if (found := _format(connection, path)) > 0:
                _create_views(connection, found)
                return connection
    except sqlite3.Error as error:
        raise UnavailableError(damaged(path, error)) from error
    connection.close()
    return _empty()


def _files(path: pathlib.Path) -> tuple[pathlib.Path, pathlib.Path, pathlib.Path]:
    """Return the database, its write-ahead log and the index of that."""
    return path, path.with_name(f"{path.name}-wal"), path.with_name(f"{path.name}-shm")


def _has_log(path: pathlib.Path) -> bool:
    """Return whether a process has the write-ahead log open, or left something in it.

    On a full disk a writer leaves an empty log, and an index of it without blocks.
    """
    _, log, index = _files(path)
    return (log.exists() and log.stat().st_size > 0) or (index.exists() and index.stat().st_blocks > 0)


def unwritable(path: pathlib.Path, error: sqlite3.Error | OSError, otherwise: str) -> str:
    """Return the message about a database that cannot be written, with what to do: `otherwise`, or free space."""
    is_full = "disk is full" in str(error)  # SQLite's words
    remedy = FREE_SPACE if is_full else advice(error, otherwise) if isinstance(error, OSError) else otherwise
    return f"cannot write {path}: {cause_text(error)}; {remedy}"


def damaged(path: pathlib.Path, error: Exception) -> str:
    """Return the message about a database that cannot be read."""
    return f"cannot read {path}: {error}; restore it from a copy, or move it away"


def _empty() -> sqlite3.Connection:
    with _connect(":memory:", isolation_level=None) as connection:
        connection.executescript(_TABLES)
        _create_views(connection, FORMAT)
    return connection


def damaged_rows(connection: sqlite3.Connection) -> tuple[DamagedRow, ...]:
    """Return the rows of ticks, attempts and daemon that the views leave out; `store.py` checks schedules."""
    return tuple(
        DamagedRow(table, *row) for table in _VALID for row in connection.execute(f"SELECT * FROM invalid_{table}")
    )


def _create_views(connection: sqlite3.Connection, made_by: int) -> None:
    """Create the views of valid and of damaged rows in memory, for this connection; no file is written."""
    connection.execute("PRAGMA temp_store = MEMORY")
    for table, rules in _VALID.items():
        missing = [name for name in _ADDED_SINCE_1 if name in rules and made_by == 1]
        known = {name: rule.format(name) for name, rule in rules.items() if name not in missing}
        new = "".join(f", {_ADDED_SINCE_1[name][1]} AS {name}" for name in missing)
        valid = " AND ".join(f"({rule}) IS TRUE" for rule in known.values())
        column = " ".join(f"WHEN ({rule}) IS NOT TRUE THEN '{name}'" for name, rule in known.items())
        connection.execute(f"CREATE TEMP VIEW valid_{table} AS SELECT *{new} FROM main.{table} WHERE {valid}")
        connection.execute(
            f"CREATE TEMP VIEW invalid_{table} AS SELECT rowid, CASE {column} END FROM main.{table} WHERE NOT ({valid})"
        )


@contextlib.contextmanager
def transaction(connection: sqlite3.Connection) -> Iterator[None]:
    """Run a write transaction; other processes wait."""
    connection.execute("BEGIN IMMEDIATE")
    try:
        yield
        connection.execute("COMMIT")
    except BaseException:
        with contextlib.suppress(sqlite3.Error):  # a full disk rolls back by itself
            connection.execute("ROLLBACK")
        raise


@contextlib.contextmanager
def _connect(path: str | pathlib.Path, **options: Any) -> Iterator[sqlite3.Connection]:
    """Open a connection that only an error in the block closes."""
    connection = sqlite3.connect(path, timeout=_BUSY, **options)
    connection.row_factory = sqlite3.Row
    connection.text_factory = _text
    try:
        yield connection
    except BaseException:
        connection.close()
        raise


def _text(stored: bytes) -> str:
    """Decode a text, also one that is no UTF-8: a replacement character shows it."""
    return stored.decode("utf-8", "replace")


def _make(connection: sqlite3.Connection, path: pathlib.Path) -> None:
    """Create the tables, or migrate those of format 1."""
    connection.execute("PRAGMA journal_mode = WAL")
    with transaction(connection):
        if _format(connection, path) == 1:  # again: another process may have migrated it
            for name, (kind, value) in _ADDED_SINCE_1.items():
                connection.execute(f"ALTER TABLE ticks ADD COLUMN {name} {kind} NOT NULL DEFAULT {value}")
        for statement in _TABLES.split(";\n"):
            connection.execute(statement)
        connection.execute(f"PRAGMA user_version = {FORMAT}")


def _format(connection: sqlite3.Connection, path: pathlib.Path) -> int:
    """Return the format of the database; 0 if it is empty."""
    [found] = connection.execute("PRAGMA user_version").fetchone()
    if found > FORMAT:
        raise UnavailableError(f"{path} has format {found}, this version knows up to {FORMAT}: update sae")
    return int(found)
