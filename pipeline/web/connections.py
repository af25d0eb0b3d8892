"""Limits for clients of the server: number of connections, time for a request and for its response, lines in the log.

uvicorn has none of them for a client that sends no complete request. Each connection is an open file; without a limit,
the event loop tries thousands of times to accept the next one, and logs each failure.
"""

from __future__ import annotations

import asyncio
import contextlib
import enum
import logging
import resource
import time
from typing import Any

from uvicorn.protocols.http.h11_impl import H11Protocol

REQUEST_SECONDS = 10.0  # for the lines of a request, from the first one
RESPONSE_SECONDS = 120.0  # to make a response, and then to receive it
REFUSED_SECONDS = 2.0  # for the client to read why its request is invalid
BACKLOG = 32  # connections that wait to be accepted, which the event loop accepts all at once
THREADS = 8  # requests that are worked on at the same time
_MOST = 256  # connections
_FILES = 4  # files reserved for each connection: itself, the one that is sent, its share of a request's and the backlog
_LOG_SECONDS = 10.0

logger = logging.getLogger(__name__)


def most_connections() -> int:
    """Return the number of connections that this process may have, from its limit of open files."""
    files, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    return _MOST if files == resource.RLIM_INFINITY else max(1, min(_MOST, files // _FILES))


class _Phase(enum.Enum):
    """What a connection waits for: a whole request, its response, the client to take it and to ask again, or to go."""

    REQUEST = enum.auto()
    RESPONSE = enum.auto()
    SENT = enum.auto()
    REFUSED = enum.auto()


class LimitedConnection(H11Protocol):
    """A connection with a deadline. One too many closes the oldest one that waits for a request."""

    most = _MOST

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        self._since = time.monotonic()
        self._deadline: asyncio.TimerHandle | None = None
        self._enter(_Phase.REQUEST, REQUEST_SECONDS)
        if len(self.connections) > self.most:
            waiting = [one for one in self.connections if isinstance(one, LimitedConnection) and one._is_waiting()]
            waiting.remove(self)
            if waiting:
                min(waiting, key=lambda one: (one.transport.get_write_buffer_size() > 0, one._since)).abort()
            else:
                transport.write(_response(b"503 Service Unavailable", b"Too many connections."))
                transport.close()

    def connection_lost(self, exc: Exception | None) -> None:
        if self._deadline is not None:
            self._deadline.cancel()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        if self._phase == _Phase.REFUSED:
            return
        super().data_received(data)  # may refuse the request
        phase, seconds = (
            (_Phase.REQUEST, REQUEST_SECONDS) if self._is_waiting() else (_Phase.RESPONSE, RESPONSE_SECONDS)
        )
        if self._phase not in (phase, _Phase.REFUSED):
            self._enter(phase, seconds)

    def on_response_complete(self) -> None:
        super().on_response_complete()  # may start the next request, or refuse it
        if self._phase == _Phase.REFUSED:
            return
        self._since = time.monotonic()
        self._enter(_Phase.SENT if self._is_waiting() else _Phase.RESPONSE, RESPONSE_SECONDS)

    def send_400_response(self, msg: str) -> None:
        if not self._is_waiting():  # the response to the previous request has begun, or may begin
            self.abort()
            return
        self._refuse(b"400 Bad Request", msg.encode("ascii", "replace"))

    def _refuse(self, status: bytes, text: bytes) -> None:
        # If the connection were closed now, what the client still sends would reset it before it reads the response.
        self.transport.write(_response(status, text))
        self.transport.write_eof()
        self._enter(_Phase.REFUSED, REFUSED_SECONDS)

    def _expire(self) -> None:
        if self._phase == _Phase.REQUEST and self.conn.trailing_data[0]:
            self._refuse(b"408 Request Timeout", b"The request was not complete in time.")
        else:
            self.abort()

    def abort(self) -> None:
        """Close the connection, and discard what was not sent."""
        self.connections.discard(self)
        self.transport.abort()

    def _is_waiting(self) -> bool:
        return self.cycle is None or self.cycle.response_complete

    def _enter(self, phase: _Phase, seconds: float) -> None:
        self._phase = phase
        if self._deadline is not None:
            self._deadline.cancel()
        self._deadline = self.loop.call_later(seconds, self._expire)


class OncePerInterval(logging.Filter):
    """Pass one record of each message in 10 s; the next one that passes contains how many did not."""

    def __init__(self) -> None:
        super().__init__()
        self._last: dict[str, float] = {}
        self._left_out: dict[str, int] = {}

    def filter(self, record: logging.LogRecord) -> bool:
        kind, now = str(record.msg), time.monotonic()
        if now - self._last.get(kind, -_LOG_SECONDS) < _LOG_SECONDS:
            self._left_out[kind] = self._left_out.get(kind, 0) + 1
            return False
        self._last[kind] = now
        if left_out := self._left_out.pop(kind, 0):
            record.msg = f"{record.getMessage()} ({left_out} more since the last one)"
            record.args = ()
        return True


def _response(status: bytes, text: bytes) -> bytes:
    head = b"HTTP/1.1 %b\r\nContent-Type: text/plain; charset=utf-8\r\nConnection: close\r\n" % status
    return head + b"Content-Length: %d\r\n\r\n%b\n" % (len(text) + 1, text)


def log_error(loop: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
    """Log an error of the event loop in one line."""
    with contextlib.suppress(Exception):
        logger.warning(f"{context['message']}: %s", context.get("exception", ""))
