"""A store in an SQLite file, which is read and never written: neither the file nor what is beside it changes, but for
`-shm` beside a file in WAL mode that is in use, or was when its writer was killed: SQLite notes there who reads.

It is read in place, also while a pipeline writes to it. What SQLite or ML Metadata could read only by writing is
copied to a private folder and read there: an older schema, which must be upgraded; a journal that a killed writer left
behind, which must be rolled back; a WAL-mode file that no process has open, beside which SQLite would leave two files.

A process loses its locks on a file when it closes any other handle of it, and Python's copy of SQLite does not know the
handles of ML Metadata's. So a file is opened either by ML Metadata or, to copy it, by Python; its first bytes are
looked at before either.
"""

from __future__ import annotations

import contextlib
import os
import pathlib
import shutil
import sqlite3
import tempfile
import threading
import time

import ml_metadata as mlmd
from ml_metadata.proto import metadata_store_pb2 as pb

from pipeline.core.errors import NotFoundError, UnavailableError
from pipeline.metadata import client

_MAGIC = b"SQLite format 3\0"
_HEADER = 100  # bytes
_READ_VERSION = 19  # offset in the header of the byte that tells how to read the file
_WAL_MODE = 2
_WAL, _JOURNAL = "-wal", "-journal"  # what SQLite appends to the name of the file for what it does not hold yet
# To open a file, ML Metadata asks for some fifteen tables, and for each of them waits two seconds for a writer. A table
# that it did not come to see it takes for missing, so what it says after it has waited tells nothing of the file.
_WAITED = 1.0  # seconds; without a writer it takes milliseconds
_DONE = 101  # SQLite's word for a copy that is complete; before that it is unfinished, or waits for a writer
_PATIENCE = 10.0  # seconds for which to try again to open or to copy a file that a writer holds
_BUSY = "busy"
_GIVE = "give the SQLite file in which a pipeline records its runs"
_DAMAGED = ("malformed", "not a database", "disk I/O error")


class StoreFile:
    """An SQLite file.

    Attributes:
      name: its path.
    """

    def __init__(self, path: pathlib.Path) -> None:
        """Looks at the first bytes of the file.

        Raises:
          NotFoundError: there is none.
          UnavailableError: it is no SQLite file, or must not be read.
        """
        self.name = str(path)
        self._path = path.absolute()
        self._wal_mode = _header(path)[_READ_VERSION] == _WAL_MODE
        self._lock = threading.Lock()  # holds what follows
        self._folder: pathlib.Path | None = None
        self._copied: list[tuple[int, ...]] = []

    def connect(self) -> mlmd.MetadataStore:
        """A client that only reads. Several threads may ask at once.

        Raises:
          UnavailableError: it is damaged, of a newer schema, no store of ML Metadata, or held by a writer for too long.
        """
        try:
            if self._wal_mode and not self._beside(_WAL).exists():
                return self._of_copy()
            try:
                return _opened(self._path, self.name)
            except RuntimeError as error:
                if not self._may_be_read_in_copy(str(error)):
                    raise
                return self._of_copy()
        except (RuntimeError, sqlite3.Error, OSError) as error:
            raise UnavailableError(f"{self.name} {_why(error)}") from error

    def close(self) -> None:
        """Removes what was copied."""
        with self._lock:
            if self._folder is not None:
                shutil.rmtree(self._folder, ignore_errors=True)
            self._folder, self._copied = None, []

    def _beside(self, suffix: str) -> pathlib.Path:
        return self._path.with_name(self._path.name + suffix)

    def _may_be_read_in_copy(self, error: str) -> bool:
        if schemas := client.other_schema(error):
            return schemas[0] < schemas[1]
        return self._beside(_WAL if self._wal_mode else _JOURNAL).exists()

    def _of_copy(self) -> mlmd.MetadataStore:
        with self._lock:
            state = self._state()
            if self._folder is None:
                self._folder = pathlib.Path(tempfile.mkdtemp(prefix="sae-store-"))  # only this user may enter it
            copy = self._folder / "copy.sqlite"
            if state != self._copied:
                for file in self._folder.iterdir():  # clients that have it open go on reading it
                    file.unlink()
                self._copied = []
                self._copy_to(copy)
                _upgrade(copy)
                self._copied = state
            return _opened(copy, self.name)

    def _state(self) -> list[tuple[int, ...]]:
        """What changes with the file: times and sizes of it and of what SQLite keeps beside it."""
        found: list[tuple[int, ...]] = []
        for path in (self._path, self._beside(_WAL), self._beside(_JOURNAL)):
            with contextlib.suppress(FileNotFoundError):
                stat = path.stat()
                found.append((stat.st_ino, stat.st_size, stat.st_mtime_ns))
        return found

    def _copy_to(self, copy: pathlib.Path) -> None:
        in_use = not self._wal_mode or self._beside(_WAL).exists()
        try:
            if in_use:
                self._back_up_to(copy)
        except sqlite3.OperationalError:
            in_use = False  # there is something to roll back or to recover, so no writer is there
        if not in_use:
            self._copy_files_to(copy)
        with contextlib.closing(sqlite3.connect(copy)) as database:  # rolls back, or puts the log into the file
            database.execute("PRAGMA journal_mode = DELETE")

    def _back_up_to(self, copy: pathlib.Path) -> None:
        """Copies what is committed, also while a writer goes on."""
        deadline = time.monotonic() + _PATIENCE

        def give_up(status: int, remaining: int, total: int) -> None:
            if status != _DONE and time.monotonic() > deadline:
                raise TimeoutError(_BUSY)

        with (
            contextlib.closing(sqlite3.connect(f"{self._path.as_uri()}?mode=ro", timeout=1, uri=True)) as original,
            contextlib.closing(sqlite3.connect(copy)) as target,
        ):
            original.backup(target, progress=give_up)

    def _copy_files_to(self, copy: pathlib.Path) -> None:
        """Copies the file and what is beside it, again when a writer came in between."""
        deadline = time.monotonic() + _PATIENCE
        while True:
            before = self._state()
            for suffix in ("", _WAL, _JOURNAL):
                target = copy.with_name(copy.name + suffix)
                target.unlink(missing_ok=True)
                with contextlib.suppress(FileNotFoundError):
                    shutil.copyfile(self._beside(suffix), target)
            if self._state() == before:
                return
            if time.monotonic() > deadline:
                raise TimeoutError(_BUSY)


