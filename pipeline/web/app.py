"""The application: routes to pages, their JSON endpoints, pictures and files."""

from __future__ import annotations

import logging
import pathlib
import urllib.parse
from collections.abc import Callable, Sequence

from starlette.applications import Starlette
from starlette.convertors import Convertor, register_url_convertor
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response
from starlette.routing import Route
from starlette.types import ASGIApp

from pipeline.core.errors import NotFoundError, SaeError, UnavailableError, UsageError
from pipeline.inspection.locations import Location
from pipeline.web import file_responses, pages, rendering
from pipeline.web.file_responses import Content
from pipeline.web.formatting import DeclaredMetrics
from pipeline.web.pages import MovedError, PageRequest, Query
from pipeline.web.run_totals import RunTotalsCache
from pipeline.web.security import Guard
from pipeline.web.urls import Links

logger = logging.getLogger(__name__)

STATIC = pathlib.Path(__file__).parent / "static"
STATIC_TYPES = {".css": "text/css", ".js": "text/javascript", ".svg": "image/svg+xml"}
_JSON = "application/json"
_STATUS: dict[type[Exception], int] = {UsageError: 400, NotFoundError: 404, UnavailableError: 503}
_TITLES = {400: "Bad request", 404: "Not found", 500: "Internal server error", 503: "Store unavailable"}


class NameConvertor(Convertor[str]):
    """One encoded part of a path: any text, also with slashes."""

    regex = "[^/]+"

    def convert(self, value: str) -> str:
        return urllib.parse.unquote(value)


class RestConvertor(NameConvertor):
    """The rest of a path: the name of a file in a folder."""

    regex = ".+"


register_url_convertor("name", NameConvertor())
register_url_convertor("rest", RestConvertor())


def build(
    place: Location,
    host: str = "127.0.0.1",
    explain: bool = True,
    names: Sequence[str] = (),
    base_path: str = "",
) -> ASGIApp:
    """Build the application.

    Args:
      place: the root or store to read.
      host: the address that the server is bound to.
      explain: whether errors become responses; else they are raised.
      names: other names of this machine that clients may use.
      base_path: prefix of all addresses, such as `/sae`.

    Raises:
      UsageError: a name or the prefix is invalid.
    """
    site = _Site(place, explain, Links(lambda path: base_path + path))
    routes = [
        Route("/runs", site.endpoint(site.runs)),
        Route("/metrics", site.endpoint(site.metrics)),
        Route("/health.json", site.endpoint(site.health, as_json=True)),
        Route("/static/{name}", site.endpoint(site.static)),
        Route("/runs/{run:name}/log", site.files(file_responses.run_file, kind="log")),
        Route("/runs/{run:name}/manifest", site.files(file_responses.run_file, kind="manifest")),
        Route("/artifacts/{artifact:name}/pictures/{name:name}", site.files(file_responses.picture)),
        Route("/artifacts/{artifact:name}/files/{name:rest}", site.files(file_responses.artifact_file)),
        Route("/sweeps/{sweep:name}/{file:name}", site.files(file_responses.sweep_file)),
    ]
    for name, path in pages.PATHS.items():
        routes.append(Route(Links().json(path), site.page(name, as_json=True)))
        routes.append(Route(path, site.page(name)))
    app = Starlette(routes=routes, exception_handlers={HTTPException: site.no_such_page})
    app.router.redirect_slashes = False
    return Guard(app, host, names, base_path)


Endpoint = Callable[[Request], Response]


