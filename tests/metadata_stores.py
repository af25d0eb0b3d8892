"""The stores of roots that tests make: SQLite files, or databases with `--metadata-store postgresql`."""

from __future__ import annotations

import contextlib
import itertools
import os
import pathlib
import tempfile
from collections.abc import Iterator
from typing import Any

from pipeline.core.pipeline_root import Root
from pipeline.metadata import postgresql, root_store
from pipeline.metadata.database_stores import Server
from tests.pipeline.metadata import database_servers

_PREPARED = "prepared"
_server: Databases | None = None


class Databases:
    """A PostgreSQL, whose databases are copies of one that has the tables of a root.

    Attributes:
      port, folder: of the server; its socket is in the folder.
    """

    def __init__(self, port: int, folder: pathlib.Path) -> None:
        self.port, self.folder = port, folder
        self._names = (f"root_{number}" for number in itertools.count(1))
        self._admin = postgresql.DatabaseSession(Server(self.url("postgres")))
        self._admin.run(f"CREATE DATABASE {_PREPARED}")
        with tempfile.TemporaryDirectory() as folder:
            root = Root(pathlib.Path(folder))
            root.create()
            with root_store.lock(root, self.url(_PREPARED)):
                pass

    def close(self) -> None:
        self._admin.__exit__()

    def url(self, database: str) -> str:
        return f"postgresql://{database_servers.OWNER}@127.0.0.1:{self.port}/{database}"

    def new(self, template: str = _PREPARED) -> str:
        """The name of a copy of a database; clients of it lose their connection."""
        name = next(self._names)
        self._admin.run("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = :name", name=template)
        self._admin.run(f"CREATE DATABASE {name} TEMPLATE {template}")
        return name

    def replace(self, name: str, template: str) -> None:
        """Make a database a copy of another one."""
        self._admin.run(f"DROP DATABASE {name} WITH (FORCE)")
        self._admin.run(f"CREATE DATABASE {name} TEMPLATE {template}")


@contextlib.contextmanager
def started() -> Iterator[Databases]:
    """A PostgreSQL of the tests' own, whose password is in the environment."""
    with database_servers.postgresql() as running:
        os.environ["PGPASSWORD"] = database_servers.OWNERS_PASSWORD
        made = Databases(running.port, running.folder)
        yield made
        made.close()


@contextlib.contextmanager
def used() -> Iterator[None]:
    """Give the roots that tests make databases."""
    global _server
    with started() as _server:
        yield
    _server = None


def give(root: Root, databases: Databases | None = None) -> None:
    """Give a root that was created its store; one of `databases`, or as the option says."""
    server = databases or _server
    if server is not None:
        url = server.url(server.new())
        postgresql.record_move(Server(url), str(root.path))
        root.record_metadata_url(url)


def kept(root: Root) -> Any:
    """A copy of the store of a root, for `reset`; None if it is a file of the root."""
    return None if _server is None else _server.new(Server(root.metadata_url()).database)


def reset(root: Root, copy: Any) -> None:
    """Make the store of a root what it was when it was kept."""
    if _server is not None:
        _server.replace(Server(root.metadata_url()).database, copy)
