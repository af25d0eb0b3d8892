"""Static export: the pages as files, in a folder that opens from disk without a server."""

from __future__ import annotations

import contextlib
import dataclasses
import glob
import os
import pathlib
import posixpath
import re
import shutil
import urllib.parse
from collections.abc import Callable, Iterator
from typing import NamedTuple

from components.errors import cause_text
from pipeline.core import unfinished_folder
from pipeline.core.errors import NotFoundError, UnavailableError, UsageError
from pipeline.inspection.locations import Location
from pipeline.inspection.reader import Reader
from pipeline.sweeps import files as sweep_files
from pipeline.web import app, file_responses, pages, rendering, urls
from pipeline.web.file_responses import Content
from pipeline.web.formatting import DeclaredMetrics
from pipeline.web.pages import PageRequest, Query, compare
from pipeline.web.urls import Links, json_path, path_of

MARK = ".sae-export"  # in every exported folder: only those are replaced
_OLD = ".old"  # suffix of an earlier export while it is replaced
_MOST_ROWS = 5_000  # artifacts or versions on a page; more open slowly
_SAFE = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,79}")
_REPORT = re.escape(file_responses.REPORT)
# Files that are copied: the pattern of their address, the function that reads them, and the name of the copy.
_COPIED: tuple[tuple[str, Callable[..., Content], str], ...] = (
    (r"/artifacts/([^/]+)/pictures/([^/]+)", file_responses.picture, "pictures/{}/{}"),
    (rf"/artifacts/([^/]+)/files/({_REPORT})", file_responses.artifact_file, "reports/{}.html"),
    (r"/runs/([^/]+)/(log)", file_responses.run_file, "logs/{}.txt"),
    (r"/runs/([^/]+)/(manifest)", file_responses.run_file, "manifests/{}.json"),
    (r"/sweeps/([^/]+)/(sweep\.[a-z]+)", file_responses.sweep_file, "sweeps/{}/{}"),
)


@dataclasses.dataclass(frozen=True)
class Exported:
    """An exported site: its folder, and the numbers of pages, runs and artifacts."""

    folder: pathlib.Path
    pages: int
    runs: int
    artifacts: int


Pairs = tuple[tuple[str, str], ...]


class _PageFile(NamedTuple):
    """A page to write: its name, its address on a server, its file without suffix, and the arguments of its `build`."""

    page: str
    path: str
    file: str
    parts: Pairs
    query: Pairs


def export(place: Location, folder: pathlib.Path, limit: int | None = None) -> Exported:
    """Write the whole site or nothing.

    Args:
      place: the root or store to read.
      folder: a new or empty one, or an earlier export, which is replaced.
      limit: maximum number of runs, the newest; None: all.

    Raises:
      UsageError: the folder contains something else, or the limit is below 1.
      NotFoundError: there is no run to export.
      UnavailableError: the store cannot be read, or the folder cannot be written.
    """
    if limit is not None and limit < 1:
        raise UsageError(f"--limit {limit}: use 1 or more")
    folder = folder.absolute()
    _check(folder)
    reader = place.reader()
    try:
        with unfinished_folder.create(folder) as unfinished:
            exported = _Export(place, reader, unfinished, limit).write()
            (unfinished / MARK).write_text("Written by `sae export`, which may replace this folder.\n")
            _replace(folder, unfinished)
        for left in folder.parent.glob(f".{glob.escape(folder.name)}.*{_OLD}"):  # of killed exports
            shutil.rmtree(left, ignore_errors=True)
    except OSError as error:
        raise UnavailableError(
            f"cannot write {folder}: {cause_text(error)}; free space or choose another folder"
        ) from error
    return dataclasses.replace(exported, folder=folder)


def _check(folder: pathlib.Path) -> None:
    if folder.is_symlink() or (folder.exists() and not folder.is_dir()):
        raise UsageError(f"{folder} is not a folder: choose a new one")
    if folder.is_dir() and any(folder.iterdir()) and not (folder / MARK).is_file():
        raise UsageError(f"{folder} is not empty and is not an earlier export: choose a new folder")


def _replace(folder: pathlib.Path, unfinished: pathlib.Path) -> None:
    """Replace a folder by the finished one; an old one stays if that fails."""
    if not folder.exists():
        os.replace(unfinished, folder)
        return
    old = unfinished.with_suffix(_OLD)
    os.replace(folder, old)
    try:
        os.replace(unfinished, folder)
    except OSError:
        os.replace(old, folder)
        raise
    shutil.rmtree(old, ignore_errors=True)


