"""Wait for a signal, a call of another thread or a timeout, without polling."""

from __future__ import annotations

import contextlib
import select
import signal
import socket
from collections.abc import Iterable

_CALL = b"\0"  # no signal has this number


class Alarm:
    """A context manager for the main thread: within it, its signals only end the wait."""

    def __init__(self, signals: Iterable[signal.Signals]) -> None:
        self._signals = tuple(signals)
        self._reader, self._writer = socket.socketpair()
        self._reader.setblocking(False)
        self._writer.setblocking(False)

    def __enter__(self) -> Alarm:
        # The C part of a handler writes the signal's number: none is lost before the wait.
        self._before = {number: signal.signal(number, lambda *_: None) for number in self._signals}
        self._before_fd = signal.set_wakeup_fd(self._writer.fileno(), warn_on_full_buffer=False)
        return self

    def __exit__(self, *_: object) -> None:
        signal.set_wakeup_fd(self._before_fd)
        for number, handler in self._before.items():
            signal.signal(number, handler)
        self._reader.close()
        self._writer.close()

    def ring(self) -> None:
        """End the wait; from any thread."""
        with contextlib.suppress(OSError):  # full or closed
            self._writer.send(_CALL)

    def wait(self, seconds: float) -> list[int]:
        """Wait for at most `seconds`. Return the numbers of the signals received."""
        select.select([self._reader], [], [], seconds)
        found = b""
        with contextlib.suppress(BlockingIOError):
            while block := self._reader.recv(4096):
                found += block
        return [number for number in found if number != _CALL[0]]
