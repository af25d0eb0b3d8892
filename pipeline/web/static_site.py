"""The pages as files: a folder that opens from the disk, without a server."""

from __future__ import annotations

import contextlib
import dataclasses
import os
import pathlib
import posixpath
import re
import shutil
import tempfile
import urllib.parse
from collections.abc import Iterable, Iterator
from typing import Any

from pipeline.core.errors import NotFoundError, UnavailableError, UsageError
from pipeline.inspection.locations import Place
from pipeline.inspection.reader import Reader
from pipeline.web import app, file_responses, json_twin, pages, templating, urls
from pipeline.web.pages import Asked, Page, artifact, artifacts, compare, lineage, models, node, run, runs, schedules
from pipeline.web.query import Query
from pipeline.web.urls import Links, path_of, twin_of

MARK = ".sae-export"  # in every folder that was made here: only those are replaced
_MOST_ROWS = 5_000  # artifacts, or versions, of a list; a page of that many still opens
_SAFE = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,79}")
_PICTURE = re.compile(r"/artifacts/([^/]+)/pictures/([^/]+)")
_REPORT = re.compile(rf"/artifacts/([^/]+)/files/{re.escape(file_responses.REPORT)}")
_LOG = re.compile(r"/runs/([^/]+)/(log|manifest)")


@dataclasses.dataclass(frozen=True)
class Exported:
    """What was written: numbers of pages, of runs and of artifacts among them."""

    folder: pathlib.Path
    pages: int
    runs: int
    artifacts: int


@dataclasses.dataclass(frozen=True)
class _Sheet:
    """One page to write.

    Attributes:
      path: its address on a server.
      file: in the folder, without its ending.
    """

    page: Page
    path: str
    file: str
    parts: tuple[tuple[str, str], ...] = ()
    query: tuple[tuple[str, str], ...] = ()


def export(place: Place, folder: pathlib.Path, limit: int | None = None) -> Exported:
    """Writes the site, all of it or nothing.

    Args:
      place: what is read.
      folder: a new or empty one, or one that was written so before: that is replaced.
      limit: how many runs at most, the newest ones; None: all.

    Raises:
      UsageError: the folder holds something else, or the limit is below 1.
      NotFoundError: there is no run to export.
      UnavailableError: the store cannot be read, or the folder not be written.
    """
    if limit is not None and limit < 1:
        raise UsageError(f"--limit {limit}: give 1 or more")
    folder = folder.absolute()
    _check(folder)
    reader = place.reader()
    try:
        with _beside(folder) as unfinished:
            exported = _Export(place, reader, unfinished, limit).write()
            (unfinished / MARK).write_text("Written by `sae export`, which may replace this folder.\n")
            _put(unfinished, folder)
    except OSError as error:
        raise UnavailableError(
            f"cannot write {folder}: {error.strerror}; free space, or choose another folder"
        ) from error
    return dataclasses.replace(exported, folder=folder)


def _check(folder: pathlib.Path) -> None:
    if folder.is_symlink() or (folder.exists() and not folder.is_dir()):
        raise UsageError(f"{folder} is no folder: name a new one")
    if folder.is_dir() and any(folder.iterdir()) and not (folder / MARK).is_file():
        raise UsageError(f"{folder} is not empty, and `sae export` did not make it: name a new folder")


@contextlib.contextmanager
def _beside(folder: pathlib.Path) -> Iterator[pathlib.Path]:
    """A new folder on the same disk, which is gone at the end unless it was moved."""
    folder.parent.mkdir(parents=True, exist_ok=True)
    unfinished = pathlib.Path(tempfile.mkdtemp(prefix=f".{folder.name}.", suffix=".unfinished", dir=folder.parent))
    unfinished.chmod(0o755)  # others may read it, as they may any other folder
    try:
        yield unfinished
    finally:
        shutil.rmtree(unfinished, ignore_errors=True)


def _put(unfinished: pathlib.Path, folder: pathlib.Path) -> None:
    """Puts the new folder in the place of the old one, which is removed after that."""
    if not folder.exists():
        os.replace(unfinished, folder)
        return
    old = unfinished.with_suffix(".old")
    os.replace(folder, old)
    try:
        os.replace(unfinished, folder)
    except OSError:
        os.replace(old, folder)
        raise
    shutil.rmtree(old, ignore_errors=True)


