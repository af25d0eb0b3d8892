"""What a reading command was pointed at: a pipeline root, or a store of ML Metadata alone."""

from __future__ import annotations

import contextlib
import pathlib
import threading
from collections.abc import Iterator

from pipeline.core.errors import NotFoundError
from pipeline.core.pipeline_root import Root
from pipeline.definition.spec import Pipeline
from pipeline.inspection.reader import Reader
from pipeline.metadata.sources import Source, open_source


class Location:
    """A root or a store. The store is opened when it is first read, so it may come into being later.

    Attributes:
      pipeline: whose runs are shown with what it declares.
      root: None for a store without a pipeline root beside it.
      name: the root's folder, or the store's file or URL, for people.
    """

    def __init__(self, pipeline: Pipeline, metadata: str, root: Root | None, opened: contextlib.ExitStack) -> None:
        self.pipeline = pipeline
        self.root = root
        self.name = "" if root is None else str(root.path)
        self._metadata = metadata
        self._opened = opened
        self._source: Source | None = None
        self._lock = threading.Lock()

    def is_empty(self) -> bool:
        """Whether it is a root in which nothing ran yet."""
        return self.root is not None and not _holds_something(pathlib.Path(self._metadata))

    def reader(self) -> Reader:
        """A reader for the calling thread.

        Raises:
          NotFoundError: the root has no store yet.
          UnavailableError: it cannot be read.
        """
        with self._lock:
            if self._source is None:
                if self.root is not None and self.is_empty():
                    raise NotFoundError(
                        f"no run in {self.root.path}: `sae run` makes the first one, --root names another folder"
                    )
                self._source = self._opened.enter_context(open_source(self._metadata))
                self.name = self.name or self._source.name  # a URL may hold a password, this name does not
        return Reader(self.pipeline, self._source, self.root)


@contextlib.contextmanager
def open_location(pipeline: Pipeline, metadata: str | None, root: Root) -> Iterator[Location]:
    """What to read, as long as the context lasts.

    Args:
      pipeline: whose runs are shown with what it declares.
      metadata: an SQLite file or the URL of a server; None: the store of `root`.
      root: the pipeline root; with `metadata` given it is not looked at, but a store that is in a root of its own
        brings that with it.

    Raises:
      SaeError: what is given with `metadata` cannot be read.
    """
    with contextlib.ExitStack() as opened:
        if metadata is None:
            yield Location(pipeline, str(root.metadata), root, opened)
            return
        place = Location(pipeline, metadata, _root_of(metadata), opened)
        place.reader()  # a name that was typed is wrong now, not at the first page
        yield place


@contextlib.contextmanager
def open_reader(pipeline: Pipeline, metadata: str | None, root: Root) -> Iterator[Reader]:
    """A reader of what `open_location` opens, for the calling thread."""
    with open_location(pipeline, metadata, root) as place:
        yield place.reader()


def _holds_something(path: pathlib.Path) -> bool:
    """Whether a file is there, and not empty: for a moment the first run's is."""
    try:
        return path.stat().st_size > 0
    except OSError:
        return False


def _root_of(metadata: str) -> Root | None:
    root = Root(pathlib.Path(metadata).absolute().parent) if "://" not in metadata else None
    return root if root and root.metadata == pathlib.Path(metadata).absolute() and root.about.is_file() else None
