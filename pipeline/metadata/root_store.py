"""The store of ML Metadata of a root: where it is, whether it exists, how to read, write, check and copy it."""

from __future__ import annotations

import abc
import contextlib
import pathlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, TypeVar

from pipeline.core.errors import UsageError
from pipeline.core.pipeline_root import Root

if TYPE_CHECKING:
    import ml_metadata as mlmd
    from ml_metadata.proto import metadata_store_pb2 as pb

    from pipeline.metadata.sources import Source

T = TypeVar("T")


class RootStore(abc.ABC):
    """The store of a root. What it does is said here once, for all kinds of stores.

    Attributes:
      root: the root.
      name: of the store in messages.
      largest_id: the largest id that it can assign.
      restore_command: goes back to an earlier copy of it.
    """

    name: str
    largest_id: int
    restore_command: str

    def __init__(self, root: Root) -> None:
        self.root = root

    @abc.abstractmethod
    def exists(self) -> bool:
        """Return whether it was created."""

    @abc.abstractmethod
    def is_empty(self) -> bool:
        """Return whether it does not exist, or nothing was written to it yet."""

    @abc.abstractmethod
    def check(self) -> None:
        """Check that it can be written, before ML Metadata opens it.

        Raises:
          UnavailableError: it is damaged; or it is missing or empty although it had contents: ML Metadata would create
            an empty one.
        """

    @abc.abstractmethod
    def check_server(self) -> None:
        """Check that its server answers, if it has one, and that the database can be that of the root.

        Raises:
          UnavailableError: the server does not answer, or the database is that of another root.
          UsageError: the database is another program's.
        """

    @abc.abstractmethod
    def connect(self) -> mlmd.MetadataStore:
        """Return a client that writes, not thread-safe; the store is created if it does not exist.

        Raises:
          UnavailableError: the store cannot be opened, or has another schema; it is left unchanged.
        """

    @abc.abstractmethod
    def connect_read_only(self) -> mlmd.MetadataStore:
        """Return a client that only reads, not thread-safe. Raises like `open_source`."""

    @abc.abstractmethod
    def open_source(self) -> contextlib.AbstractContextManager[Source]:
        """Yield the store to read. Raises like `sources.open_source`."""

    @abc.abstractmethod
    def connection_config(self) -> pb.ConnectionConfig:
        """Return what TFX connects with; it contains no password."""

    @abc.abstractmethod
    def query(self, function: Callable[[pathlib.Path], T]) -> T:
        """Return the result of a function that reads an SQLite file with the store's rows, damaged ones included.

        Raises:
          NotFoundError, UnavailableError: like `sources.open_source`.
        """

    @abc.abstractmethod
    def raise_last_ids(self, ids: Mapping[str, int]) -> str:
        """Let tables of ML Metadata assign only ids above these. Return why that failed; empty if it did not."""

    @abc.abstractmethod
    def copy_to(self, target: pathlib.Path) -> str:
        """Copy what is committed to an SQLite file. Return why that failed; empty if it did not."""

    @abc.abstractmethod
    def back_up(self, run_id: str, keep: int) -> None:
        """Back it up after a run that succeeded, if it is backed up here, and keep so many backups.

        Raises:
          UnavailableError: there is no complete backup; earlier ones are left.
        """

    @abc.abstractmethod
    def backups(self) -> Sequence[pathlib.Path]:
        """Return the backups, newest first."""

    @abc.abstractmethod
    def find_backup(self, wanted: str) -> pathlib.Path:
        """Return the backup of a run, or the start of its id; of the newest if it is empty.

        Raises:
          NotFoundError: there is no such backup.
          UsageError: such stores are not backed up here.
        """

    @abc.abstractmethod
    def lock(self) -> contextlib.AbstractContextManager[Callable[[str], None]]:
        """Lock the store, beside the lock of the root. Yield a function that records the run's id in the lock."""

    @abc.abstractmethod
    def set_aside_before_move(self) -> pathlib.Path | None:
        """Keep a copy of the store of a root that was moved, before its URIs are rewritten. Return None if it has none.

        Raises:
          UnavailableError: the copy cannot be made, or the store must not be rewritten.
        """


def of(root: Root) -> RootStore:
    """Return the store of a root: the database that `root.json` names, or else the SQLite file."""
    if url := root.metadata_url():
        from pipeline.metadata.postgresql_store import PostgresqlStore

        return PostgresqlStore(root, url)
    from pipeline.metadata.sqlite_store import SqliteStore

    return SqliteStore(root)


def given(root: Root, url: str) -> RootStore:
    """Return the store of a root, or that of its first run.

    Args:
      root: the root.
      url: of the setting `paths.metadata`; empty if it is not given.

    Raises:
      UsageError: the URL is invalid or has a password, or the runs of the root are elsewhere.
    """
    found = of(root)
    if not url:
        return found
    from pipeline.metadata.postgresql_store import PostgresqlStore

    wanted = PostgresqlStore(root, url)
    if wanted.name != found.name and (found.exists() or found.backups()):
        raise UsageError(
            f"the runs of {root.path} are recorded in {found.name}, not in {wanted.name}: leave out paths.metadata, or "
            "choose another root with --root"
        )
    return found if found.exists() else wanted


@contextlib.contextmanager
def lock(root: Root, url: str = "") -> Iterator[Callable[[str], None]]:
    """Lock a root and its store, as a run does. Yield a function that records the run's id in the lock.

    Args:
      root: the root.
      url: as of `given`; the first run creates the store there.

    Raises:
      LockedError: another process holds one of the locks, on this host or another.
      UnavailableError: as `Root.lock`; or the store does not answer, or belongs to another root.
      UsageError: as `given`.
    """
    with root.lock() as record_in_root, given(root, url).lock() as record_in_store:

        def record(run: str) -> None:
            record_in_root(run)
            record_in_store(run)

        yield record
