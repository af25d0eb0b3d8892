"""The store of a root in an SQLite file, `metadata.sqlite` in it."""

from __future__ import annotations

import contextlib
import pathlib
import sqlite3
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, TypeVar

from components.errors import cause_text
from pipeline.core.errors import FREE_SPACE, UnavailableError
from pipeline.core.pipeline_root import Root
from pipeline.metadata import backup, replaced_stores, sqlite
from pipeline.metadata.replaced_stores import Cause
from pipeline.metadata.root_store import RootStore

if TYPE_CHECKING:
    import ml_metadata as mlmd
    from ml_metadata.proto import metadata_store_pb2 as pb

    from pipeline.metadata.sources import Source

T = TypeVar("T")


class SqliteStore(RootStore):
    """The file. It is copied, checked and numbered by a child process (`sqlite.py`), as this one may have it open."""

    largest_id = sqlite.LARGEST_ID
    restore_command = "`sae restore --metadata`"

    def __init__(self, root: Root) -> None:
        super().__init__(root)
        self._path = root.metadata
        self.name = str(self._path)

    def exists(self) -> bool:
        return self._path.is_file()

    def is_empty(self) -> bool:
        try:
            return not self._path.stat().st_size  # the first run creates an empty file
        except OSError:
            return True

    def check(self) -> None:
        backup.check(self.root)

    def check_server(self) -> None:
        """Do nothing: a file needs none."""

    def connect(self) -> mlmd.MetadataStore:
        from pipeline.metadata import client

        return client.connect(self._path)

    def connect_read_only(self) -> mlmd.MetadataStore:
        from pipeline.metadata import sources

        return sources.connect_read_only(self._path)

    def open_source(self) -> contextlib.AbstractContextManager[Source]:
        from pipeline.metadata import sources

        return sources.open_source(self.name)

    def connection_config(self) -> pb.ConnectionConfig:
        from ml_metadata.proto.metadata_store_pb2 import SqliteMetadataSourceConfig

        from pipeline.metadata import client

        return client.sqlite_config(self._path, SqliteMetadataSourceConfig.READWRITE_OPENCREATE)

    def query(self, function: Callable[[pathlib.Path], T]) -> T:
        from pipeline.metadata import sources

        return sources.query(self._path, function)

    def raise_last_ids(self, ids: Mapping[str, int]) -> str:
        return sqlite.in_child(sqlite.raise_last_ids, self._path, dict(ids))

    def copy_to(self, target: pathlib.Path) -> str:
        return sqlite.in_child(sqlite.copy, self._path, target)

    def back_up(self, run_id: str, keep: int) -> None:
        backup.make(self.root, run_id, keep)

    def backups(self) -> list[pathlib.Path]:
        return backup.copies(self.root)

    def find_backup(self, wanted: str) -> pathlib.Path:
        return backup.find(self.root, wanted)

    def lock(self) -> contextlib.AbstractContextManager[Callable[[str], None]]:
        return contextlib.nullcontext(lambda run: None)  # SQLite has its own, and the root's suffices

    def set_aside_before_move(self) -> pathlib.Path | None:
        if not self._path.exists():
            return None
        copy = replaced_stores.new_path(self.root, Cause.MOVE)
        try:
            sqlite.copy(self._path, copy)  # also of a WAL file that a killed run left
        except (OSError, sqlite3.Error) as error:
            raise UnavailableError(
                f"the root was moved, and {self._path} cannot be copied before its paths are rewritten: "
                f"{cause_text(error)}; {FREE_SPACE}"
            ) from error
        return copy
