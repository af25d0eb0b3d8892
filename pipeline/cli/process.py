"""Give a process what a terminal, a service or a container may have left out: open streams and a home. End it."""

from __future__ import annotations

import atexit
import contextlib
import os
import sys
import threading
from typing import NoReturn

from pipeline.core import abandoned, parent_process


def complete() -> None:
    """Open closed standard streams, and set `HOME` where this user has none. Call it before any file is opened."""
    _open_streams()
    if os.path.expanduser("~") == "~":  # an unknown user id without HOME, as in a container
        os.environ["HOME"] = "/"  # as Docker does


def end(code: int) -> None:
    """End the process as Python does, but do not free its objects: with TensorFlow and TFX that takes a second.

    Wait for threads, call what is registered with `atexit`, and flush the output. Return if the data of a command that
    found no error cannot be written: Python then says so at its own end.

    Wait for no thread, and call nothing, if a thread is busy with abandoned work: libraries clean up what it uses.
    """
    if abandoned.is_running():
        end_at_once(code)
    with contextlib.suppress(KeyboardInterrupt):  # ends the wait for threads, as in Python
        threading._shutdown()  # type: ignore[attr-defined]
    with contextlib.suppress(KeyboardInterrupt):
        atexit._run_exitfuncs()
    try:
        sys.stdout.flush()
    except (OSError, ValueError):
        if code == 0:
            return
    with contextlib.suppress(OSError, ValueError):  # nobody can be told
        sys.stderr.flush()
    os._exit(code)


def end_at_once(code: int) -> NoReturn:
    """Kill the child processes and end, though threads and worker processes of libraries may still be busy."""
    parent_process.kill_children()
    for stream in (sys.stdout, sys.stderr):
        with contextlib.suppress(OSError, ValueError):
            stream.flush()
    os._exit(code)


def _open_streams() -> None:
    """Open closed standard streams on the null device; otherwise the next file that is opened becomes one of them."""
    for number in (0, 1, 2):
        try:
            os.fstat(number)
        except OSError:
            opened = os.open(os.devnull, os.O_RDWR)  # the lowest free number, which is this one
            os.set_inheritable(opened, True)
    if sys.stdin is None:
        sys.stdin = open(0, encoding="utf-8", closefd=False)  # noqa: SIM115
    if sys.stdout is None:
        sys.stdout = open(1, "w", encoding="utf-8", closefd=False)  # noqa: SIM115
    if sys.stderr is None:
        sys.stderr = open(2, "w", encoding="utf-8", closefd=False)  # noqa: SIM115
