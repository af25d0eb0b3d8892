"""Copy, check and number the SQLite file of ML Metadata, also from a process that has it open.

When a process closes any handle of a file, it loses all its locks on that file, and Python's SQLite does not know the
handles of ML Metadata's SQLite. So a process that has the store open works on it in a child process (`in_child`).
"""

from __future__ import annotations

import contextlib
import os
import pathlib
import sqlite3
import time
from collections.abc import Callable, Mapping
from typing import Any

from pipeline.core.errors import SaeError

_TIMEOUT = 30.0  # seconds to wait for a writer
_POLL = 0.001  # seconds; SQLite sleeps for whole milliseconds
LARGEST_ID = 2**53  # a store never counts up to larger ones
_BACKUP_DONE = 101  # SQLITE_DONE; before that, the backup is unfinished or waits for a writer
UNFINISHED = ".unfinished"  # end of the temporary name of a copy
_WAL, _SHM, _JOURNAL = "-wal", "-shm", "-journal"


class BusyError(TimeoutError):
    """A writer held the file for too long."""

    def __str__(self) -> str:
        return "busy: a writer held it for too long"


def copy(source: pathlib.Path, target: pathlib.Path) -> None:
    """Copy what is committed, also in a WAL file, to a temporary name, check the copy, then rename it to `target`.

    Raises:
      sqlite3.Error: the file is damaged; there is no copy.
      OSError: the copy cannot be written, or a writer held the file for too long (`BusyError`).
    """
    unfinished = target.with_name(f".{target.name}{UNFINISHED}")
    remove(unfinished)
    try:
        with (
            contextlib.closing(_connect(source, "ro")) as original,
            contextlib.closing(sqlite3.connect(unfinished)) as made,
        ):
            for pragma in ("synchronous", "journal_mode"):  # an interrupted copy is never renamed
                made.execute(f"PRAGMA {pragma} = OFF")
            back_up(original, made, _TIMEOUT)
            made.execute("PRAGMA journal_mode = DELETE")  # one file, without a WAL file
            _check(made)
        with open(unfinished, "rb") as file:
            os.fsync(file.fileno())
        os.replace(unfinished, target)
    finally:
        remove(unfinished)


def back_up(original: sqlite3.Connection, made: sqlite3.Connection, seconds: float) -> None:
    """Copy what is committed. Raise `BusyError` if a writer holds the file for more seconds.

    A writer that has much to write, on a disk that takes long to sync, lets go of the file for a millisecond at
    a time, which SQLite's own waiting, ever longer up to 0.1 s, does not meet.
    """
    deadline = time.monotonic() + seconds
    original.execute("PRAGMA busy_timeout = 0")

    def check_deadline(status: int, remaining: int, total: int) -> None:
        if status != _BACKUP_DONE and time.monotonic() > deadline:
            raise BusyError

    original.backup(made, progress=check_deadline, sleep=_POLL)


def last_ids(path: pathlib.Path) -> dict[str, int]:
    """Return the highest id that each table has ever assigned; empty if the file is missing, damaged or empty."""
    try:
        with contextlib.closing(_connect(path, "ro")) as database:
            found = database.execute("SELECT name, seq FROM sqlite_sequence").fetchall()
    except sqlite3.Error:
        return {}
    return {str(table): last for table, last in found if isinstance(last, int) and last <= LARGEST_ID}


def raise_last_ids(path: pathlib.Path, ids: Mapping[str, int]) -> None:
    """Let tables assign only ids above these from now on.

    Args:
      path: the file.
      ids: by the name of a table, whose ids SQLite assigns (AUTOINCREMENT).

    Raises:
      sqlite3.Error: the file is damaged or cannot be written, or a reader held it for too long; nothing was changed.
    """
    with contextlib.closing(_connect(path, "rw")) as database, database:
        for table, number in ids.items():
            known = database.execute("SELECT 1 FROM sqlite_sequence WHERE name = ?", (table,)).fetchone()
            if not known:
                database.execute("INSERT INTO sqlite_sequence VALUES (?, 0)", (table,))
            database.execute("UPDATE sqlite_sequence SET seq = max(seq, ?) WHERE name = ?", (number, table))


def in_child(function: Callable[..., object], *arguments: Any) -> str:
    """Call a function of a module in a child process, for a process that has the file open.

    The child is forked (`isolation`), because Python takes 30 ms to start.

    Returns:
      Why it failed; empty if it did not.
    """
    from pipeline.metadata import isolation  # imports ML Metadata

    try:
        isolation.processes().run(function, *arguments)
    except isolation.ReaderDiedError as error:
        return str(error) or "the process that does so was killed"
    except (SaeError, RuntimeError, sqlite3.Error, OSError) as error:
        return str(error)
    return ""


def check(path: pathlib.Path) -> str:
    """Roll back what a killed writer left, then return SQLite's description of the damage; empty if there is none.

    A missing file is damage.
    """
    try:
        with contextlib.closing(_connect(path, "rw")) as database:
            _check(database)
    except sqlite3.OperationalError as error:
        return "" if "locked" in str(error) else str(error)  # by another program; that is not damage
    except sqlite3.DatabaseError as error:
        return str(error)
    return ""


def rename(path: pathlib.Path, new: pathlib.Path) -> None:
    """Give a file, intact or damaged, and SQLite's files beside it a second name.

    The old name stays until another file replaces it, so the file is never missing.
    """
    with contextlib.suppress(sqlite3.Error), contextlib.closing(sqlite3.connect(path, 1.0)) as opened:
        opened.execute("PRAGMA journal_mode = DELETE")  # applies the WAL file, if it is readable
    for suffix in (_WAL, _JOURNAL):  # must not be applied to the next file of this name
        with contextlib.suppress(FileNotFoundError):
            os.replace(path.with_name(path.name + suffix), new.with_name(new.name + suffix))
    path.with_name(path.name + _SHM).unlink(missing_ok=True)
    os.link(path, new)


def remove(path: pathlib.Path) -> None:
    """Remove a file and SQLite's files beside it."""
    for suffix in ("", _WAL, _SHM, _JOURNAL):
        path.with_name(path.name + suffix).unlink(missing_ok=True)


def _connect(path: pathlib.Path, mode: str) -> sqlite3.Connection:
    return sqlite3.connect(f"{path.absolute().as_uri()}?mode={mode}", _TIMEOUT, uri=True)


def _check(database: sqlite3.Connection) -> None:
    found = [str(row[0]) for row in database.execute("PRAGMA quick_check(1)")]
    if found != ["ok"]:
        raise sqlite3.DatabaseError("; ".join(" ".join(line.split()) for line in found))
