"""Serve the pages on this machine, or print one response without a server."""

from __future__ import annotations

import asyncio
import contextlib
import ipaddress
import logging
import signal
import socket
import threading
import urllib.parse
import webbrowser
from collections.abc import Callable, Iterator, Sequence

import anyio.to_thread
import uvicorn
from starlette.types import ASGIApp, Message

from components.errors import cause_text
from pipeline.core import listening
from pipeline.core.errors import UnavailableError, UsageError
from pipeline.inspection.locations import Location
from pipeline.web import app, connections, rendering

logger = logging.getLogger(__name__)

HOST, PORT = "127.0.0.1", 8765
_SHUTDOWN = 3  # seconds for pending responses; none takes as long


class BadStatusError(UnavailableError):
    """The response has a status other than 200.

    Attributes:
      body: of the response, with the reason.
    """

    def __init__(self, message: str, body: bytes) -> None:
        super().__init__(message)
        self.body = body


def serve(
    place: Location,
    host: str = HOST,
    port: int = PORT,
    tell: Callable[[str], None] = print,
    open_browser: bool = False,
    names: Sequence[str] = (),
    base_path: str = "",
) -> None:
    """Serve until interrupted or terminated.

    Args:
      place: the root or store to read.
      host: the address to bind to.
      port: 0: any free port.
      tell: receives messages, such as the address.
      open_browser: whether to open the pages in the user's browser.
      names: other names of this machine that clients may use, such as that of a proxy.
      base_path: prefix of all addresses, such as `/sae`.

    Raises:
      UsageError: `host` is empty, or a name or the prefix is invalid.
      UnavailableError: the port is in use, or the address is not one of this machine.
    """
    application = app.build(place, host, names=names, base_path=base_path)
    listener = _bind(host, port)
    with listener:
        number = listener.getsockname()[1]
        shown = f"[{host}]" if ":" in host else host
        address = f"http://{shown}:{number}{base_path}/"
        rendering.prepare()
        tell(f"serving {place.name} at {address} (stop with Ctrl-C)")
        if place.root is not None and not place.root.path.is_dir():
            tell(
                f"warning: {place.name} does not exist; the pages wait for it: `sae run` makes it and its first run, "
                "--root names another folder"
            )
        if not _is_local(host):
            tell("warning: there is no password; every client that can reach this machine can read the pages")
        if open_browser:
            webbrowser.open(address)
        _Server(_config(application)).run(sockets=[listener])


def _config(application: ASGIApp) -> uvicorn.Config:
    return uvicorn.Config(
        application,
        http=connections.LimitedConnection,  # of h11: others have shorter limits for an address
        ws="none",
        backlog=connections.BACKLOG,
        lifespan="off",
        log_level="warning",
        access_log=False,
        server_header=False,
        timeout_graceful_shutdown=_SHUTDOWN,
    )


def _is_local(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


class _Server(uvicorn.Server):
    """Limit connections, threads and the log. Stop on a signal and return.

    uvicorn's own server would send itself the signal a second time.
    """

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        connections.LimitedConnection.most = connections.most_connections()
        asyncio.get_running_loop().set_exception_handler(connections.log_error)
        anyio.to_thread.current_default_thread_limiter().total_tokens = connections.THREADS
        once = connections.OncePerInterval()
        for name in ("uvicorn.error", connections.__name__, app.__name__):
            logging.getLogger(name).addFilter(once)
        await super().startup(sockets)

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        if threading.current_thread() is not threading.main_thread():
            yield  # only the main thread may handle signals
            return
        before = {number: signal.signal(number, self.handle_exit) for number in (signal.SIGINT, signal.SIGTERM)}
        try:
            yield
        finally:
            for number, handler in before.items():
                signal.signal(number, handler)


def _bind(host: str, port: int) -> socket.socket:
    if not host:  # the socket would listen on every address
        raise UsageError(
            f"--host is empty: give an address of this machine, such as {HOST}, or 0.0.0.0 for all of them"
        )
    try:
        listener = listening.bound(host, port)
        listener.listen()  # connections wait until the server is ready
    except OSError as error:
        raise UnavailableError(
            f"cannot serve at {host}, port {port} ({cause_text(error)}): choose another port with --port, "
            "or 0 for any free port"
        ) from error
    return listener


def get(place: Location, path: str, names: Sequence[str] = (), base_path: str = "") -> bytes:
    """Return the response to a path without a server.

    Args:
      place: the root or store to read.
      path: of a page, encoded, with its query: `/runs/latest.json`. Redirections are followed.
      names, base_path: as for `serve`.

    Raises:
      NotFoundError: there is no such page.
      UsageError: the query, a name or the prefix is invalid.
      UnavailableError: the store cannot be read; `BadStatusError` if the response contains the error.
    """
    application = app.build(place, explain=False, names=names, base_path=base_path)
    for _ in range(3):
        status, headers, body = asyncio.run(_ask(application, path))
        location = dict(headers).get(b"location")
        if location is None:
            break
        path = location.decode()
    if status != 200:
        raise BadStatusError(f"{path} has status {status}: see the output", body)
    return body


async def _ask(application: ASGIApp, path: str) -> tuple[int, list[tuple[bytes, bytes]], bytes]:
    given, _, query = path.partition("?")
    raw = urllib.parse.quote(given if given.startswith("/") else f"/{given}", safe="/%~:@!$&'()*+,;=")
    messages: list[Message] = []

    async def receive() -> Message:
        return {"type": "http.request", "body": b"", "more_body": False}

    async def send(message: Message) -> None:
        messages.append(message)

    scope = {
        "type": "http",
        "asgi": {"version": "3.0"},
        "http_version": "1.1",
        "method": "GET",
        "scheme": "http",
        "path": urllib.parse.unquote(raw),
        "raw_path": raw.encode("ascii"),
        "query_string": urllib.parse.quote(query, safe="=&%+~:@!$'()*,;/?").encode("ascii"),
        "root_path": "",
        "headers": [(b"host", b"localhost")],
        "client": None,
        "server": ("localhost", 80),
    }
    await application(scope, receive, send)
    body = b"".join(message.get("body", b"") for message in messages[1:])
    return messages[0]["status"], list(messages[0]["headers"]), body
