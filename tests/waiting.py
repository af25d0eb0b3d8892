"""Wait in tests for what another process or thread does."""

from __future__ import annotations

import time
from collections.abc import Callable


def wait_until(condition: Callable[[], object], seconds: float = 120.0, every: float = 0.01) -> None:
    """Wait for a condition, asked `every` so many seconds; fail if it does not hold after `seconds`."""
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "it did not happen"
        time.sleep(every)
