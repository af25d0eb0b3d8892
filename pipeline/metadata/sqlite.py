"""Copy, check and number the SQLite file of ML Metadata, also from a process that has it open.

When a process closes any handle of a file, it loses all its locks on that file, and Python's SQLite does not know the
handles of ML Metadata's SQLite. So a process that has the store open works on it in a child process (`..._in_child`).
This module is that child's program, so it imports only the standard library.
"""

from __future__ import annotations

import contextlib
import json
import os
import pathlib
import sqlite3
import subprocess
import sys
from collections.abc import Mapping

_TIMEOUT = 30.0  # seconds to wait for a writer, and for the child
LARGEST_ID = 2**53  # a store never counts up to larger ones
_WAL, _SHM, _JOURNAL = "-wal", "-shm", "-journal"


def copy(source: pathlib.Path, target: pathlib.Path) -> None:
    """Copy what is committed, also in a WAL file, to a temporary name, check the copy, then rename it to `target`.

    Raises:
      sqlite3.Error: the file is damaged, or a writer held it for too long; there is no copy.
      OSError: the copy cannot be written.
    """
    unfinished = target.with_name(f".{target.name}.unfinished")
    remove(unfinished)
    try:
        with (
            contextlib.closing(_connect(source, "ro")) as original,
            contextlib.closing(sqlite3.connect(unfinished)) as made,
        ):
            for pragma in ("synchronous", "journal_mode"):  # an interrupted copy is never renamed
                made.execute(f"PRAGMA {pragma} = OFF")
            original.backup(made)
            made.execute("PRAGMA journal_mode = DELETE")  # one file, without a WAL file
            _check(made)
        with open(unfinished, "rb") as file:
            os.fsync(file.fileno())
        os.replace(unfinished, target)
    finally:
        remove(unfinished)


def copy_in_child(source: pathlib.Path, target: pathlib.Path) -> str:
    """Copy in a child process, for a process that has the file open. Return why that failed; empty if it did not."""
    return _in_child("copy", source, str(target))


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


def raise_last_ids_in_child(path: pathlib.Path, ids: Mapping[str, int]) -> str:
    """Do so for a process that has the file open. Return why that failed; empty if it did not."""
    return _in_child("number", path, json.dumps(dict(ids)))


def _in_child(action: str, path: pathlib.Path, argument: str) -> str:
    command = [sys.executable, "-I", "-S", __file__, action, str(path), argument]
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=2 * _TIMEOUT, check=False)
    except (OSError, subprocess.TimeoutExpired) as error:
        return str(error)
    return "" if done.returncode == 0 else (done.stderr.strip().splitlines() or [f"exit code {done.returncode}"])[-1]


def check(path: pathlib.Path) -> str:
    """Roll back what a killed writer left, then return SQLite's description of the damage; empty if there is none."""
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


def _main(action: str, path: str, argument: str) -> None:
    try:
        if action == "copy":
            copy(pathlib.Path(path), pathlib.Path(argument))
        else:
            raise_last_ids(pathlib.Path(path), json.loads(argument))
    except (sqlite3.Error, OSError) as error:
        sys.exit(str(error))


if __name__ == "__main__":
    _main(*sys.argv[1:])
