"""What the schedule database forgets: of looks that found nothing new, one line stands for many, once they are old.

Ticks of a schedule that were skipped for the same reason one after another become the newest of them, which says how
many it stands for and since when. What started, failed, was missed or was asked for stays as it is, and ends such a
row: each planned time is still that of exactly one decision.
"""

from __future__ import annotations

import contextlib
import datetime
import sqlite3
from collections.abc import Iterator

from pipeline.scheduler import schema, times

_QUIET = "state = 'skipped' AND manual = 0"
# A file gets smaller only when it is written anew: when most of it is empty, and that is worth it.
_EMPTY_BYTES = 1024 * 1024


def tidy(connection: sqlite3.Connection, before: datetime.datetime) -> int:
    """Puts ticks together that were planned before a time; all of them or, where that fails, none.

    Returns:
      How many ticks are part of another one now.

    Raises:
      sqlite3.Error: it cannot be written now; nothing was changed.
    """
    latest = times.as_text(before)
    if not any(True for _ in _pairs(connection, latest)):
        return 0
    with schema.transaction(connection):
        gone: list[tuple[int]] = []
        stands: dict[int, tuple[int, str]] = {}
        for older, newer in _pairs(connection, latest):
            count, since = stands.pop(older["id"], (older["count"], older["since"] or older["planned"]))
            stands[newer["id"]] = (newer["count"] + count, since)
            gone.append((older["id"],))
        connection.executemany(
            "UPDATE ticks SET count = ?, since = ? WHERE id = ?", [(*one, number) for number, one in stands.items()]
        )
        connection.executemany("DELETE FROM ticks WHERE id = ?", gone)
    _shrink(connection)
    return len(gone)


def _pairs(connection: sqlite3.Connection, latest: str) -> Iterator[tuple[sqlite3.Row, sqlite3.Row]]:
    """Ticks, the older first, that say the same, with none between them; each schedule's in the order of time."""
    older: sqlite3.Row | None = None
    for newer in connection.execute(
        f"SELECT id, schedule, planned, reason, count, since FROM ticks WHERE {_QUIET} AND planned < ? "
        "ORDER BY schedule, planned",
        (latest,),
    ):
        if older is not None and _same(older, newer) and not _between(connection, older, newer):
            yield older, newer
        older = newer


def _same(older: sqlite3.Row, newer: sqlite3.Row) -> bool:
    return bool(older["schedule"] == newer["schedule"] and older["reason"] == newer["reason"])


def _between(connection: sqlite3.Connection, older: sqlite3.Row, newer: sqlite3.Row) -> bool:
    found = connection.execute(
        f"SELECT 1 FROM ticks WHERE schedule = ? AND planned BETWEEN ? AND ? AND NOT ({_QUIET}) LIMIT 1",
        (older["schedule"], older["planned"], newer["planned"]),
    )
    return found.fetchone() is not None


def _shrink(connection: sqlite3.Connection) -> None:
    [pages], [empty], [size] = (
        connection.execute(f"PRAGMA {name}").fetchone() for name in ("page_count", "freelist_count", "page_size")
    )
    if empty * size > _EMPTY_BYTES and empty > pages // 2:
        with contextlib.suppress(sqlite3.Error):  # no space for the copy, or somebody reads: ticks to come fill it
            connection.execute("VACUUM")
            connection.execute("PRAGMA wal_checkpoint (TRUNCATE)")
