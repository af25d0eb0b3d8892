"""The store of a root in a PostgreSQL database, which `root.json` names. A database belongs to one root."""

from __future__ import annotations

import contextlib
import pathlib
import sqlite3
import tempfile
from collections.abc import Callable, Iterator, Mapping
from typing import TYPE_CHECKING, TypeVar

from components.errors import cause_text
from pipeline.core.errors import SaeError, UnavailableError, UsageError
from pipeline.core.pipeline_root import Root
from pipeline.metadata import postgresql
from pipeline.metadata.database_stores import POSTGRESQL, Server
from pipeline.metadata.root_store import RootStore

if TYPE_CHECKING:
    import ml_metadata as mlmd
    from ml_metadata.proto import metadata_store_pb2 as pb

    from pipeline.metadata.sources import Source

T = TypeVar("T")

_BACKUPS = "`pg_dump` copies it and `pg_restore` goes back to a copy"


class PostgresqlStore(RootStore):
    """The database. ML Metadata's client and libpq read passwords from PGPASSWORD, PGPASSFILE or ~/.pgpass."""

    largest_id = postgresql.LARGEST_ID
    restore_command = "`pg_restore`"

    def __init__(self, root: Root, url: str) -> None:
        super().__init__(root)
        self._url = url
        self._server = Server(url)
        if self._server.kind != POSTGRESQL:
            raise UsageError(
                f"paths.metadata cannot be {self._server.name}: runs are recorded in an SQLite file or in PostgreSQL"
            )
        if self._server.has_password:
            raise UsageError(
                f"paths.metadata contains the password of {self._server.name}, and others could read it: put it in "
                "PGPASSFILE, ~/.pgpass or PGPASSWORD"
            )
        self.name = self._server.name

    def exists(self) -> bool:
        return bool(self.root.metadata_url())

    def is_empty(self) -> bool:
        return not self.exists()

    def check(self) -> None:
        """Do nothing: the database was checked when it was locked."""

    def check_server(self) -> None:
        with postgresql.DatabaseSession(self._server) as session:
            self._check(session)

    def connect(self) -> mlmd.MetadataStore:
        from pipeline.metadata.client import PatientStore

        try:
            return PatientStore(self.connection_config())
        except UnavailableError:
            raise
        except Exception as error:
            with postgresql.DatabaseSession(self._server):
                pass  # raises the reason, if it is the server's
            raise UnavailableError(
                f"{self.name} cannot be opened as a store of ML Metadata ({error}): restore a copy of the database"
            ) from error

    def connect_read_only(self) -> mlmd.MetadataStore:
        return self._server.connect()

    def open_source(self) -> contextlib.AbstractContextManager[Source]:
        from pipeline.metadata import sources

        return sources.open_source(self._url)

    def connection_config(self) -> pb.ConnectionConfig:
        return self._server.postgresql_config()

    def query(self, function: Callable[[pathlib.Path], T]) -> T:
        from pipeline.metadata import sources

        with tempfile.TemporaryDirectory(prefix="sae-store-") as folder:
            copy = pathlib.Path(folder) / "copy.sqlite"
            if reason := self.copy_to(copy):
                raise UnavailableError(f"{self.name} cannot be copied to {folder}: {reason}")
            return sources.query(copy, function)

    def raise_last_ids(self, ids: Mapping[str, int]) -> str:
        try:
            postgresql.raise_last_ids(self._server, ids)
        except SaeError as error:
            return str(error)
        return ""

    def copy_to(self, target: pathlib.Path) -> str:
        from pipeline.metadata import isolation

        unfinished = target.with_name(f".{target.name}.unfinished")
        unfinished.unlink(missing_ok=True)
        try:
            isolation.processes().run(_create_sqlite, unfinished)
            postgresql.copy_to(self._server, unfinished)
            unfinished.replace(target)
        except (SaeError, RuntimeError, sqlite3.Error) as error:
            return str(error)
        except OSError as error:
            return cause_text(error)
        finally:
            unfinished.unlink(missing_ok=True)
        return ""

    def back_up(self, run_id: str, keep: int) -> None:
        """Do nothing: the server's administrator backs up its databases."""

    def backups(self) -> list[pathlib.Path]:
        return []

    def find_backup(self, wanted: str) -> pathlib.Path:
        raise UsageError(f"the store of {self.root.path} is {self.name}, of which no copies are made here: {_BACKUPS}")

    def set_aside_before_move(self) -> None:
        postgresql.record_move(self._server, str(self.root.path))

    @contextlib.contextmanager
    def lock(self) -> Iterator[Callable[[str], None]]:
        with postgresql.hold(self._server) as held:
            self._claim(held.session)
            yield held.record

    def _claim(self, session: postgresql.DatabaseSession) -> None:
        """Check that the database belongs to this root; give an empty one to it.

        Raises:
          UnavailableError: it belongs to another root, or lacks the tables of this one.
          UsageError: it is another program's.
        """
        found = self._check(session)
        if found is None:
            postgresql.take(session, str(self.root.path))
        if found is None or not found[1]:
            self.connect()  # creates ML Metadata's tables
            postgresql.prepare(session)
        if not self.exists():
            self.root.record_metadata_url(self._url)

    def _check(self, session: postgresql.DatabaseSession) -> tuple[str, bool] | None:
        """Return the owner of the database, if it has one. Raises like `_claim`."""
        found = postgresql.owner(session)
        if found is None:
            self._check_free(session)
        else:
            self._check_owner(found[0])
        return found

    def _check_free(self, session: postgresql.DatabaseSession) -> None:
        if self.exists():
            raise UnavailableError(
                f"{self.name} has no tables, though it is the store of {self.root.path}: `pg_restore` goes back to a "
                "copy of the database, or choose another root with --root"
            )
        if postgresql.has_tables(session):
            raise UsageError(
                f"{self.name} contains a store of ML Metadata that no root of `sae` created: give an empty database; "
                "`sae runs --metadata URL` reads this one"
            )
        if (found := postgresql.encoding(session)) != "UTF8":
            raise UsageError(f"{self.name} has the encoding {found}: create a database with ENCODING 'UTF8'")

    def _check_owner(self, owner: str) -> None:
        here = str(self.root.path)
        moved = self.root.moved()
        if owner not in (here, moved[0] if moved else here):
            raise UnavailableError(
                f"{self.name} is the store of the root {owner}, not of {here}: give each root a database of its own; "
                "choose another root with --root"
            )
        if moved and owner != here and self._is_used_at(pathlib.Path(owner)):
            raise UnavailableError(
                f"{here} is a copy of {owner}, which still uses {self.name}: remove one of them, or move the root "
                "instead of copying it"
            )

    def _is_used_at(self, place: pathlib.Path) -> bool:
        try:
            return Root(place).metadata_url() == self._url
        except (SaeError, OSError):
            return False


def _create_sqlite(path: pathlib.Path) -> None:
    from ml_metadata import MetadataStore
    from ml_metadata.proto.metadata_store_pb2 import SqliteMetadataSourceConfig

    from pipeline.metadata.client import sqlite_config

    MetadataStore(sqlite_config(path, SqliteMetadataSourceConfig.READWRITE_OPENCREATE))