def _header(path: pathlib.Path) -> bytes:
    try:
        if path.is_dir():
            raise UnavailableError(f"{path} is a folder: {_GIVE} in it")
        if not path.exists():
            raise NotFoundError(f"no file {path}: {_GIVE}, or the URL of its database")
        if not path.is_file():
            raise UnavailableError(f"{path} is no file: {_GIVE}")
        with path.open("rb") as file:
            header = file.read(_HEADER)
    except OSError as error:
        raise UnavailableError(
            f"{path} cannot be read ({error.strerror}): ask for the right to read it, or give a copy of it"
        ) from error
    if not header:
        raise UnavailableError(f"{path} is empty: nothing was recorded in it; {_GIVE}")
    if len(header) < _HEADER or not header.startswith(_MAGIC):
        raise UnavailableError(f"{path} is damaged, or no SQLite file: {_GIVE}, or a copy of it from before")
    return header


def _config(path: pathlib.Path, mode: int) -> pb.ConnectionConfig:
    config = pb.ConnectionConfig()
    config.sqlite.filename_uri = str(path)
    config.sqlite.connection_mode = mode
    return config


def _opened(path: pathlib.Path, name: str) -> mlmd.MetadataStore:
    deadline = time.monotonic() + _PATIENCE
    while True:
        began = time.monotonic()
        try:
            return client.ReadingClient(_config(path, pb.SqliteMetadataSourceConfig.READONLY), name)
        except RuntimeError as error:
            if time.monotonic() - began < _WAITED:
                raise
            if time.monotonic() > deadline:
                raise TimeoutError(_BUSY) from error


def _upgrade(copy: pathlib.Path) -> None:
    try:
        _opened(copy, str(copy))
    except RuntimeError as error:
        schemas = client.other_schema(str(error))
        if schemas is None or schemas[0] > schemas[1]:
            raise
        # Not otherwise: it would make a store of any other SQLite file.
        mlmd.MetadataStore(_config(copy, pb.SqliteMetadataSourceConfig.READWRITE), enable_upgrade_migration=True)


def _why(error: Exception) -> str:
    """The end of a sentence that begins with the file's name."""
    text = str(error)
    if text == _BUSY:
        return f"is busy: a writer held it for more than {_PATIENCE:.0f} s; try again"
    if schemas := client.other_schema(text):
        return (
            f"has schema {schemas[0]} of ML Metadata, and this version reads schemas up to {schemas[1]}: read it with "
            "the version that wrote it"
        )
    said = client.said(text)
    if "readonly database" in said:  # ML Metadata wanted to make its tables
        return f"is an SQLite file, but no store of ML Metadata: {_GIVE}"
    if any(word in said for word in _DAMAGED):
        return f"is damaged ({said}): give a copy of it from before"
    if isinstance(error, OSError) and error.errno:
        said = os.strerror(error.errno)
    return f"cannot be read ({said}), neither in place nor in a copy in {tempfile.gettempdir()}"
