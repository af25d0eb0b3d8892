"""Group consecutive ticks with the same outcome to show them, and merge old ones in the schedule database.

Merging keeps the newest of the ticks, with their number and the planned time of the oldest, so a planned time still has
exactly one outcome. Deleting ticks by age would lose that: `plan` inserts a time unless it has a row or is part of one.
"""

from __future__ import annotations

import contextlib
import dataclasses
import datetime
import sqlite3
from collections.abc import Iterable

from pipeline.scheduler import schema, times
from pipeline.scheduler.types import Tick

MAX_READ = 1_000  # ticks read to be shown: a week of checks every ten minutes; older ones are merged
# Neighbours of a schedule that were skipped for the same reason, with no other tick between them, oldest first.
_MERGEABLE = """
WITH skipped AS (
  SELECT id, schedule, planned, reason, count,
    LAG(id) OVER neighbours AS older, LAG(count) OVER neighbours AS older_count,
    LAG(planned) OVER neighbours AS older_planned, LAG(reason) OVER neighbours AS older_reason,
    LAG(COALESCE(NULLIF(since, ''), planned)) OVER neighbours AS older_since
  FROM valid_ticks WHERE state = 'skipped' AND manual = 0 AND planned < ?
  WINDOW neighbours AS (PARTITION BY schedule ORDER BY planned)
)
SELECT * FROM skipped WHERE reason = older_reason AND NOT EXISTS (
  SELECT 1 FROM ticks WHERE schedule = skipped.schedule AND planned BETWEEN older_planned AND skipped.planned
  AND (state != 'skipped' OR manual != 0)
) ORDER BY schedule, planned
"""
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
    with schema.transaction(connection):
        merged: dict[int, tuple[int, str]] = {}
        deleted: list[tuple[int]] = []
        for row in connection.execute(_MERGEABLE, (times.as_text(before),)).fetchall():
            count, since = merged.pop(row["older"], (row["older_count"], row["older_since"]))
            merged[row["id"]] = (row["count"] + count, since)
            deleted.append((row["older"],))
        connection.executemany(
            "UPDATE ticks SET count = ?, since = ? WHERE id = ?", [(*values, tick) for tick, values in merged.items()]
        )
        connection.executemany("DELETE FROM ticks WHERE id = ?", deleted)
    if deleted:
        _shrink(connection)
    return len(deleted)


def _shrink(connection: sqlite3.Connection) -> None:
    [pages], [empty], [size] = (
        connection.execute(f"PRAGMA {name}").fetchone() for name in ("page_count", "freelist_count", "page_size")
    )
    if empty * size > _EMPTY_BYTES and empty > pages // 2:
        # Without space for the copy, or while another process reads, the empty pages are left for new ticks.
        with contextlib.suppress(sqlite3.Error):
            connection.execute("VACUUM")
            connection.execute("PRAGMA wal_checkpoint (TRUNCATE)")
