"""Clients of ML Metadata that write to the store of a root, or only read a store, and the meaning of their errors."""

from __future__ import annotations

import contextlib
import logging
import pathlib
import re
import sqlite3
import time
from collections.abc import Callable, Iterator
from typing import Any, Protocol

import ml_metadata as mlmd
from ml_metadata import errors as mlmd_errors
from ml_metadata.proto import metadata_store_pb2 as pb

from pipeline.core import root_lock
from pipeline.core.errors import FREE_SPACE, UnavailableError
from pipeline.metadata import rows

logger = logging.getLogger(__name__)

# ML Metadata refuses to open a store with a message that contains both versions.
_SCHEMA_MISMATCH = re.compile(r"database version (\d+) is (?:older|greater) than library version (\d+)")
# Seconds for which a writer waits for programs that read the file: a user may inspect it by hand for minutes, and a
# run that gave up would have to be resumed.
_PATIENCE = 600.0
_FULL, _NOT_WRITTEN = "disk is full", "disk I/O error"  # SQLite's words
# Errors that are answers: TFX and ML Metadata's own client handle them.
ANSWERS = (mlmd_errors.NotFoundError, mlmd_errors.AlreadyExistsError)
_sound: dict[pathlib.Path, tuple[int, ...]] = {}  # states of files whose rows ML Metadata can read
_PAUSE = 1.0  # seconds between two tries; during a try of two seconds, SQLite lets no new reader in


class Backend(Protocol):
    """What differs between the kinds of stores that a client writes to.

    Attributes:
      name: of the store in messages.
    """

    name: str

    def opening(self) -> contextlib.AbstractContextManager[None]:
        """Surround the opening of the client."""

    def sent(self, request: Any) -> Any:
        """Return a request as it is sent."""

    def call(self, method: Callable[[], None]) -> None:
        """Call a method of ML Metadata's client. Raise `UnavailableError` for errors of the store."""


class PatientStore(mlmd.MetadataStore):
    """ML Metadata's client that writes, with errors in words. A call that raised one has written nothing."""

    def __init__(self, config: pb.ConnectionConfig) -> None:
        """Open a store."""
        self._backend = _backend(config)
        with self._backend.opening():
            super().__init__(config)

    def _call(self, method_name: str, request: Any, response: Any, extra_options: Any = None) -> None:
        with without_logged_errors():
            super()._call(method_name, self._backend.sent(request), response, extra_options)

    def _call_method(self, method_name: str, request: Any, response: Any) -> None:
        # `_call` calls this once for each try.
        root_lock.end_if_lost()
        call = super()._call_method
        self._backend.call(lambda: call(method_name, request, response))


def _backend(config: pb.ConnectionConfig) -> Backend:
    if config.HasField("postgresql"):
        from pipeline.metadata import postgresql_client

        return postgresql_client.Database(config.postgresql)
    return _SqliteFile(config.sqlite.filename_uri)


class _SqliteFile:
    """An SQLite file. Calls wait up to 10 minutes for programs that read it instead of about 20 seconds.

    In SQLite's rollback mode, a change reaches the file only while no program reads it. Each call that waits logs one
    warning.
    """

    def __init__(self, name: str) -> None:
        self.name = name

    def opening(self) -> contextlib.AbstractContextManager[None]:
        return contextlib.nullcontext()

    def sent(self, request: Any) -> Any:
        return request

    def call(self, method: Callable[[], None]) -> None:
        path = self.name
        deadline: float | None = None
        while True:
            try:
                method()
            except mlmd_errors.AbortedError as error:
                if deadline is None:
                    deadline = time.monotonic() + _PATIENCE
                    logger.warning("another program is reading %s: waiting until it has done so", path)
                if time.monotonic() >= deadline:
                    raise UnavailableError(
                        f"another program kept {path} from being written to for {_PATIENCE / 60:.0f} minutes: end what "
                        f"reads it (`fuser {path}` names its process)"
                    ) from error
                time.sleep(_PAUSE)
            except mlmd_errors.StatusError as error:
                if _FULL in str(error):
                    raise FullDiskError(f"{path} cannot be written: the disk is full; {FREE_SPACE}") from error
                if _NOT_WRITTEN in str(error):  # such as a quota, or a maximum size of files
                    raise UnavailableError(
                        f"{path} cannot be written ({_NOT_WRITTEN}): check the disk and quotas, or {FREE_SPACE}"
                    ) from error
                if isinstance(error, ANSWERS):
                    raise
                raise UnavailableError(
                    f"{path} was not changed, because ML Metadata refused it ({first_line(str(error))}): rows of it "
                    "are damaged or missing; `sae restore --metadata` goes back to a copy, or choose another root with "
                    "--root"
                ) from error
            else:
                return


