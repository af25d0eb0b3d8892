"""Open and create the schedule database, `schedules.sqlite` in the root.

It is separate from ML Metadata, because schedules and ticks are no artifacts.
"""

from __future__ import annotations

import contextlib
import pathlib
import sqlite3
from collections.abc import Iterator
from typing import Any

from pipeline.core.errors import UnavailableError
from pipeline.core.pipeline_root import refused

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
_ADDED_SINCE_1 = (
    "ALTER TABLE ticks ADD COLUMN count INTEGER NOT NULL DEFAULT 1",
    "ALTER TABLE ticks ADD COLUMN since TEXT NOT NULL DEFAULT ''",
)


def open_for_writing(root: pathlib.Path) -> sqlite3.Connection:
    """Open the database for writing; create it if missing.

    Raises:
      UnavailableError: it cannot be written, is damaged, or a newer version made it.
    """
    path = root / NAME
    try:
        root.mkdir(parents=True, exist_ok=True)
        if reason := refused(path):
            raise UnavailableError(reason)
        path.touch()  # with the permissions of this process; SQLite would not let a group write it
        with _connect(path, isolation_level=None) as connection:
            if _format(connection, path) < FORMAT:
                _make(connection, path)
            connection.execute("PRAGMA synchronous = FULL")  # what is recorded outlives a power cut
    except (sqlite3.Error, OSError) as error:
        raise UnavailableError(
            f"cannot write {path}: {error}; check the disk, or choose another root with --root"
        ) from error
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
            if _format(connection, path) > 0:
                return connection
    except sqlite3.Error as error:
        raise UnavailableError(damaged(path, error)) from error
    connection.close()
    return _empty()


def _has_log(path: pathlib.Path) -> bool:
    """Return whether a process has the write-ahead log open, or left something in it.

    On a full disk a writer leaves an empty log, and an index of it without blocks.
    """
    log, index = (path.with_name(f"{path.name}{suffix}") for suffix in ("-wal", "-shm"))
    return (log.exists() and log.stat().st_size > 0) or (index.exists() and index.stat().st_blocks > 0)


def damaged(path: pathlib.Path, error: Exception) -> str:
    """Return the message about a database that cannot be read."""
    return f"cannot read {path}: {error}; restore it from a copy, or move it away"


def _empty() -> sqlite3.Connection:
    with _connect(":memory:", isolation_level=None) as connection:
        connection.executescript(_TABLES)
    return connection


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
    try:
        yield connection
    except BaseException:
        connection.close()
        raise


def _make(connection: sqlite3.Connection, path: pathlib.Path) -> None:
    """Create the tables, or migrate those of format 1."""
    connection.execute("PRAGMA journal_mode = WAL")
    with transaction(connection):
        if _format(connection, path) == 1:  # again: another process may have migrated it
            for statement in _ADDED_SINCE_1:
                connection.execute(statement)
        for statement in _TABLES.split(";\n"):
            connection.execute(statement)
        connection.execute(f"PRAGMA user_version = {FORMAT}")


def _format(connection: sqlite3.Connection, path: pathlib.Path) -> int:
    """Return the format of the database; 0 if it is empty."""
    [found] = connection.execute("PRAGMA user_version").fetchone()
    if found > FORMAT:
        raise UnavailableError(f"{path} has format {found}, this version knows up to {FORMAT}: update sae")
    return int(found)
