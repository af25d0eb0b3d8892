"""What all pages share: the request, the page, and how runs and artifacts are found."""

from __future__ import annotations

import dataclasses
import pathlib
from collections.abc import Callable, Collection, Mapping, Sequence
from typing import Any

from components import int64
from pipeline.core.errors import NotFoundError, UsageError
from pipeline.core.pipeline_root import Root
from pipeline.core.suggestions import Selection
from pipeline.definition.spec import Pipeline
from pipeline.inspection.reader import Reader
from pipeline.inspection.views import ArtifactRow, Run
from pipeline.web import urls
from pipeline.web.formatting import DeclaredMetrics, cut
from pipeline.web.urls import Links

DELETED = "deleted"  # state of an artifact whose bytes `sae gc` deleted
_LARGEST = 10**9  # allowed number in a query; more rows than any store has
_LONGEST_VALUE = 40  # characters of a value in an error

Drawings = Mapping[str, Any]  # charts by name, some in lists or mappings of their own


class Query:
    """The query parameters of an address; a page ignores those that it does not use."""

    def __init__(self, pairs: Sequence[tuple[str, str]] = ()) -> None:
        self._pairs = tuple(pairs)

    def one(self, name: str, allowed: Collection[str] = (), default: str = "") -> str:
        """Return the last value of a parameter that is not empty. Raises `UsageError` if it is not allowed."""
        value = next((value for key, value in reversed(self._pairs) if key == name and value), default)
        if allowed and value != default and value not in allowed:
            raise UsageError(f"unknown {name}={cut(value, _LONGEST_VALUE)}: use one of {', '.join(allowed)}")
        return value

    def many(self, name: str) -> list[str]:
        """Return the distinct values of a parameter, in order."""
        return list(dict.fromkeys(value for key, value in self._pairs if key == name and value))

    def number(self, name: str) -> int:
        """Return a number of at least 0, which is the default. Raises `UsageError` for anything else."""
        value = self.one(name, default="0")
        number = int64.parsed(value)
        if number is None or number > _LARGEST:
            raise UsageError(f"{name}={cut(value, _LONGEST_VALUE)} is not a number from 0 to {_LARGEST:,}")
        return number


@dataclasses.dataclass(frozen=True)
class PageRequest:
    """A request for a page.

    Attributes:
      reader: of the store; None if the root has no store yet.
      root: None for a store without a root.
      store: the root's folder, or the store's file or URL, as text.
      pipeline: declares how runs are shown.
      query: the query parameters.
      metrics: that the pipeline declares.
      selected: what commands on the page must select.
      rows: rows of a list on one page; None: the page's default.
    """

    reader: Reader | None
    root: Root | None
    store: str
    pipeline: Pipeline
    query: Query
    metrics: DeclaredMetrics
    selected: Selection
    rows: int | None = None

    @property
    def open_reader(self) -> Reader:
        """Return the reader. Raises `NotFoundError` if there is no store yet."""
        if self.reader is None:
            raise NotFoundError(f"no runs in {self.store}: start the first one with `sae run`")
        return self.reader


class MovedError(Exception):
    """The page has another address, such as the run that `latest` refers to.

    Attributes:
      path: encoded.
    """

    def __init__(self, path: str) -> None:
        super().__init__(path)
        self.path = path


@dataclasses.dataclass(frozen=True)
class Page:
    """A page with its JSON endpoint.

    Attributes:
      name: of its module and its template, and in its JSON.
      build: makes the view, a frozen dataclass, from the request and the parts of the path.
      draw: makes the charts from the view.
    """

    name: str
    build: Callable[..., Any]
    draw: Callable[[Any, Links, DeclaredMetrics], Drawings]


def previous_start(start: int, limit: int) -> str | None:
    """Return the start of the list's page before this one; None on the first."""
    return str(max(0, start - limit)) if start else None


def run_named(reader: Reader, wanted: str) -> Run:
    """Return the run with this id, digest or reference (`latest`). Raises `NotFoundError`."""
    return reader.run(urls.name_of(wanted, reader.run_ids))


def find_run(reader: Reader, wanted: str, *rest: str) -> Run:
    """Return the run of a path.

    Args:
      reader: of the store.
      wanted: the part of the path that identifies the run, decoded.
      rest: the parts after it.

    Raises:
      NotFoundError: there is none.
      MovedError: the part is not the run's id, but `latest` or the beginning of the id.
    """
    found = run_named(reader, wanted)
    if wanted not in (found.row.id, urls.segment(found.row.id)):
        raise MovedError(urls.path_of("runs", found.row.id, *rest))
    return found


def find_artifact(reader: Reader, wanted: str, *rest: str) -> int:
    """Return the id of the artifact of a path; raises as `find_run` does."""
    found = reader.find_artifact(wanted)
    if str(found) != wanted:
        raise MovedError(urls.path_of("artifacts", str(found), *rest))
    return found


def served_version(request: PageRequest, *rows: ArtifactRow, content: str = "") -> int:
    """Return the served version, if it is one of these artifacts; else 0.

    Args:
      request: that is answered.
      rows: a model, a pushed model, or any other artifact.
      content: digest of the model that a pushed model was made from.
    """
    if request.reader is None or request.root is None or not rows:
        return 0
    from pipeline.registry import versions  # not for lists of runs

    push = versions.find_served_push(request.reader.store, request.root)
    known = push is not None and any(push.is_of(row.id, one) for row in rows for one in (row.content, content))
    return push.version if push is not None and known else 0


def run_file_path(root: Root | None, folder: str, name: str) -> pathlib.Path | None:
    """Return the path of a run's file in a folder of the root, or None. The id of a run may be any text."""
    if root is None or "/" in name or "\0" in name:
        return None
    path = root.path / folder / name
    try:
        return path if path.is_file() and not path.is_symlink() else None
    except OSError:  # a name that is too long for a file
        return None
