"""Group consecutive ticks with the same outcome to show them, and merge old ones in the schedule database.

Merging keeps the newest of the ticks, with their number and the planned time of the oldest, so a planned time still has
exactly one outcome. Deleting ticks by age would lose that: `plan` inserts a time unless it has a row or is part of one.
"""

from __future__ import annotations

import contextlib
import dataclasses
import datetime
import sqlite3
from collections.abc import Iterable, Iterator

from pipeline.scheduler import schema, times
from pipeline.scheduler.types import Tick

MAX_READ = 1_000  # ticks read to be shown: a week of checks every ten minutes; older ones are merged
_QUIET = "state = 'skipped' AND manual = 0"
_EMPTY_BYTES = 1024 * 1024  # in a file that is mostly empty, from which on it is rewritten


@dataclasses.dataclass(frozen=True)
class TickGroup:
    """Consecutive ticks of a schedule with the same outcome.

    Attributes:
      tick: the newest of them.
      count: number of ticks, including those merged in the schedule database.
      since: planned time of the oldest.
    """

    tick: Tick
    count: int
    since: str


def group(ticks: Iterable[Tick]) -> tuple[TickGroup, ...]:
    """Group ticks, newest first; only ticks that started nothing, for the same reason, share a group."""
    found: list[TickGroup] = []
    for tick in ticks:
        if found and _same_outcome(found[-1].tick, tick):
            found[-1] = dataclasses.replace(
                found[-1], count=found[-1].count + tick.count, since=tick.since or tick.planned
            )
        else:
            found.append(TickGroup(tick, tick.count, tick.since or tick.planned))
    return tuple(found)


def _same_outcome(newer: Tick, older: Tick) -> bool:
    if newer.decision is None or newer.attempts or older.attempts:
        return False
    first, second = (dataclasses.replace(tick, planned="", decided="", count=1, since="") for tick in (newer, older))
    return first == second


def compact(connection: sqlite3.Connection, before: datetime.datetime) -> int:
    """Merge ticks that were skipped for the same reason, one after another, before a time; return the number deleted.

    Raises:
      sqlite3.Error: the database cannot be written; nothing was changed.
    """
    latest = times.as_text(before)
    if not any(True for _ in _pairs(connection, latest)):
        return 0
    with schema.transaction(connection):
        gone: list[tuple[int]] = []
        merged: dict[int, tuple[int, str]] = {}
        for older, newer in _pairs(connection, latest):
            count, since = merged.pop(older["id"], (older["count"], older["since"] or older["planned"]))
            merged[newer["id"]] = (newer["count"] + count, since)
            gone.append((older["id"],))
        connection.executemany(
            "UPDATE ticks SET count = ?, since = ? WHERE id = ?", [(*one, number) for number, one in merged.items()]
        )
        connection.executemany("DELETE FROM ticks WHERE id = ?", gone)
    _shrink(connection)
    return len(gone)


def _pairs(connection: sqlite3.Connection, latest: str) -> Iterator[tuple[sqlite3.Row, sqlite3.Row]]:
    """Yield neighbours that can be merged, the older first."""
    older: sqlite3.Row | None = None
    for newer in connection.execute(
        f"SELECT id, schedule, planned, reason, count, since FROM ticks WHERE {_QUIET} AND planned < ? "
        "ORDER BY schedule, planned",
        (latest,),
    ):
        if older is not None and _mergeable(older, newer) and not _between(connection, older, newer):
            yield older, newer
        older = newer


def _mergeable(older: sqlite3.Row, newer: sqlite3.Row) -> bool:
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
        # Without space for the copy, or while another process reads, the empty pages are left for new ticks.
        with contextlib.suppress(sqlite3.Error):
            connection.execute("VACUUM")
            connection.execute("PRAGMA wal_checkpoint (TRUNCATE)")
