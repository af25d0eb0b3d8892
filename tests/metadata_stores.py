"""The stores of roots that tests make: SQLite files, or databases with `--metadata-store postgresql`."""

from __future__ import annotations

import contextlib
import itertools
import os
import pathlib
import tempfile
from collections.abc import Iterator

import pytest

from pipeline.core.pipeline_root import Root
from pipeline.metadata import postgresql, root_store
from pipeline.metadata.database_stores import Server
from tests.pipeline.metadata import database_servers

_PREPARED = "prepared"
_PLACE = "SAE_TEST_POSTGRESQL"  # port and folder of the server that the processes of pytest share
_server: Databases | None = None


class Databases:
    """A PostgreSQL, whose databases are copies of one that has the tables of a root.

    Attributes:
      port, folder: of the server; its socket is in the folder.
    """

    def __init__(self, port: int, folder: pathlib.Path) -> None:
        self.port, self.folder = port, folder
        user = os.environ.get("PYTEST_XDIST_WORKER", "main")
        self._names = (f"{user}_{number}" for number in itertools.count(1))
        self._admin = postgresql.DatabaseSession(Server(self.url("postgres")))

    def close(self) -> None:
        self._admin.__exit__()

    def prepare(self) -> None:
        """Create the database that the others are copies of."""
        self._admin.run(f"CREATE DATABASE {_PREPARED}")
        with tempfile.TemporaryDirectory() as folder:
            root = Root(pathlib.Path(folder))
            root.create()
            with root_store.lock(root, self.url(_PREPARED)):
                pass

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
        made.prepare()
        yield made
        made.close()


@contextlib.contextmanager
def shared() -> Iterator[None]:
    """A PostgreSQL for this process and those that it starts."""
    with started() as made:
        os.environ[_PLACE] = f"{made.port}:{made.folder}"
        yield
        del os.environ[_PLACE]


@contextlib.contextmanager
def used() -> Iterator[None]:
    """Give the roots that tests make databases of the shared server."""
    global _server
    port, _, folder = os.environ[_PLACE].partition(":")
    _server = Databases(int(port), pathlib.Path(folder))
    yield
    _server.close()
    _server = None


def need_databases() -> None:
    """Skip a test that is about databases where roots have files."""
    if _server is None:
        pytest.skip("it needs --metadata-store postgresql")


def give_first_run(place: str | pathlib.Path) -> None:
    """Give a root that the next run would create its store, if it is a database."""
    root = Root(pathlib.Path(place))
    if _server is not None and not root.about.exists():
        root.create()
        give(root)


def give(root: Root, databases: Databases | None = None) -> None:
    """Give a root that was created its store; one of `databases`, or as the option says."""
    server = databases or _server
    if server is not None:
        url = server.url(server.new())
        postgresql.record_move(Server(url), str(root.path))
        root.record_metadata_url(url)


def kept(root: Root) -> str:
    """A copy of the store of a root, for `reset` and `separate`; empty if it is a file of the root."""
    return "" if _server is None else _server.new(Server(root.metadata_url()).database)


def reset(root: Root, copy: str) -> None:
    """Make the store of a root what it was when it was kept."""
    if _server is not None:
        _server.replace(Server(root.metadata_url()).database, copy)


def separate(root: Root, copy: str) -> None:
    """Give a copy of a root a store of its own, with what was kept."""
    if _server is not None:
        root.record_metadata_url(_server.url(_server.new(copy)))


def as_file(root: Root, copy: str) -> None:
    """Make the store of a copy of a root a file with what was kept, as `sae verify` does."""
    if _server is not None:
        root.record_metadata_url(_server.url(copy))
        assert root_store.of(root).copy_to(root.metadata) == ""
        root.copy_record_to(root)