class FullDiskError(UnavailableError):
    """The store cannot be written, because its disk is full. Nothing was changed."""


class BusyStoreError(UnavailableError):
    """A writer held the store for too long."""


class ReadingClient(mlmd.MetadataStore):
    """ML Metadata's client for a store that is only read. It raises `UnavailableError` for all errors of the store."""

    def __init__(self, config: pb.ConnectionConfig, name: str) -> None:
        """Open a store; `name` is its file, or its URL without the password."""
        self._name = name
        super().__init__(config)

    def _call(self, method_name: str, request: Any, response: Any, extra_options: Any = None) -> None:
        # The public methods call this once for all tries.
        try:
            super()._call(method_name, request, response, extra_options)
        except mlmd_errors.AbortedError as error:
            raise BusyStoreError(f"{self._name} is busy: a writer held it for too long; try again") from error
        except mlmd_errors.StatusError as error:
            raise UnavailableError(
                f"{self._name} cannot be read to the end ({first_line(str(error))}): the file is damaged, restore a "
                "copy of it; or the server went away"
            ) from error


@contextlib.contextmanager
def without_logged_errors() -> Iterator[None]:
    """Do not log the errors that ML Metadata's client raises; it logs each as well, with the SQL statement."""
    log = logging.getLogger("absl")
    is_outermost = _is_no_error_of_client not in log.filters
    log.addFilter(_is_no_error_of_client)
    try:
        yield
    finally:
        if is_outermost:
            log.removeFilter(_is_no_error_of_client)


def _is_no_error_of_client(record: logging.LogRecord) -> bool:
    return not record.getMessage().startswith("mlmd client ")


def connect(path: pathlib.Path) -> mlmd.MetadataStore:
    """Return a client that writes to an SQLite file, which is created if it does not exist.

    Raises:
      UnavailableError: the file is damaged, contains a row that would end this process, or has another version of ML
        Metadata's schema; it is left unchanged.
    """
    with contextlib.suppress(sqlite3.Error):  # ML Metadata reports those
        if path.is_file() and path.stat().st_size and (problem := _first_problem(path)):
            raise UnavailableError(
                f"{path} has a row that ML Metadata cannot read: {problem}; it was left as it is: "
                "`sae restore --metadata` goes back to a copy, or choose another root with --root"
            )
    try:
        return PatientStore(sqlite_config(path, pb.SqliteMetadataSourceConfig.READWRITE_OPENCREATE))
    except (mlmd_errors.StatusError, RuntimeError) as error:
        raise UnavailableError(f"{_connect_error(path, str(error))}, or choose another root with --root") from error


def _first_problem(path: pathlib.Path) -> str:
    """Return the first row that ML Metadata cannot read. A file that did not change since the last call is not read."""
    before = path.stat()
    state = (before.st_ino, before.st_size, before.st_mtime_ns, before.st_ctime_ns)
    if _sound.get(path) != state:
        if problem := rows.first_problem(path):
            return problem
        _sound[path] = state
    return ""


def _connect_error(path: pathlib.Path, error: str) -> str:
    if schemas := schema_versions(error):
        found, known = schemas
        # An older store is not upgraded here: if the migration were interrupted, nothing could open the store.
        upgrade = "upgrade a copy of it with ML Metadata's own migration (enable_upgrade_migration)"
        return (
            f"{path} has schema {found} of ML Metadata, this version reads and writes schema {known}: it was left as "
            f"it is; {upgrade if found < known else 'use it with the version that wrote it'}"
        )
    if _FULL in error:
        return f"{path} cannot be written: the disk is full; {FREE_SPACE}"
    if _NOT_WRITTEN in error:
        return f"{path} cannot be read or written ({_NOT_WRITTEN}): check the disk and quotas, or {FREE_SPACE}"
    return (
        f"{path} cannot be opened as an ML Metadata store ({first_line(error)}): it was left as it is; restore a copy "
        "of it"
    )


def sqlite_config(path: pathlib.Path, mode: int) -> pb.ConnectionConfig:
    """Return the configuration for an SQLite file, opened in a mode of `SqliteMetadataSourceConfig`."""
    config = pb.ConnectionConfig()
    config.sqlite.filename_uri = str(path)
    config.sqlite.connection_mode = mode
    return config


def schema_versions(error: str) -> tuple[int, int] | None:
    """Return the schema versions of the store and of the library, if ML Metadata's `error` says that they differ."""
    match = _SCHEMA_MISMATCH.search(error)
    return (int(match.group(1)), int(match.group(2))) if match else None


def first_line(error: str) -> str:
    """Return the first line of an error of ML Metadata, without the statement that failed."""
    line = error.strip().partition("\n")[0]
    return line.removeprefix("Error when executing query: ").partition(" query: ")[0].strip()
