"""The memory of this machine, or of the container that this process runs in."""

from __future__ import annotations

import os
import pathlib

_LIMIT = pathlib.Path("/sys/fs/cgroup/memory.max")  # of a container, in cgroup v2


def limit_mib() -> int:
    """Return how many MiB processes here can use, at most."""
    total = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    try:
        limit = _LIMIT.read_text(encoding="ascii").strip()
    except OSError:
        limit = ""
    return (min(total, int(limit)) if limit.isdigit() else total) >> 20
