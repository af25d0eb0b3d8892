"""The application: routes to pages, their twins, pictures and files."""

from __future__ import annotations

import json
import logging
import pathlib
import urllib.parse
from collections.abc import Callable

import ml_metadata.errors as mlmd_errors
from starlette.applications import Starlette
from starlette.convertors import Convertor, register_url_convertor
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response
from starlette.routing import Route
from starlette.types import ASGIApp

from pipeline.artifacts import previews
from pipeline.core.errors import NotFoundError, SaeError, UnavailableError, UsageError
from pipeline.inspection import stores
from pipeline.inspection.locations import Place
from pipeline.web import file_responses, health, json_twin, pages, templating
from pipeline.web.file_responses import Content, TooLargeError
from pipeline.web.pages import Asked, MovedError, Page, base
from pipeline.web.query import Query
from pipeline.web.security import REPORT_POLICY, Guard
from pipeline.web.urls import Links

logger = logging.getLogger(__name__)

STATIC = pathlib.Path(__file__).parent / "static"
STATIC_TYPES = {".css": "text/css", ".js": "text/javascript", ".svg": "image/svg+xml"}
_JSON = "application/json"
_STATUS: dict[type[Exception], int] = {
    UsageError: 400,
    NotFoundError: 404,
    TooLargeError: 413,
    UnavailableError: 503,
}
_TITLES = {
    400: "This cannot be asked",
    404: "Not found",
    413: "Too large to show",
    500: "Something went wrong",
    503: "The store cannot be read",
}


class NameConvertor(Convertor[str]):
    """One part of a path, encoded: it may hold anything, also a slash."""

    regex = "[^/]+"

    def convert(self, value: str) -> str:
        return urllib.parse.unquote(value)

    def to_string(self, value: str) -> str:
        return urllib.parse.quote(value, safe="")


class RestConvertor(Convertor[str]):
    """All that is left of a path: the name of a file in a folder."""

    regex = ".+"

    def convert(self, value: str) -> str:
        return urllib.parse.unquote(value)

    def to_string(self, value: str) -> str:
        return urllib.parse.quote(value)


register_url_convertor("name", NameConvertor())
register_url_convertor("rest", RestConvertor())


def build(place: Place, host: str = "127.0.0.1", explain: bool = True) -> ASGIApp:
    """The application.

    Args:
      place: what is read.
      host: the address that the server is bound to.
      explain: whether errors become pages; else they are raised.
    """
    site = _Site(place, explain)
    routes = [
        Route("/runs", site.endpoint(lambda _: RedirectResponse("/", status_code=307))),
        Route("/health.json", site.endpoint(site.health, twin=True)),
        Route("/static/{name}", site.endpoint(site.static)),
        Route("/runs/{run:name}/log", site.endpoint(site.log)),
        Route("/runs/{run:name}/manifest", site.endpoint(site.manifest)),
        Route("/artifacts/{artifact:name}/pictures/{name:name}", site.endpoint(site.picture)),
        Route("/artifacts/{artifact:name}/files/{name:rest}", site.endpoint(site.file)),
    ]
    for page in pages.ALL:
        routes.append(Route(Links().twin(page.path), site.endpoint(site.page_as_json(page), twin=True)))
        routes.append(Route(page.path, site.endpoint(site.page(page))))
    app = Starlette(routes=routes, exception_handlers={HTTPException: site.no_such_page})
    app.router.redirect_slashes = False
    return Guard(app, host)


Answer = Callable[[Request], Response]


