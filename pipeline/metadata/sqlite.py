"""SQLite's side of ML Metadata's file: a consistent copy of it, and whether it is whole.

A process loses its locks on a file when it closes any handle of it, and Python's copy of SQLite does not know the
handles of ML Metadata's. So a process that has the store open copies it in a child process (`copy_in_child`). This
module is that child's program, so it imports only the standard library.
"""

from __future__ import annotations

import contextlib
import os
import pathlib
import shutil
import sqlite3
import subprocess
import sys

_TIMEOUT = 30.0  # seconds to wait for a writer, and for the child
_WAL, _SHM, _JOURNAL = "-wal", "-shm", "-journal"


def copy(source: pathlib.Path, target: pathlib.Path) -> None:
    """Copies what is committed, also of a WAL file, under a temporary name; checks it; gives it its name.

    Raises:
      sqlite3.Error: the file is damaged, or was held by a writer for too long. There is no copy then.
      OSError: the copy cannot be written.
    """
    unfinished = target.with_name(f".{target.name}.unfinished")
    remove(unfinished)
    try:
        with (
            contextlib.closing(_opened(source, "ro")) as original,
            contextlib.closing(sqlite3.connect(unfinished)) as made,
        ):
            for pragma in ("synchronous", "journal_mode"):  # a copy that is cut off has not got its name yet
                made.execute(f"PRAGMA {pragma} = OFF")
            original.backup(made)
            made.execute("PRAGMA journal_mode = DELETE")  # one file, without a log beside it
            _check(made)
        with open(unfinished, "rb") as file:
            os.fsync(file.fileno())
        os.replace(unfinished, target)
    finally:
        remove(unfinished)


def copy_in_child(source: pathlib.Path, target: pathlib.Path) -> str:
    """`copy` in a child, for a process that has the file open. Returns why there is no copy; empty where there is."""
    command = [sys.executable, "-I", __file__, str(source), str(target)]
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=2 * _TIMEOUT, check=False)
    except (OSError, subprocess.TimeoutExpired) as error:
        return str(error)
    return "" if done.returncode == 0 else (done.stderr.strip().splitlines() or [f"exit code {done.returncode}"])[-1]


def check(path: pathlib.Path) -> str:
    """What is wrong with a file, in SQLite's words; empty where nothing is. What a killed writer left is mended."""
    try:
        with contextlib.closing(_opened(path, "rw")) as opened:
            _check(opened)
    except sqlite3.OperationalError as error:
        return "" if "locked" in str(error) else str(error)  # held by another: that is not damage
    except sqlite3.DatabaseError as error:
        return str(error)
    return ""


def has_journal(path: pathlib.Path) -> bool:
    """Whether there is something to roll back, or a writer is in the middle of a change."""
    return path.with_name(path.name + _JOURNAL).exists()


def copy_rolled_back(source: pathlib.Path, target: pathlib.Path) -> bool:
    """Copies a file that a killed writer left in the middle of a change, and takes that back in the copy.

    SQLite can read such a file only by writing to it. The file is opened by its name alone, not by SQLite, so this may
    be called by a process that has it open.

    Returns False where a writer came in between: there is nothing to take back any more, or something else.

    Raises:
      sqlite3.Error: the copy is damaged.
      OSError: the file cannot be read, or the copy not be written.
    """
    before = _state(source)
    for suffix in ("", _JOURNAL):
        with contextlib.suppress(FileNotFoundError):
            shutil.copyfile(source.with_name(source.name + suffix), target.with_name(target.name + suffix))
    if _state(source) != before:
        return False
    with contextlib.closing(sqlite3.connect(target)) as made:
        _check(made)
    return True


def _state(path: pathlib.Path) -> list[tuple[int, int, int]]:
    """What changes with a file and its journal."""
    found = []
    for one in (path, path.with_name(path.name + _JOURNAL)):
        with contextlib.suppress(FileNotFoundError):
            stat = one.stat()
            found.append((stat.st_ino, stat.st_size, stat.st_mtime_ns))
    return found


def rename(path: pathlib.Path, new: pathlib.Path) -> None:
    """Gives a file, whole or damaged, another name, together with a log that belongs to it.

    The file is there under its old name as well until something takes that over: it is never missing.
    """
    with contextlib.suppress(sqlite3.Error), contextlib.closing(sqlite3.connect(path, 1.0)) as opened:
        opened.execute("PRAGMA journal_mode = DELETE")  # puts the log into the file, where it can be read
    for suffix in (_WAL, _JOURNAL):  # what another file must not take for its own
        with contextlib.suppress(FileNotFoundError):
            os.replace(path.with_name(path.name + suffix), new.with_name(new.name + suffix))
    path.with_name(path.name + _SHM).unlink(missing_ok=True)
    os.link(path, new)


def remove(path: pathlib.Path) -> None:
    """Removes a file and what SQLite keeps beside it."""
    for suffix in ("", _WAL, _SHM, _JOURNAL):
        path.with_name(path.name + suffix).unlink(missing_ok=True)


def _opened(path: pathlib.Path, mode: str) -> sqlite3.Connection:
    return sqlite3.connect(f"{path.absolute().as_uri()}?mode={mode}", _TIMEOUT, uri=True)


def _check(opened: sqlite3.Connection) -> None:
    said = [str(row[0]) for row in opened.execute("PRAGMA quick_check(1)")]
    if said != ["ok"]:
        raise sqlite3.DatabaseError("; ".join(" ".join(line.split()) for line in said))


def _main(source: str, target: str) -> None:
    try:
        copy(pathlib.Path(source), pathlib.Path(target))
    except (sqlite3.Error, OSError) as error:
        sys.exit(str(error))


if __name__ == "__main__":
    _main(*sys.argv[1:])
