"""Open a store of ML Metadata to read it: an SQLite file, or a database of a server by its URL.

Neither an SQLite file nor its folder is changed, except that SQLite records readers in `-shm` beside a file in WAL mode
that is in use, or was when its writer was killed. A file is read in place, also while a pipeline writes to it. A
private copy is read where SQLite or ML Metadata would have to write: an older schema, which must be upgraded; a journal
of a killed writer, which must be rolled back; and a file in WAL mode that no process has open. One is also read where a
writer hardly lets go of the file: a copy needs it once, and ML Metadata some fifteen times to open it.

ML Metadata reads in a process of its own (`isolation`), because it ends its process at a row that it does not expect.
Then a copy is read without the parts of deleted rows, such as the properties of a deleted artifact; if that is not
enough, the error names the first such row (`rows`).

When a process closes any handle of a file, it loses all its locks on that file, and Python's SQLite does not know the
handles of ML Metadata's SQLite. So a process opens a file with ML Metadata or, to copy it, with Python, never with both
at once.
"""

from __future__ import annotations

import contextlib
import pathlib
import shutil
import sqlite3
import tempfile
import threading
import time
import weakref
from collections.abc import Callable, Iterator
from typing import TypeVar

import ml_metadata as mlmd
from ml_metadata.proto.metadata_store_pb2 import SqliteMetadataSourceConfig

from components.errors import cause_text
from pipeline.core.errors import NotFoundError, UnavailableError
from pipeline.core.pipeline_root import SQLITE_MAGIC
from pipeline.metadata import database_stores, isolation, rows, sqlite
from pipeline.metadata.client import (
    BusyStoreError,
    ReadingClient,
    first_line,
    schema_versions,
    sqlite_config,
    without_logged_errors,
)
from pipeline.metadata.isolation import IsolatedClient, ReaderDiedError, Worker
from pipeline.metadata.sqlite import BusyError

T = TypeVar("T")

_HEADER = 100  # bytes
_READ_VERSION = 19  # offset in the header of the byte that is _WAL_MODE for a file in WAL mode
_WAL_MODE = 2
_WAL, _JOURNAL = "-wal", "-journal"  # suffixes of the files in which SQLite keeps changes
# To open a file, ML Metadata waits up to two seconds for a writer at each table. It takes a table that it could not
# read for missing, so an error after a wait says nothing about the file.
_WAITED = 1.0  # seconds; without a writer, opening takes milliseconds
_PATIENCE_IN_PLACE = 3.0  # seconds to open a file in place, which a writer makes take up to half a minute
_PATIENCE = 10.0  # seconds for which to try to copy a file that a writer holds, and to open the copy
_ADVICE = "give the SQLite file in which a pipeline records its runs"
_DAMAGED = ("malformed", "not a database", "disk I/O error")


@contextlib.contextmanager
def open_source(given: str) -> Iterator[Source]:
    """Yield a store to read, checked by opening it once.

    Args:
      given: the path of an SQLite file, or `postgresql://user@host/database`, `mysql://user@host/database`.

    Raises:
      NotFoundError: no such file.
      UsageError: the URL is invalid.
      UnavailableError: damaged, of a newer schema, no store of ML Metadata, or the server does not answer.
    """
    with (
        without_logged_errors(),
        (
            contextlib.nullcontext(database_stores.Server(given))
            if database_stores.is_url(given)
            else contextlib.closing(StoreFile(pathlib.Path(given)))
        ) as source,
    ):
        source.check()
        yield source


def connect_read_only(path: pathlib.Path) -> mlmd.MetadataStore:
    """Return a client that only reads an SQLite file. Raises like `open_source`."""
    with contextlib.closing(StoreFile(path)) as file:  # a copy that is open can be read after it was removed
        client = file.connect()
    weakref.finalize(client, file.close).atexit = False  # it may make a copy later; the processes remove it at the end
    return client


