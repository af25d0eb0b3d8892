"""Opens ML Metadata's client on the SQLite file of a root, to write or to read it; and what its errors mean."""

from __future__ import annotations

import logging
import pathlib
import re
import sqlite3
import tempfile
import time
from typing import Any

import ml_metadata as mlmd
from ml_metadata import errors as mlmd_errors
from ml_metadata.proto import metadata_store_pb2 as pb

from pipeline.core.errors import UnavailableError
from pipeline.metadata import sqlite

logger = logging.getLogger(__name__)

# ML Metadata's refusal to open a store, in which it names both versions.
_OTHER_SCHEMA = re.compile(r"database version (\d+) is (?:older|greater) than library version (\d+)")
# Seconds for which a writer waits for programs that read the file: a look into it by hand may take minutes, and a run
# that gave up would have to be resumed.
_PATIENCE = 600.0
_TRIES = 5  # at a copy of a file that writers change meanwhile
_PAUSE = 1.0  # seconds between two tries; SQLite lets no new reader in during one, which takes two seconds


class PatientStore(mlmd.MetadataStore):
    """ML Metadata's client, which waits for those who read the file: by itself it gives up after some 20 seconds.

    In SQLite's rollback mode changes reach the file when no program is reading it. A wait is said once a
    call, as a warning of this module's logger. A call that waited too long raises `UnavailableError`; it wrote nothing.
    """

    def _call_method(self, method_name: str, request: Any, response: Any) -> None:
        # What its public methods call, try by try.
        deadline: float | None = None
        while True:
            try:
                super()._call_method(method_name, request, response)
            except mlmd_errors.AbortedError as error:
                path = self._config.sqlite.filename_uri
                if deadline is None:
                    deadline = time.monotonic() + _PATIENCE
                    logger.warning("another program is reading %s: waiting until it has done so", path)
                if time.monotonic() >= deadline:
                    raise UnavailableError(
                        f"another program kept {path} from being written to for {_PATIENCE / 60:.0f} minutes: end what "
                        f"reads it (`fuser {path}` names its process)"
                    ) from error
                time.sleep(_PAUSE)
            else:
                return


class ReadingClient(mlmd.MetadataStore):
    """ML Metadata's client on a store that is only read. What it raises is raised as `UnavailableError`."""

    def __init__(self, config: pb.ConnectionConfig, name: str) -> None:
        """Takes what to open, and the store's file or its URL without the password."""
        self._name = name
        super().__init__(config)

    def _call(self, method_name: str, request: Any, response: Any, extra_options: Any = None) -> None:
        # What its public methods call, with all tries.
        try:
            super()._call(method_name, request, response, extra_options)
        except mlmd_errors.AbortedError as error:
            raise UnavailableError(f"{self._name} is busy: a writer held it for too long; try again") from error
        except mlmd_errors.StatusError as error:
            raise UnavailableError(
                f"{self._name} cannot be read to the end ({said(str(error))}): the file is damaged, restore a copy of "
                "it; or the server went away"
            ) from error


def connect(path: pathlib.Path, read_only: bool = False) -> mlmd.MetadataStore:
    """ML Metadata's client on an SQLite file, which is made if need be and not `read_only`.

    Where a writer was killed in the middle, SQLite would have to write to the file to read it: with `read_only` a copy
    is read, which is gone when the client is.

    Raises:
      UnavailableError: the file is damaged or has another version of ML Metadata's schema; it is left as it is.
    """
    try:
        if not read_only:
            return PatientStore(_config(path))
        return _reading(path)
    except (mlmd_errors.StatusError, RuntimeError, sqlite3.Error) as error:
        raise UnavailableError(_why_not_opened(path, str(error))) from error


def _reading(path: pathlib.Path) -> mlmd.MetadataStore:
    for _ in range(_TRIES):
        try:
            return ReadingClient(_config(path, read_only=True), str(path))
        except RuntimeError:
            if not sqlite.has_journal(path):
                raise
        with tempfile.TemporaryDirectory(prefix="sae-store-") as folder:  # what is open is read also when it is removed
            copy = pathlib.Path(folder) / "copy.sqlite"
            if sqlite.copy_rolled_back(path, copy):
                return ReadingClient(_config(copy, read_only=True), str(path))
    raise RuntimeError("a writer holds it; try again")


def _config(path: pathlib.Path, read_only: bool = False) -> pb.ConnectionConfig:
    config = pb.ConnectionConfig()
    config.sqlite.filename_uri = str(path)
    if read_only:
        config.sqlite.connection_mode = pb.SqliteMetadataSourceConfig.READONLY
    return config


def other_schema(error: str) -> tuple[int, int] | None:
    """The schema of a store that ML Metadata refused to open with `error`, and the one that it knows."""
    match = _OTHER_SCHEMA.search(error)
    return (int(match.group(1)), int(match.group(2))) if match else None


def said(error: str) -> str:
    """The first line of what ML Metadata says, without the statement that failed."""
    line = error.strip().partition("\n")[0]
    return line.removeprefix("Error when executing query: ").partition(" query: ")[0].strip()


def _why_not_opened(path: pathlib.Path, error: str) -> str:
    # Not upgraded here: an interrupted migration leaves a store that nothing opens.
    if schemas := other_schema(error):
        found, known = schemas
        if found < known:
            advice = "upgrade a copy of it with ML Metadata's own migration (enable_upgrade_migration)"
        else:
            advice = "use it with the version that wrote it"
        return (
            f"{path} has schema {found} of ML Metadata, this version reads and writes schema {known}: it was left as "
            f"it is; {advice}, or choose another root with --root"
        )
    return (
        f"{path} cannot be opened as an ML Metadata store ({said(error)}): it was left as it is; restore a "
        "copy of it, or choose another root with --root"
    )