class _Site:
    """Answers. Each in a thread of its own, with a reader of its own: ML Metadata's client is not thread-safe."""

    def __init__(self, place: Place, explain: bool) -> None:
        self._place = place
        self._explain = explain
        self._links = Links()

    def endpoint(self, answer: Answer, twin: bool = False) -> Answer:
        """An endpoint that explains errors: to people, or as JSON."""

        def safely(request: Request) -> Response:
            try:
                return answer(request)
            except MovedError as error:
                query = f"?{request.url.query}" if request.url.query else ""
                return RedirectResponse((f"{error.path}.json" if twin else error.path) + query, status_code=307)
            except (SaeError, TooLargeError) as error:
                if not self._explain:
                    raise
                return self._problem(_STATUS.get(type(error), 500), str(error), twin)
            except mlmd_errors.StatusError as error:
                return self._problem(503, str(_unreadable(self._place, error)), twin)
            except Exception:
                logger.exception("no answer to %s", request.url.path)
                return self._problem(500, "The server's output says what: it is an error in the program.", twin)

        return safely

    def page(self, page: Page) -> Answer:
        """Answers with a page."""

        def answer(request: Request) -> Response:
            asked = self._asked(request)
            view = page.build(asked, **request.path_params)
            path = request.url.path + (f"?{request.url.query}" if request.url.query else "")
            return Response(templating.page(page, view, asked, self._links, path), media_type="text/html")

        return answer

    def page_as_json(self, page: Page) -> Answer:
        """Answers with a page's twin."""

        def answer(request: Request) -> Response:
            view = page.build(self._asked(request), **request.path_params)
            return Response(json_twin.to_json(page.name, view), media_type=_JSON)

        return answer

    def _asked(self, request: Request) -> Asked:
        place = self._place
        reader = None if place.is_empty() else place.reader()
        return Asked(reader, place.root, place.name, Query(request.query_params.multi_items()))

    def health(self, request: Request) -> Response:
        """Whether the store can be read, and what is planned is done: 503 where a daemon should run and does not."""
        asked = self._asked(request)
        found = health.look(asked)
        return Response(json_twin.to_json("health", found), 200 if found.status == health.OK else 503, media_type=_JSON)

    def static(self, request: Request) -> Response:
        """A file of the site itself."""
        path = STATIC / request.path_params["name"]
        if path.suffix not in STATIC_TYPES or not path.is_file():
            raise NotFoundError("no such file of the site")
        return Response(path.read_bytes(), media_type=STATIC_TYPES[path.suffix])

    def log(self, request: Request) -> Response:
        """The end of a run's log."""
        return self._of_run(request, "log", "logs", ".log", file_responses.read_tail)

    def manifest(self, request: Request) -> Response:
        """A run's manifest, as it is stored."""
        return self._of_run(request, "manifest", "manifests", ".json", file_responses.read)

    def _of_run(
        self,
        request: Request,
        what: str,
        folder: str,
        suffix: str,
        read: Callable[[pathlib.Path, pathlib.Path], Content],
    ) -> Response:
        asked = self._asked(request)
        run_id = base.find_run(asked.open_reader, request.path_params["run"], what).row.id
        path = base.stored(asked.root, folder, run_id + suffix)
        if path is None or asked.root is None:
            raise NotFoundError(f"no {what} of run {run_id} is stored")
        return _of_content(read(asked.root.path, path))

    def picture(self, request: Request) -> Response:
        """A picture of a preview."""
        asked = self._asked(request)
        found = picture_path(asked, request.path_params["artifact"], request.path_params["name"])
        assert asked.root is not None
        return _of_content(file_responses.read(asked.root.path, found))

    def file(self, request: Request) -> Response:
        """A file of an artifact."""
        asked = self._asked(request)
        found = file_path(asked, request.path_params["artifact"], request.path_params["name"])
        assert asked.root is not None
        return _of_content(file_responses.read(asked.root.path, found, page=True))

    def no_such_page(self, request: Request, error: Exception) -> Response:
        """Answers where no route does."""
        text = "there is no page at this address"
        if not self._explain:
            raise NotFoundError(f"{text}: {request.url.path}") from error
        return self._problem(404, text, request.url.path.endswith(".json"))

    def _problem(self, status: int, text: str, twin: bool) -> Response:
        if twin:
            values = {"schema_version": json_twin.SCHEMA_VERSION, "error": text, "status": status}
            return Response(json.dumps(values) + "\n", status, media_type=_JSON)
        text = text[:1].upper() + text[1:] + ("" if text.endswith((".", ")")) else ".")
        html = templating.problem(_TITLES[status], text, self._place.name, self._links)
        return Response(html, status, media_type="text/html")


def picture_path(asked: Asked, artifact: str, name: str) -> pathlib.Path:
    """Where a picture of an artifact's preview is. Raises `NotFoundError`."""
    reader = asked.open_reader
    folder = reader.preview_folder(reader.artifact(reader.find_artifact(artifact)).row)
    path = previews.picture_path(folder, name) if folder else None
    if path is None:
        raise NotFoundError(f"no picture {name!r} of artifact {artifact}")
    return path


def file_path(asked: Asked, artifact: str, name: str) -> pathlib.Path:
    """Where a file of an artifact is: in its folder, or itself. Raises `NotFoundError`."""
    reader = asked.open_reader
    found = reader.artifact(reader.find_artifact(artifact)).row
    place = pathlib.Path(found.uri)
    path = place / name
    if asked.root is None or reader.preview_folder(found) is None or ".." in path.parts or path.is_absolute() is False:
        raise NotFoundError(f"no file {name!r} of artifact {artifact} in this pipeline root")
    return place if not place.is_dir() and name == place.name else path


def _unreadable(place: Place, error: mlmd_errors.StatusError) -> UnavailableError:
    return stores.unreadable(place, error)  # type: ignore[arg-type]


def _of_content(content: Content) -> Response:
    headers = {}
    if content.page:
        headers["Content-Security-Policy"] = REPORT_POLICY
    if content.download:
        headers["Content-Disposition"] = f"attachment; filename*=utf-8''{urllib.parse.quote(content.download)}"
    return Response(content.body, media_type=content.type, headers=headers)