class _Export:
    """Writes one site into a folder."""

    def __init__(self, place: Location, reader: Reader, folder: pathlib.Path, limit: int | None) -> None:
        self._place = place
        self._reader = reader
        self._folder = folder
        self._metrics = DeclaredMetrics(place.pipeline.declared_metrics)
        self._names = _Names()
        self._run_ids = reader.run_ids()[:limit]
        if not self._run_ids:
            raise NotFoundError(f"no runs in {place.name}: nothing to export")
        self._page_files: list[_PageFile] = []
        self._artifacts: dict[int, None] = {}
        self._files: dict[str, str] = {}  # by address, the file of a page or of a copied file

    def write(self) -> Exported:
        """Write everything."""
        self._plan()  # all files are known before the first link is written
        shutil.copytree(app.STATIC, self._folder / "static", ignore=shutil.ignore_patterns("__pycache__"))
        for page_file in self._page_files:
            self._files[page_file.path] = f"{page_file.file}.html"
            self._files[json_path(page_file.path)] = f"{page_file.file}.json"
        for page_file in self._page_files:
            self._write(*page_file)
        return Exported(self._folder, len(self._page_files), len(self._run_ids), len(self._artifacts))

    def _add(self, page: str, path: str, file: str, parts: Pairs = (), query: Pairs = ()) -> None:
        self._page_files.append(_PageFile(page, path, file, parts, query))

    def _plan(self) -> None:
        self._add("runs", "/", "index")
        for page in ("artifacts", "models", "schedules"):
            self._add(page, pages.PATHS[page], page)
        for run_id in self._run_ids:
            self._plan_run(run_id)
        for number in self._artifacts:
            given, path = (("artifact", str(number)),), path_of("artifacts", str(number))
            self._add("artifact", path, f"artifacts/{number}", given)
            self._add("lineage", f"{path}/lineage", f"lineage/{number}", given)
        self._plan_sweeps()
        newest = self._run_ids[: compare.MOST]
        if len(newest) >= compare.FEWEST:
            self._plan_compare(newest, "compare")

    def _plan_sweeps(self) -> None:
        root = self._place.root
        if root is None or not sweep_files.names(root):
            return
        self._add("sweeps", "/sweeps", "sweeps")
        for name in sweep_files.names(root):
            with contextlib.suppress(UnavailableError):  # a damaged one: the list names it
                sweep_files.read(root, name)
                path, file = path_of("sweeps", name), f"sweeps/{self._names.unique(name)}"
                self._add("sweep", path, file, (("sweep", urls.segment(name)),))

    def _plan_run(self, run_id: str) -> None:
        name = self._names.unique(run_id)
        self._add("run", path_of("runs", run_id), f"runs/{name}", (("run", run_id),))
        for one in self._reader.run(run_id).nodes:
            if one.execution:
                path, file = path_of("runs", run_id, "nodes", one.node), f"nodes/{name}/{self._names.unique(one.node)}"
                self._add("node", path, file, (("run", run_id), ("node", one.node)))
            used = (use.artifact for use in (*one.inputs, *one.outputs))
            self._artifacts |= dict.fromkeys(artifact.id for artifact in used if not artifact.removed)
        previous = self._reader.previous(run_id)
        if previous in self._run_ids:
            self._plan_compare([previous, run_id], f"compare/{name}")

    def _plan_compare(self, run_ids: list[str], file: str) -> None:
        query = tuple(("run", urls.reference(one)) for one in run_ids)
        self._add("compare", path_of("compare", query=query), file, query=query)

    def _write(self, name: str, path: str, file: str, parts: Pairs, query: Pairs) -> None:
        page = pages.named(name)
        rows = len(self._run_ids) if name == "runs" else _MOST_ROWS
        place = self._place
        request = PageRequest(
            self._reader, place.root, place.name, place.pipeline, Query(query), self._metrics, place.selected, rows
        )
        view = page.build(request, **dict(parts))
        to = Links(lambda target: self._link(target, file, request), live=False)
        self._put(f"{file}.html", rendering.page_html(page, view, request, to, path).encode())
        self._put(f"{file}.json", rendering.page_json(name, view).encode())

    def _link(self, path: str, file: str, request: PageRequest) -> str:
        """Return the link from a file to an address; empty if that is not exported."""
        if path not in self._files:
            self._files[path] = path.lstrip("/") if path.startswith("/static/") else self._copy(path, request)
        target = self._files[path]
        return urllib.parse.quote(posixpath.relpath(target, posixpath.dirname(file))) if target else ""

    def _copy(self, path: str, request: PageRequest) -> str:
        """Copy the file of the root that has this address; return the copy's name, empty if there is none."""
        for pattern, find, copy in _COPIED:
            if match := re.fullmatch(pattern, path):
                parts = [urllib.parse.unquote(part) for part in match.groups()]
                with contextlib.suppress(NotFoundError, UnavailableError), find(request, *parts).file as file:
                    return self._put(copy.format(self._names.unique(parts[0]), *parts[1:]), file.read())
        return ""

    def _put(self, name: str, body: bytes) -> str:
        path = self._folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(body)
        return name


class _Names:
    """File names for ids: readable, safe on every file system, and distinct also if case is ignored."""

    def __init__(self) -> None:
        self._by_id: dict[str, str] = {}
        self._taken: set[str] = set()

    def unique(self, text: str) -> str:
        """Return the name for an id; always the same."""
        if text not in self._by_id:
            self._by_id[text] = next(name for name in self._candidates(text) if name.casefold() not in self._taken)
            self._taken.add(self._by_id[text].casefold())
        return self._by_id[text]

    @staticmethod
    def _candidates(text: str) -> Iterator[str]:
        if _SAFE.fullmatch(text) and not text.lower().endswith((".html", ".json")):
            yield text
        start = re.sub(r"[^A-Za-z0-9_-]+", "-", text).strip("-")[:40] or "run"
        digest = urls.segment_digest(text)
        yield from (f"{start}-{digest[:length]}" for length in range(8, len(digest) + 1))
