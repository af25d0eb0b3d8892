"""Work in threads whose results nobody needs any more, so that this process need not wait for it when it ends.

A thread that is in a library's C code cannot be stopped.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from concurrent import futures

_abandoned: list[futures.Future[Any]] = []


def add(work: Iterable[futures.Future[Any]]) -> None:
    """Let this process end before this work has."""
    _abandoned.extend(work)


def is_running() -> bool:
    """Whether a thread is still busy with such work."""
    return any(one.running() for one in _abandoned)