def query(path: pathlib.Path, function: Callable[[pathlib.Path], T]) -> T:
    """Return the result of a function that reads an SQLite file as it is, damaged rows included, with plain SQL.

    The function is called in a process of its own, with the file or with a private copy of it.

    Raises:
      NotFoundError, UnavailableError: like `open_source`.
    """
    with contextlib.closing(StoreFile(path)) as file:
        return file.query(function)


class StoreFile:
    """An SQLite file.

    Attributes:
      name: its path.
    """

    def __init__(self, path: pathlib.Path) -> None:
        """Read the file's header.

        Raises:
          NotFoundError: there is no such file.
          UnavailableError: it is no SQLite file, or permission is denied.
        """
        self.name = str(path)
        self._path = path.absolute()
        self._wal_mode = _header(path)[_READ_VERSION] == _WAL_MODE
        self._checked: list[tuple[mlmd.MetadataStore, list[tuple[int, ...]]]] = []  # at most one, with the file's state
        self._lock = threading.Lock()  # guards the attributes below, also while a copy is made
        self._folder: pathlib.Path | None = None
        self._copy: pathlib.Path | None = None
        self._copies = 0  # begun, also those that failed
        self._busy_copy = 0  # the number of the last one that failed because of a writer
        self._copied_state: list[tuple[int, ...]] = []
        self._is_repaired = False  # the copy
        self._unreadable_state: list[tuple[int, ...]] = []  # in which ML Metadata could not read a row

    def connect(self) -> mlmd.MetadataStore:
        """Return a client that only reads, not thread-safe, in milliseconds. Threads may call this at the same time.

        Raises:
          UnavailableError: damaged, of a newer schema, no store of ML Metadata, or held by a writer for too long.
        """
        with contextlib.suppress(IndexError):
            client, state = self._checked.pop()  # by one thread
            if state == self.state():
                return client
        return IsolatedClient(self._worker(), self._replace)

    def check(self) -> None:
        """Open the store for the first caller of `connect`. Raises like that."""
        state = self.state()
        self._checked.append((self.connect(), state))

    def query(self, function: Callable[[pathlib.Path], T]) -> T:
        """Return the result of a function that reads the file or a copy. Raises like the function `query`."""
        processes = isolation.processes()
        try:
            if not self._wal_mode or self._beside(_WAL).exists():
                with contextlib.suppress(sqlite3.OperationalError):  # something must be rolled back
                    return processes.run(function, self._path)
            folder = processes.temporary_folder()
            try:
                copy = folder / "copy.sqlite"
                self._copy_to(copy)
                return processes.run(function, copy)
            finally:
                processes.remove_folder(folder)
        except ReaderDiedError as error:
            raise self._row_error(error) from error
        except (sqlite3.Error, OSError) as error:
            raise UnavailableError(f"{self.name} {_reason(error)}") from error

    def _worker(self, in_copy: bool = False) -> Worker:
        in_copy = in_copy or (self._wal_mode and not self._beside(_WAL).exists())
        try:
            if in_copy or self.state() == self._unreadable_state != []:
                return self._connect_to_copy()
            try:
                return isolation.processes().client(_connect, self._path, self.name, patience=_PATIENCE_IN_PLACE)
            except BusyError:
                return self._connect_to_copy()
            except RuntimeError as error:
                if not self._is_readable_in_copy(str(error)):
                    raise
                return self._connect_to_copy()
        except ReaderDiedError as error:
            raise self._row_error(error) from error
        except (RuntimeError, sqlite3.Error, OSError) as error:
            raise UnavailableError(f"{self.name} {_reason(error)}") from error

    def _replace(self, error: Exception, again: bool) -> Worker:
        """Return a worker that reads a copy, without the parts of deleted rows if the error is about a row.

        Raises:
          UnavailableError: a row cannot be read in a copy either, or a writer held the file for too long.
        """
        is_busy = isinstance(error, BusyStoreError)
        if again:
            raise error if is_busy else self._row_error(error)
        if not is_busy:
            with self._lock:
                self._unreadable_state = self.state()
        return self._worker(in_copy=True)

    def _row_error(self, error: Exception) -> UnavailableError:
        with self._lock:
            path = self._copy if self._copied_state and self._copy else self._path
        try:
            problem = isolation.processes().run(rows.first_problem, path)
        except ReaderDiedError:
            problem = ""
        except sqlite3.Error as damage:
            problem = str(damage)
        if isinstance(error, ReaderDiedError) and not (str(error) or problem):
            return UnavailableError(
                f"{self.name} was not read: the process that reads it was killed, perhaps because memory is short; no "
                "damaged row was found: try again"
            )
        reason = f" ({error})" if str(error) else ""
        return UnavailableError(
            f"{self.name} has a row that ML Metadata cannot read{reason}: {problem or 'no damaged row was found'}; "
            "`sae restore --metadata` goes back to a copy in a root; or give an earlier copy"
        )

    def state(self) -> list[tuple[int, ...]]:
        """Return inode, size and time of the file and of SQLite's files beside it."""
        found: list[tuple[int, ...]] = []
        for path in (self._path, self._beside(_WAL), self._beside(_JOURNAL)):
            with contextlib.suppress(FileNotFoundError):
                stat = path.stat()
                found.append((stat.st_ino, stat.st_size, stat.st_mtime_ns))
        return found

    def close(self) -> None:
        """Remove the private copy."""
        with self._lock:
            self._checked.clear()
            if self._folder is not None:
                isolation.processes().remove_folder(self._folder)
            self._folder, self._copy, self._copied_state = None, None, []

    def _beside(self, suffix: str) -> pathlib.Path:
        return self._path.with_name(self._path.name + suffix)

    def _is_readable_in_copy(self, error: str) -> bool:
        if schemas := schema_versions(error):
            return schemas[0] < schemas[1]
        return self._beside(_WAL if self._wal_mode else _JOURNAL).exists()

    def _connect_to_copy(self) -> Worker:
        processes = isolation.processes()
        asked = self._copies  # a copy that begins later contains all that was committed by now
        with self._lock:
            if self._busy_copy > asked:
                raise BusyError
            state = self.state()
            is_shared = self._copies > asked and self._copied_state != []
            is_unreadable = state == self._unreadable_state
            if self._folder is None:
                self._folder = processes.temporary_folder()
            is_new_enough = state == self._copied_state or is_shared
            if self._copy is None or not is_new_enough or is_unreadable != self._is_repaired:
                for file in self._folder.iterdir():  # clients that have it open continue to read it
                    file.unlink()
                self._copied_state = []
                # Of another name than the one before, whose clients would take its journal for theirs.
                self._copies += 1
                self._copy = self._folder / f"copy-{self._copies}.sqlite"
                try:
                    self._copy_to(self._copy)
                except BusyError:
                    self._busy_copy = self._copies
                    raise
                if is_unreadable:
                    rows.remove_parts_of_deleted_rows(self._copy)
                self._is_repaired = is_unreadable
                processes.run(_upgrade, self._copy)
                self._copied_state = state
            return processes.client(_connect, self._copy, self.name)

    def _copy_to(self, copy: pathlib.Path) -> None:
        in_use = not self._wal_mode or self._beside(_WAL).exists()
        try:
            if in_use:
                self._back_up_to(copy)
        except sqlite3.OperationalError:
            in_use = False  # there is something to roll back or to recover, so no writer is there
        if not in_use:
            self._copy_files_to(copy)
        with contextlib.closing(sqlite3.connect(copy)) as database:  # rolls back, or applies the WAL file
            database.execute("PRAGMA journal_mode = DELETE")

    def _back_up_to(self, copy: pathlib.Path) -> None:
        """Copy what is committed, also while a writer continues."""
        with (
            contextlib.closing(sqlite3.connect(f"{self._path.as_uri()}?mode=ro", timeout=1, uri=True)) as original,
            contextlib.closing(sqlite3.connect(copy)) as target,
        ):
            sqlite.back_up(original, target, _PATIENCE)

    def _copy_files_to(self, copy: pathlib.Path) -> None:
        """Copy the file and SQLite's files beside it, again if a writer changed them meanwhile."""
        deadline = time.monotonic() + _PATIENCE
        while True:
            before = self.state()
            for suffix in ("", _WAL, _JOURNAL):
                target = copy.with_name(copy.name + suffix)
                target.unlink(missing_ok=True)
                absent = (FileNotFoundError,) if suffix else ()
                with contextlib.suppress(*absent):
                    shutil.copyfile(self._beside(suffix), target)
            if self.state() == before:
                return
            if time.monotonic() > deadline:
                raise BusyError


