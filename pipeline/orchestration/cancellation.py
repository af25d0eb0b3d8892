"""End a run on Ctrl-C, SIGTERM or SIGHUP within a time limit, even if TensorFlow does not return to Python."""

from __future__ import annotations

import contextlib
import os
import signal
import socket
import threading
from collections.abc import Callable, Iterator

from pipeline.core import parent_process
from pipeline.core.errors import ExitCode

# Seconds for the main thread to end the run after a signal. With the clean-up that follows, a run ends within 10 s.
GRACE = 6.0
_SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


@contextlib.contextmanager
def handled(handler: Callable[[int, object], None]) -> Iterator[list[signal.Signals]]:
    """Handle SIGINT, SIGTERM and SIGHUP (unless ignored: `nohup`) in this context; yield those that are handled."""
    signals = [one for one in _SIGNALS if one != signal.SIGHUP or signal.getsignal(one) != signal.SIG_IGN]
    before = {one: signal.signal(one, handler) for one in signals}
    try:
        yield signals
    finally:
        for one, earlier in before.items():
            signal.signal(one, earlier)


@contextlib.contextmanager
def cancellable(clean_up: Callable[[], None]) -> Iterator[None]:
    """Raise KeyboardInterrupt in the main thread at the first signal that ends a run (`handled`).

    A Python signal handler waits for the main thread, which may be in TensorFlow for minutes. So the C part of the
    handler wakes a second thread. If the block has not ended after `GRACE` seconds, that thread calls `clean_up`, kills
    the worker processes and ends this process with exit code 130. Otherwise `clean_up` is called in the main thread,
    before the old handlers are restored, so that a second Ctrl-C does not interrupt it.

    Args:
      clean_up: records the end of the run; may be called from another thread.
    """
    reader, writer = socket.socketpair()
    reader.setblocking(True)
    writer.setblocking(False)
    ended = threading.Event()
    raised = threading.Event()

    def on_signal(number: int, frame: object) -> None:
        if not raised.is_set():  # a second one must not break the clean-up
            raised.set()
            parent_process.kill_children()  # the main thread may be waiting for them
            raise KeyboardInterrupt(signal.Signals(number).name)

    def watch() -> None:
        # Python sends the number of each signal that it handles; others than these are ignored.
        while reader.recv(1)[0] not in (0, *signals):
            pass
        if ended.wait(GRACE):
            return
        # The clean-up itself may hang, for instance on a store that the main thread has locked.
        last_resort = threading.Timer(GRACE / 2, os._exit, [int(ExitCode.INTERRUPTED)])
        last_resort.daemon = True
        last_resort.start()
        try:
            clean_up()
        finally:
            parent_process.kill_children()
            os._exit(ExitCode.INTERRUPTED)

    with reader, writer, handled(on_signal) as signals:
        before_fd = signal.set_wakeup_fd(writer.fileno(), warn_on_full_buffer=False)
        watcher = threading.Thread(target=watch, name="cancellation", daemon=True)
        watcher.start()
        try:
            yield
        except KeyboardInterrupt:
            clean_up()
            raise
        finally:
            ended.set()
            signal.set_wakeup_fd(before_fd)
            writer.send(b"\0")
            watcher.join()
