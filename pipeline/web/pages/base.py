"""What every page is: a view made from the reader, and drawings made from the view."""

from __future__ import annotations

import dataclasses
import pathlib
from collections.abc import Callable, Mapping
from typing import Any

from pipeline.core.errors import NotFoundError
from pipeline.core.pipeline_root import Root
from pipeline.inspection.reader import Reader
from pipeline.inspection.views import ArtifactRow, Run
from pipeline.registry import listing
from pipeline.web import urls
from pipeline.web.query import Query
from pipeline.web.urls import Links

DELETED = "deleted"  # state of an artifact whose bytes `sae gc` deleted
_MODELS = ("Model", "PushedModel")  # types of artifact that may be served
Drawings = Mapping[str, Any]  # drawings by name, some in lists or mappings of their own


@dataclasses.dataclass(frozen=True)
class Asked:
    """A request, as pages see it.

    Attributes:
      reader: of the store; None where a root has no store yet.
      root: None for a store without a root.
      store: the root's folder, or the store's file or URL, for people.
      query: what follows the `?`.
      rows: how many rows of a list go on one page; None: as many as the page sees fit.
    """

    reader: Reader | None
    root: Root | None
    store: str
    query: Query
    rows: int | None = None

    @property
    def open_reader(self) -> Reader:
        """The reader. Raises `NotFoundError` where there is no store yet."""
        if self.reader is None:
            raise NotFoundError(f"no run in {self.store}: `sae run` makes the first one")
        return self.reader


class MovedError(Exception):
    """The page is at another address: `latest` is a name for what changes.

    Attributes:
      path: encoded.
    """

    def __init__(self, path: str) -> None:
        super().__init__(path)
        self.path = path


def no_drawings(view: Any, to: Links) -> Drawings:
    """Of a page without drawings."""
    del view, to
    return {}


@dataclasses.dataclass(frozen=True)
class Page:
    """A page and its twin.

    Attributes:
      name: of its template, and in its JSON.
      path: its route, such as `/runs/{run:name}`.
      build: makes the view, a frozen dataclass, from what is asked and the parts of the path.
      draw: makes the drawings from the view.
    """

    name: str
    path: str
    build: Callable[..., Any]
    draw: Callable[[Any, Links], Drawings] = no_drawings


def run_named(reader: Reader, wanted: str) -> Run:
    """The run that a reference names. Raises `NotFoundError`."""
    if urls.is_digest(wanted):
        for run_id in reader.run_ids():
            if urls.segment(run_id) == wanted:
                return reader.run(run_id)
    return reader.run(wanted)


def find_run(reader: Reader, wanted: str, *rest: str) -> Run:
    """The run that a part of a path names.

    Args:
      reader: of the store.
      wanted: the part, decoded.
      rest: the parts after it.

    Raises:
      NotFoundError: there is none.
      MovedError: it is named otherwise: by `latest`, or by the beginning of its id.
    """
    found = run_named(reader, wanted)
    if wanted not in (found.row.id, urls.segment(found.row.id)):
        raise MovedError(urls.path_of("runs", found.row.id, *rest))
    return found


def find_artifact(reader: Reader, wanted: str, *rest: str) -> int:
    """The id of the artifact that a part of a path names; raises as `find_run` does."""
    found = reader.find_artifact(wanted)
    if str(found) != wanted:
        raise MovedError(urls.path_of("artifacts", str(found), *rest))
    return found


def served_version(asked: Asked, *rows: ArtifactRow, content: str = "") -> int:
    """The version that a server takes, if it is of one of these artifacts; 0 where it is not.

    Args:
      asked: the request.
      rows: a model, a pushed model, or what else.
      content: digest of the model that a pushed model was made from.
    """
    if asked.reader is None or asked.root is None or not any(row.type in _MODELS for row in rows):
        return 0
    push = listing.serving(asked.reader.store, asked.root)
    known = push is not None and any(push.is_of(row.id, one) for row in rows for one in (row.content, content))
    return push.version if push is not None and known else 0


def stored(root: Root | None, folder: str, name: str) -> pathlib.Path | None:
    """A file of a run in a folder of the root; None where there is none. The id of a run may be any text."""
    if root is None or "/" in name or "\0" in name:
        return None
    path = root.path / folder / name
    try:
        return path if path.is_file() and not path.is_symlink() else None
    except OSError:  # a name that is too long for a file
        return None