Source = StoreFile | database_stores.Server


def _header(path: pathlib.Path) -> bytes:
    try:
        if path.is_dir():
            raise UnavailableError(f"{path} is a folder: {_ADVICE}")
        if not path.exists():
            raise NotFoundError(f"no file {path}: {_ADVICE}, or the URL of its database")
        if not path.is_file():
            raise UnavailableError(f"{path} is no file: {_ADVICE}")
        with path.open("rb") as file:
            header = file.read(_HEADER)
    except OSError as error:
        raise UnavailableError(
            f"{path} cannot be read ({cause_text(error)}): ask for the right to read it, or give a copy of it"
        ) from error
    if not header:
        raise UnavailableError(f"{path} is empty: nothing was recorded in it; {_ADVICE}")
    if len(header) < _HEADER or not header.startswith(SQLITE_MAGIC):
        raise UnavailableError(f"{path} is damaged, or no SQLite file: {_ADVICE}, or an earlier copy of it")
    return header


def _connect(path: pathlib.Path, name: str) -> mlmd.MetadataStore:
    config = sqlite_config(path, SqliteMetadataSourceConfig.READONLY)
    config.retry_options.max_num_retries = 1  # more take half a minute; a copy is made sooner
    deadline = time.monotonic() + _PATIENCE
    while True:
        started = time.monotonic()
        try:
            return ReadingClient(config, name)
        except RuntimeError as error:
            if time.monotonic() - started < _WAITED:
                raise
            if time.monotonic() > deadline:
                raise BusyError from error


