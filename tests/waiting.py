"""Wait in tests for what another process or thread does, or for its end."""

from __future__ import annotations

import time
from collections.abc import Callable

import psutil


def wait_until(condition: Callable[[], object], seconds: float = 120.0, every: float = 0.01) -> None:
    """Wait for a condition, asked `every` so many seconds; fail if it does not hold after `seconds`."""
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "it did not happen"
        time.sleep(every)


def lives(process: int) -> bool:
    """Return whether a process runs; process 1 may take a while to bury one that has ended."""
    try:
        return bool(psutil.Process(process).status() != psutil.STATUS_ZOMBIE)
    except psutil.NoSuchProcess:
        return False
