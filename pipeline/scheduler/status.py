"""Who does the scheduling in a root: what the book says of its daemon, held against the processes that there are."""

from __future__ import annotations

import pathlib

from pipeline.core import process_identity
from pipeline.core.clock import Clock, SystemClock
from pipeline.scheduler import times
from pipeline.scheduler.store import Book
from pipeline.scheduler.types import Daemon

_SILENCE = 60.0  # seconds without a sign of life, after which a daemon counts as silent: six heartbeats


def daemon(root: pathlib.Path, clock: Clock | None = None) -> Daemon:
    """The daemon of a root. Reads alone: whether it holds its lock is not tried. Raises `UnavailableError`."""
    book = Book.read(root)
    if book is None:
        return Daemon("stopped", None, "", "")
    with book:
        row = book.connection.execute("SELECT * FROM daemon").fetchone()
    if row is None:
        return Daemon("stopped", None, "", "")
    if not process_identity.lives(row["process"], row["process_identity"]):
        return Daemon("stopped", None, "", row["heard"])
    quiet = ((clock or SystemClock()).now() - times.from_text(row["heard"])).total_seconds()
    state = "stopping" if row["stopping"] else "running"
    return Daemon("silent" if quiet > _SILENCE else state, row["process"], row["since"], row["heard"])