class _Export:
    """Writes one site into a folder."""

    def __init__(self, place: Place, reader: Reader, folder: pathlib.Path, limit: int | None) -> None:
        self._place = place
        self._reader = reader
        self._folder = folder
        self._names = _Names()
        self._run_ids = reader.run_ids()[:limit]
        if not self._run_ids:
            raise NotFoundError(f"no run in {place.name}: there is nothing to export")
        self._sheets: list[_Sheet] = []
        self._artifacts: dict[int, None] = {}
        self._files: dict[str, str] = {}  # by address, the file of pages and of all that was copied

    def write(self) -> Exported:
        """Writes all of it; returns what."""
        self._plan()
        shutil.copytree(app.STATIC, self._folder / "static", ignore=shutil.ignore_patterns("__pycache__"))
        for sheet in self._sheets:
            self._files[sheet.path] = f"{sheet.file}.html"
            self._files[twin_of(sheet.path)] = f"{sheet.file}.json"
        for sheet in self._sheets:
            self._write(sheet)
        return Exported(self._folder, len(self._sheets), len(self._run_ids), len(self._artifacts))

    def _plan(self) -> None:
        """Finds out which pages there are, before the first link is written."""
        self._sheets += [
            _Sheet(runs.PAGE, "/", "index"),
            _Sheet(artifacts.PAGE, "/artifacts", "artifacts"),
            _Sheet(models.PAGE, "/models", "models"),
            _Sheet(schedules.PAGE, "/schedules", "schedules"),
        ]
        for run_id in self._run_ids:
            self._plan_run(run_id)
        for number in self._artifacts:
            given = (("artifact", str(number)),)
            self._sheets.append(_Sheet(artifact.PAGE, path_of("artifacts", str(number)), f"artifacts/{number}", given))
            self._sheets.append(
                _Sheet(lineage.PAGE, path_of("artifacts", str(number), "lineage"), f"lineage/{number}", given)
            )
        newest = self._run_ids[: compare.MOST]
        if len(newest) >= compare.FEWEST:
            self._plan_compare(newest, "compare")

    def _plan_run(self, run_id: str) -> None:
        name = self._names.of(run_id)
        self._sheets.append(_Sheet(run.PAGE, path_of("runs", run_id), f"runs/{name}", (("run", run_id),)))
        for one in self._reader.run(run_id).nodes:
            if one.execution:
                file = f"nodes/{name}/{self._names.of(one.node)}"
                given = (("run", run_id), ("node", one.node))
                self._sheets.append(_Sheet(node.PAGE, path_of("runs", run_id, "nodes", one.node), file, given))
            self._artifacts |= dict.fromkeys(use.artifact.id for use in (*one.inputs, *one.outputs))
        previous = self._reader.previous(run_id)
        if previous in self._run_ids:
            self._plan_compare([previous, run_id], f"compare/{name}")

    def _plan_compare(self, run_ids: list[str], file: str) -> None:
        query = tuple(("run", urls.reference(one)) for one in run_ids)
        self._sheets.append(_Sheet(compare.PAGE, path_of("compare", query=query), file, query=query))

    def _write(self, sheet: _Sheet) -> None:
        asked = Asked(self._reader, self._place.root, self._place.name, Query(sheet.query), rows=self._rows(sheet.page))
        view = sheet.page.build(asked, **dict(sheet.parts))
        to = Links(lambda path: self._link(path, sheet.file, asked), live=False)
        for ending, text in (
            ("html", templating.page(sheet.page, view, asked, to, sheet.path)),
            ("json", json_twin.to_json(sheet.page.name, view)),
        ):
            path = self._folder / f"{sheet.file}.{ending}"
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text, encoding="utf-8")

    def _rows(self, page: Page) -> int:
        return len(self._run_ids) if page is runs.PAGE else _MOST_ROWS

    def _link(self, path: str, file: str, asked: Asked) -> str:
        """What a link in a file says to get to an address; empty where that is not exported."""
        if path not in self._files:
            self._files[path] = path.lstrip("/") if path.startswith("/static/") else self._copy(path, asked)
        target = self._files[path]
        return urllib.parse.quote(posixpath.relpath(target, posixpath.dirname(file))) if target else ""

    def _copy(self, path: str, asked: Asked) -> str:
        """Copies what an address answers with, if it is a file of the root; returns where it is then."""
        root = asked.root
        if root is None:
            return ""
        with contextlib.suppress(NotFoundError, file_responses.TooLargeError):
            if match := _PICTURE.fullmatch(path):
                number, name = map(urllib.parse.unquote, match.groups())
                found = app.picture_path(asked, number, name)
                return self._put_file(file_responses.read(root.path, found).body, f"pictures/{number}/{name}")
            if match := _REPORT.fullmatch(path):
                number = urllib.parse.unquote(match.group(1))
                found = app.file_path(asked, number, file_responses.REPORT)
                return self._put_file(file_responses.read(root.path, found).body, f"reports/{number}.html")
            if match := _LOG.fullmatch(path):
                return self._put_log(asked, urllib.parse.unquote(match.group(1)), match.group(2))
        return ""

    def _put_log(self, asked: Asked, wanted: str, what: str) -> str:
        run_id = pages.base.run_named(self._reader, wanted).row.id
        folder, suffix, ending = {"log": ("logs", ".log", ".txt"), "manifest": ("manifests", ".json", ".json")}[what]
        path = pages.base.stored(asked.root, folder, run_id + suffix)
        if path is None or asked.root is None:
            return ""
        read: Any = file_responses.read_tail if what == "log" else file_responses.read
        return self._put_file(read(asked.root.path, path).body, f"{folder}/{self._names.of(run_id)}{ending}")

    def _put_file(self, body: bytes, name: str) -> str:
        path = self._folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(body)
        return name


class _Names:
    """File names for ids: readable, safe on every file system, and never the same for two, whatever their capitals."""

    def __init__(self) -> None:
        self._by_id: dict[str, str] = {}
        self._taken: set[str] = set()

    def of(self, text: str) -> str:
        """The name for an id; always the same."""
        if text not in self._by_id:
            safe = _SAFE.fullmatch(text) is not None and not text.lower().endswith((".html", ".json"))
            safe = safe and text.casefold() not in self._taken
            name = text if safe else next(self._others(text))
            self._by_id[text] = name
            self._taken.add(name.casefold())
        return self._by_id[text]

    def _others(self, text: str) -> Iterator[str]:
        start = re.sub(r"[^A-Za-z0-9_-]+", "-", text).strip("-")[:40] or "run"
        digest = urls.segment_digest(text)
        candidates: Iterable[str] = (f"{start}-{digest[:length]}" for length in range(8, len(digest) + 1))
        return (name for name in candidates if name.casefold() not in self._taken)