class _Site:
    """The endpoints. Each request has its own thread and reader: ML Metadata's client is not thread-safe."""

    def __init__(self, place: Location, explain: bool, links: Links) -> None:
        self._place = place
        self._explain = explain
        self._links = links
        self._metrics = DeclaredMetrics(place.pipeline.declared_metrics)
        self._run_totals = RunTotalsCache()

    def endpoint(self, handle: Endpoint, as_json: bool = False) -> Endpoint:
        """Return an endpoint that turns errors into responses, as a page or as JSON."""

        def respond(request: Request) -> Response:
            try:
                return handle(request)
            except MovedError as error:
                query = f"?{request.url.query}" if request.url.query else ""
                path = f"{error.path}.json" if as_json else error.path
                return RedirectResponse(self._links.resolve(path + query), status_code=307)
            except SaeError as error:
                if not self._explain:
                    raise
                return self._error(_STATUS.get(type(error), 500), str(error), as_json)
            except Exception:
                logger.exception("request for %s failed", request.url.path)
                return self._error(500, "This is an error in sae: see the server's output for details.", as_json)

        return respond

    def page(self, name: str, as_json: bool = False) -> Endpoint:
        """Return the endpoint of a page, as HTML or as JSON."""

        def respond(request: Request) -> Response:
            page, wanted = pages.named(name), self._request(request)
            view = page.build(wanted, **request.path_params)
            if as_json:
                return Response(rendering.page_json(name, view), media_type=_JSON)
            path = request.url.path + (f"?{request.url.query}" if request.url.query else "")
            return Response(rendering.page_html(page, view, wanted, self._links, path), media_type="text/html")

        return self.endpoint(respond, as_json)

    def files(self, find: Callable[..., Content], **given: str) -> Endpoint:
        """Return the endpoint of files that a function of `file_responses` reads; `given`: its other arguments."""

        def respond(request: Request) -> Response:
            return file_responses.response(request, find(self._request(request), **request.path_params, **given))

        return self.endpoint(respond)

    def _request(self, request: Request) -> PageRequest:
        place = self._place
        reader = None if place.is_empty() else place.reader()
        return PageRequest(
            reader,
            place.root,
            place.name,
            place.pipeline,
            Query(request.query_params.multi_items()),
            self._metrics,
            place.selected,
        )

    def health(self, request: Request) -> Response:
        """Return the health of store and scheduler, with status 503 if it is not `ok`."""
        from pipeline.web import health  # not for pages

        self._check_present()
        found = health.check(self._request(request))
        status = 200 if found.status == health.OK else 503
        return Response(rendering.page_json("health", found), status, media_type=_JSON)

    def metrics(self, request: Request) -> Response:
        """Return the gauges for Prometheus."""
        from pipeline.web import monitoring  # not for pages

        self._check_present()
        return Response(
            monitoring.exposition(self._request(request), self._run_totals),
            headers={"Content-Type": monitoring.CONTENT_TYPE},
        )

    def _check_present(self) -> None:
        if self._place.is_gone():
            name = self._place.name
            raise UnavailableError(
                f"{name} is not there any more, or not yet: mount it, move it back, or run `sae run`"
            )

    def runs(self, request: Request) -> Response:
        """Redirect to the page of runs, which is the first."""
        return RedirectResponse(self._links.runs(), status_code=307)

    def static(self, request: Request) -> Response:
        """Return a file of the site itself."""
        path = STATIC / request.path_params["name"]
        if path.suffix not in STATIC_TYPES or not path.is_file():
            raise NotFoundError(f"no file {path.name} of the site")
        return Response(path.read_bytes(), media_type=STATIC_TYPES[path.suffix])

    def no_such_page(self, request: Request, error: Exception) -> Response:
        """Respond if there is no route."""
        text = "there is no page at this address"
        if not self._explain:
            raise NotFoundError(f"{text}: {request.url.path}") from error
        return self._error(404, text, request.url.path.endswith(".json"))

    def _error(self, status: int, text: str, as_json: bool) -> Response:
        if as_json:
            return Response(rendering.error_json(status, text), status, media_type=_JSON)
        text = text[:1].upper() + text[1:] + ("" if text.endswith((".", ")")) else ".")
        html = rendering.error_html(_TITLES[status], text, self._place.name, self._links, self._place.selected)
        return Response(html, status, media_type="text/html")
