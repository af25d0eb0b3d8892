"""The child processes of this one."""

from __future__ import annotations

import contextlib


def kill() -> None:
    """Kill all child processes of this one, and theirs."""
    import psutil  # 15 ms

    for child in psutil.Process().children(recursive=True):
        with contextlib.suppress(psutil.NoSuchProcess):
            child.kill()
