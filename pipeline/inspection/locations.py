"""Open the pipeline root, or the store of ML Metadata alone, that a reading command names."""

from __future__ import annotations

import contextlib
import pathlib
import threading
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

from pipeline.core.errors import SaeError
from pipeline.core.pipeline_root import Root
from pipeline.core.suggestions import Selection
from pipeline.definition.spec import Pipeline
from pipeline.inspection.file_places import FilePlaces, Map
from pipeline.inspection.reader import Reader
from pipeline.metadata import root_store
from pipeline.metadata.store import no_run

if TYPE_CHECKING:
    from pipeline.metadata.sources import Source


class Location:
    """A root or a store. The store is opened when it is first read, so it may be created later.

    Attributes:
      pipeline: declares how its runs are shown.
      root: None for a store outside a pipeline root.
      is_expected: whether the root was named, so that its absence is an error.
      name: the root's folder, or the store's file or URL without the password.
    """

    def __init__(
        self, pipeline: Pipeline, metadata: str, root: Root | None, opened: contextlib.ExitStack, maps: Sequence[Map]
    ) -> None:
        self.pipeline = pipeline
        self.root = root
        self.name = "" if root is None else str(root.path)
        self._metadata = metadata
        folder = None if root is not None or "://" in metadata else pathlib.Path(metadata).absolute().parent
        self._places = FilePlaces(folder, maps)
        self._opened = opened
        self._source: Source | None = None
        self._lock = threading.Lock()
        self._first: Reader | None = None  # opened already, for the first who asks for one
        self._reading: threading.Thread | None = None  # reads with it
        self.is_expected = False

    @property
    def selected(self) -> Selection:
        """Return what commands must select to read or write the same."""
        metadata = self.name if self.root is None else ""
        return Selection(self.pipeline.location, "" if self.root is None else str(self.root.path), metadata)

    def is_empty(self) -> bool:
        """Return whether it is a root without runs."""
        return self.root is not None and root_store.of(self.root).is_empty()

    def is_gone(self) -> bool:
        """Return whether the root that was asked for does not exist, or its store is gone after one was read."""
        if self.root is None:
            return False
        return (self.is_expected and not self.root.path.is_dir()) or (self._source is not None and self.is_empty())

    def reader(self) -> Reader:
        """Return a reader for the calling thread.

        Raises:
          NotFoundError: the root has no store yet.
          UnavailableError: the store cannot be read.
        """
        from pipeline.metadata.sources import open_source

        with self._lock:
            first, reading, self._first, self._reading = self._first, self._reading, None, None
        if reading is not None:
            reading.join()
        with self._lock:
            if first is not None and self._source is not None and first.store_state == self._source.state():
                return first
            if self._source is None:
                if self.root is not None and self.is_empty():
                    raise no_run(self.root)
                found = open_source(self._metadata) if self.root is None else root_store.of(self.root).open_source()
                self._source = self._opened.enter_context(found)
                self.name = self.name or self._source.name
        return Reader(self.pipeline, self._source, self.root, self._places)

    def open(self) -> None:
        """Open the store for the first reader. Raises like `reader`."""
        self._first = self.reader()

    def read_ahead(self) -> None:
        """Start to read the list of runs for the first reader, if the store can be read: a process of its own reads it.

        A reader of a database server is not handed out after it has read, because its server does not say whether the
        database has changed since.
        """
        with contextlib.suppress(SaeError):  # the first page reports it
            if self._first is None and not self.is_empty():
                self.open()
        first = self._first
        if first is not None and first.store_state is not None:
            self._reading = threading.Thread(target=_read_runs, args=(first,), daemon=True)
            self._reading.start()


def _read_runs(reader: Reader) -> None:
    with contextlib.suppress(SaeError):  # reading it again reports it
        reader.run_ids()


@contextlib.contextmanager
def open_location(pipeline: Pipeline, metadata: str | None, root: Root, maps: Sequence[Map] = ()) -> Iterator[Location]:
    """Yield what a reading command names.

    Args:
      pipeline: declares how its runs are shown.
      metadata: an SQLite file or the URL of a server; None for the store of `root`.
      root: the pipeline root. It is ignored if `metadata` is given; a store inside a root is read with that root.
      maps: where files of artifacts are on this machine: beginnings of URIs, and what to replace them by.

    Raises:
      SaeError: `metadata` cannot be read.
    """
    with contextlib.ExitStack() as opened:
        if metadata is None:
            yield Location(pipeline, "", root, opened, maps)
            return
        location = Location(pipeline, metadata, _root_of(metadata), opened, maps)
        location.open()  # report a wrong name now, not at the first page
        yield location


@contextlib.contextmanager
def open_reader(pipeline: Pipeline, metadata: str | None, root: Root, maps: Sequence[Map] = ()) -> Iterator[Reader]:
    """Yield a reader of what `open_location` opens, for the calling thread."""
    with open_location(pipeline, metadata, root, maps) as location:
        yield location.reader()


def _root_of(metadata: str) -> Root | None:
    """Return the root that an SQLite file is the store of; None for any other store."""
    path = pathlib.Path(metadata).absolute()
    root = Root(path.parent)
    is_root = "://" not in metadata and root.metadata == path and root.about.is_file()
    return Root.at(path.parent) if is_root else None