def _upgrade(copy: pathlib.Path) -> None:
    try:
        _connect(copy, str(copy))
    except RuntimeError as error:
        schemas = schema_versions(str(error))
        if schemas is None or schemas[0] > schemas[1]:  # ML Metadata would create its tables in any other SQLite file
            raise
        config = sqlite_config(copy, SqliteMetadataSourceConfig.READWRITE)
        mlmd.MetadataStore(config, enable_upgrade_migration=True)


def _reason(error: Exception) -> str:
    """Return the end of a sentence that begins with the file's name."""
    if isinstance(error, BusyError):
        return f"is busy: a writer held it for more than {_PATIENCE:.0f} s; try again"
    text = str(error)
    if schemas := schema_versions(text):
        return (
            f"has schema {schemas[0]} of ML Metadata, and this version reads schemas up to {schemas[1]}: read it with "
            "the version that wrote it"
        )
    line = first_line(text)
    if "readonly database" in line:  # ML Metadata tried to create its tables
        return f"is an SQLite file, but no store of ML Metadata: {_ADVICE}"
    if any(word in line for word in _DAMAGED):
        return f"is damaged ({line}): `sae restore --metadata` goes back to a copy in a root; or give an earlier copy"
    if isinstance(error, OSError):
        line = cause_text(error)
    return f"cannot be read ({line}), neither in place nor in a copy in {tempfile.gettempdir()}"
