"""Security of every response: allowed hosts and methods, and headers that restrict browsers."""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Sequence

from starlette.datastructures import Headers, MutableHeaders
from starlette.responses import PlainTextResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from pipeline.core.errors import UsageError

_METHODS = ("GET", "HEAD")
_LOCAL = ("localhost", "127.0.0.1", "[::1]")
_HOST = re.compile(r"(\[[0-9a-fA-F:.]+\]|[^:\[\]]+)(?::\d{1,5})?")
_NAME = re.compile(r"\[[0-9a-fA-F:.]+\]|[A-Za-z0-9_]([A-Za-z0-9_.-]{0,251}[A-Za-z0-9_])?")
_BASE_PATH = re.compile(r"(/[A-Za-z0-9_~-][A-Za-z0-9._~-]*)*")

POLICY = (
    "default-src 'none'; style-src 'self'; script-src 'self'; img-src 'self'; connect-src 'self'; form-action 'self'; "
    "base-uri 'none'; frame-ancestors 'none'"
)
# The report is one file that contains pictures and styles. It has no scripts, and could not run any.
REPORT_POLICY = (
    "sandbox; default-src 'none'; img-src data:; style-src 'unsafe-inline'; form-action 'none'; base-uri 'none'; "
    "frame-ancestors 'none'"
)
_HEADERS = {
    "Content-Security-Policy": POLICY,
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Cross-Origin-Opener-Policy": "same-origin",
    # Another store may be served at the same address later, and a run in progress changes every second.
    "Cache-Control": "no-store",
}


class Guard:
    """Refuse foreign Host headers and methods that write; add headers; pass on the path as it was sent.

    Another site can point its own name to the address of this machine, so that browsers send requests here (DNS
    rebinding): the Host header then still contains that name.
    """

    def __init__(self, app: ASGIApp, host: str, names: Sequence[str] = (), base_path: str = "") -> None:
        """Wrap an application.

        Args:
          app: the application.
          host: the address that the server is bound to.
          names: other names that clients may use in the Host header.
          base_path: prefix of paths that is removed, such as `/sae`; a proxy may have removed it already.

        Raises:
          UsageError: a name is no host name, or the prefix is no path.
        """
        for name in names:
            if not _NAME.fullmatch(name):
                raise UsageError(f"--allow-host {name}: give a name or address without port, such as lab.example.org")
        if not _BASE_PATH.fullmatch(base_path):
            raise UsageError(f"--base-path {base_path}: give a path such as /sae, without a slash at its end")
        self._app = app
        self._allowed = {*_LOCAL, *(name.lower() for name in names), host.lower(), f"[{host.lower()}]"}
        self._base_path = base_path
        self._any_address = host in ("0.0.0.0", "::", "")  # DNS rebinding needs a name

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            return await self._app(scope, receive, send)

        async def send_with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                for name, value in _HEADERS.items():
                    headers.setdefault(name, value)
            await send(message)

        if not self._is_allowed(Headers(scope=scope).getlist("host")):
            text = "This server responds to localhost, its own address and the names of --allow-host only.\n"
            return await PlainTextResponse(text, status_code=421)(scope, receive, send_with_headers)
        if scope["method"] not in _METHODS:
            text, headers = "This site is read-only: only GET and HEAD are allowed.\n", {"Allow": ", ".join(_METHODS)}
            return await PlainTextResponse(text, 405, headers)(scope, receive, send_with_headers)
        if not scope["path"].startswith("/"):  # a proxy's form of address, or none at all
            text = "The address of a page begins with a slash.\n"
            return await PlainTextResponse(text, status_code=400)(scope, receive, send_with_headers)
        # Ids may hold slashes: a path is split first and decoded then (`app.NameConvertor`).
        raw = scope.get("raw_path") or scope["path"].encode()
        path = raw.partition(b"?")[0].decode("latin-1")
        if self._base_path and f"{path}/".startswith(f"{self._base_path}/"):
            path = path[len(self._base_path) :] or "/"
        return await self._app({**scope, "path": path, "root_path": ""}, receive, send_with_headers)

    def _is_allowed(self, given: list[str]) -> bool:
        match = _HOST.fullmatch(given[0]) if len(given) == 1 else None
        if match is None:
            return False
        name = match.group(1).lower()
        return name in self._allowed or (self._any_address and _is_address(name))


def _is_address(name: str) -> bool:
    try:
        ipaddress.ip_address(name.strip("[]"))
    except ValueError:
        return False
    return True
