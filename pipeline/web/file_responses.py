"""Files of a root as responses: only from inside the root, in blocks as the client takes them, never with scripts."""

from __future__ import annotations

import dataclasses
import io
import os
import pathlib
import urllib.parse
from collections.abc import AsyncIterator
from typing import BinaryIO

import anyio.to_thread
from starlette.requests import Request
from starlette.responses import Response, StreamingResponse

from pipeline.artifacts import previews
from pipeline.core import regular_file
from pipeline.core.errors import NotFoundError
from pipeline.core.text import bytes_text
from pipeline.web.pages.base import PageRequest, find_run, run_file_path
from pipeline.web.security import REPORT_POLICY

TAIL = 256 * 1024  # bytes of a log
_BLOCK = 64 * 1024  # bytes of a file that are read at once
_PNG = b"\x89PNG\r\n\x1a\n"
_TEXTS = (".csv", ".json", ".jsonl", ".log", ".md", ".pbtxt", ".toml", ".txt")
REPORT = "report.html"


@dataclasses.dataclass(frozen=True)
class Content:
    """An open file, or text.

    Attributes:
      file: open at its start; `response` closes it.
      size: in bytes.
      type: media type.
      download: name under which a browser stores it; empty: the browser shows it.
      page: whether it is an HTML page, which browsers must sandbox.
    """

    file: BinaryIO
    size: int
    type: str
    download: str = ""
    page: bool = False


def response(request: Request, content: Content) -> Response:
    """Return a response that reads the file in blocks, each after the client has taken the one before."""
    headers = {"Content-Length": str(content.size)}
    if content.page:
        headers["Content-Security-Policy"] = REPORT_POLICY
    if content.download:
        name = urllib.parse.quote(content.download)
        headers["Content-Disposition"] = f"attachment; filename*=utf-8''{name}"
    if request.method == "HEAD":
        content.file.close()
        return Response(media_type=content.type, headers=headers)
    return StreamingResponse(_blocks(content), media_type=content.type, headers=headers)


async def _blocks(content: Content) -> AsyncIterator[bytes]:
    left = content.size  # the file may have grown since
    with content.file:
        while left and (block := await anyio.to_thread.run_sync(content.file.read, min(left, _BLOCK))):
            left -= len(block)
            yield block


def run_file(request: PageRequest, run: str, kind: str) -> Content:
    """Return the end of a run's `log`, or its `manifest`.

    Raises:
      NotFoundError: there is none.
      MovedError: the run has another address.
    """
    folder, suffix = {"log": ("logs", ".log"), "manifest": ("manifests", ".json")}[kind]
    run_id = find_run(request.open_reader, run, kind).row.id
    path = run_file_path(request.root, folder, run_id + suffix)
    if path is None or request.root is None:
        raise NotFoundError(f"no {kind} is stored for run {run_id}")
    return read_tail(request.root.path, path) if kind == "log" else read(request.root.path, path)


def picture(request: PageRequest, artifact: str, name: str) -> Content:
    """Return a picture of an artifact's preview. Raises as `read` does."""
    reader = request.open_reader
    row = reader.artifact(reader.find_artifact(artifact)).row
    root, folder = reader.root_of(row), reader.preview_folder(row)
    path = previews.picture_path(folder, name) if folder else None
    if path is None or root is None:
        raise NotFoundError(f"no picture {name!r} of artifact {artifact}")
    return read(root, path)


def artifact_file(request: PageRequest, artifact: str, name: str) -> Content:
    """Return a file in an artifact's folder, or the artifact itself if it is a file. Raises as `read` does."""
    reader = request.open_reader
    row = reader.artifact(reader.find_artifact(artifact)).row
    place = pathlib.Path(row.uri)
    path = place / name
    if request.root is None or reader.preview_folder(row) is None or ".." in path.parts or not path.is_absolute():
        raise NotFoundError(f"no file {name!r} of artifact {artifact} in this pipeline root")
    is_file = name == place.name and not os.path.isdir(place)  # unlike Path.is_dir, also of a name that is too long
    return read(request.root.path, place if is_file else path, page=True)


def sweep_file(request: PageRequest, sweep: str, file: str) -> Content:
    """Return a sweep as `sweep.csv`, `sweep.svg` or `sweep.pdf`, with the query of its page.

    Raises:
      NotFoundError: there is no such sweep or file.
      UnavailableError: PDF, and matplotlib is not installed.
    """
    from pipeline.web import sweep_files  # imports much of what no other file needs
    from pipeline.web.pages import sweep as sweep_page

    name, _, kind = file.partition(".")
    if name != "sweep" or kind not in sweep_files.TYPES:
        names = ", ".join(f"sweep.{one}" for one in sweep_files.TYPES)
        raise NotFoundError(f"no file {file!r} of a sweep (there are: {names})")
    view = sweep_page.build(request, sweep)
    body = sweep_files.write(view, kind, request.metrics, request.reader)
    return Content(io.BytesIO(body), len(body), sweep_files.TYPES[kind], download=f"{view.sweep.row.name}.{kind}")


def read(root: pathlib.Path, path: pathlib.Path, page: bool = False) -> Content:
    """Read a file that is in a root.

    Args:
      root: files outside this folder are refused, except in a folder that a link directly in the root leads to.
      path: of the file.
      page: whether a file called `report.html` may be shown as a page.

    Raises:
      NotFoundError: there is none, it is outside the root (also by a link or `..`), or it is no regular file.
    """
    file = _opened(root, path)
    size = os.fstat(file.fileno()).st_size
    if path.suffix == ".png" and file.peek(len(_PNG)).startswith(_PNG):
        return Content(file, size, "image/png")
    if page and path.name == REPORT:
        return Content(file, size, "text/html; charset=utf-8", page=True)
    if path.suffix.lower() in _TEXTS:
        return Content(file, size, "text/plain; charset=utf-8")
    return Content(file, size, "application/octet-stream", download=path.name)


def read_tail(root: pathlib.Path, path: pathlib.Path) -> Content:
    """Read the last lines of a text file, preceded by a note if lines are missing. Raises as `read` does."""
    with _opened(root, path) as file:
        whole = os.fstat(file.fileno()).st_size
        file.seek(max(0, whole - TAIL))
        body = file.read(TAIL)
    if whole > len(body):
        body = body.partition(b"\n")[2]
        body = f"[the last {bytes_text(len(body))} of {bytes_text(whole)}; the whole log: {path}]\n".encode() + body
    return Content(io.BytesIO(body), len(body), "text/plain; charset=utf-8")


def _folders(root: pathlib.Path, path: pathlib.Path) -> list[pathlib.Path]:
    """Return the root and the folder directly in it that contains the path, which an operator may have linked."""
    inside = path.relative_to(root).parts if path.is_relative_to(root) else ()
    return [root, *(root / name for name in inside[:1] if len(inside) > 1 and name != "..")]


def _opened(root: pathlib.Path, path: pathlib.Path) -> io.BufferedReader:
    try:
        real = pathlib.Path(os.path.realpath(path))
        if not any(real.is_relative_to(os.path.realpath(folder)) for folder in _folders(root, path)):
            raise NotFoundError(f"no file {path.name} in this pipeline root")
        return regular_file.opened(real, follow=False)  # no link that was put there since
    except (OSError, ValueError) as error:  # ValueError: a NUL in the name
        raise NotFoundError(f"no file {path.name} in this pipeline root") from error
