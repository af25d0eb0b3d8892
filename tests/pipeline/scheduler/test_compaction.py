"""Old skipped ticks are merged, and each planned time still has exactly one outcome."""

from __future__ import annotations

import bisect
import contextlib
import dataclasses
import datetime
import pathlib
import sqlite3
from collections.abc import Iterator

import pytest

from pipeline.scheduler import history, schema, times, triggers
from pipeline.scheduler.store import ScheduleDatabase
from pipeline.scheduler.types import Outcome, Schedule, Tick
from tests.builders import schedules as examples
from tests.builders.schedules import SetClock, at
from tests.builders.schedules import new_schedule as schedule

SAME = "the data did not change"


@pytest.fixture
def clock() -> SetClock:
    return SetClock("2027-11-24 00:00")


@pytest.fixture
def database(tmp_path: pathlib.Path, clock: SetClock) -> Iterator[ScheduleDatabase]:
    with ScheduleDatabase.open(tmp_path, clock) as database:
        yield database


def skipped(minute: int, reason: str = SAME, **changed: object) -> Tick:
    tick = examples.tick("skipped", Outcome.SKIPPED, (), reason, planned=f"2026-11-24T03:{minute:02}:00Z")
    return dataclasses.replace(tick, **changed)  # type: ignore[arg-type]


def write(database: ScheduleDatabase, *ticks: Tick) -> None:
    for tick in ticks:
        examples.write(database, tick)


def compact(database: ScheduleDatabase, before: str = "2027-01-01 00:00") -> int:
    return history.compact(database.connection, at(before))


def rows(database: ScheduleDatabase) -> list[tuple[str, str, int, str]]:
    return [(one.planned[14:16], one.state, one.count, one.since[14:16]) for one in database.ticks()]


def test_skipped_ticks_are_merged_into_the_newest(database: ScheduleDatabase) -> None:
    write(database, skipped(10), skipped(20), skipped(30, decided="2026-11-24T03:30:02Z"))
    assert compact(database) == 2
    assert rows(database) == [("30", "skipped", 3, "10")]
    [one] = database.ticks()
    assert (one.decision, one.reason, one.decided) == (Outcome.SKIPPED, SAME, "2026-11-24T03:30:02Z")
    assert compact(database) == 0
    write(database, skipped(40), skipped(50))
    assert compact(database) == 2
    assert rows(database) == [("50", "skipped", 5, "10")]


@pytest.mark.parametrize(
    "other",
    [
        examples.tick(planned="2026-11-24T03:20:00Z"),
        examples.tick("failed", planned="2026-11-24T03:20:00Z"),
        examples.tick("missed", Outcome.MISSED, (), SAME, planned="2026-11-24T03:20:00Z"),
        examples.tick("waiting", None, (), planned="2026-11-24T03:20:00Z"),
        skipped(20, "a run held the root: that of nightly"),
        skipped(20, manual=True),
    ],
    ids=["started", "failed", "missed", "waiting", "another reason", "by hand"],
)
def test_other_ticks_are_kept_and_separate_groups(database: ScheduleDatabase, other: Tick) -> None:
    write(database, skipped(0), skipped(10), other, skipped(30), skipped(40))
    assert compact(database) == 2
    newer, kept, older = database.ticks()
    assert kept == other
    assert [(one.planned[14:16], one.count, one.since[14:16]) for one in (newer, older)] == [
        ("40", 2, "30"),
        ("10", 2, "00"),
    ]


def test_a_manual_tick_at_the_same_time_separates_groups(database: ScheduleDatabase) -> None:
    write(database, skipped(0), skipped(10), skipped(10, manual=True), skipped(20))
    assert compact(database) == 0


def test_ticks_are_merged_per_schedule(database: ScheduleDatabase) -> None:
    for minute in (10, 20, 30):
        write(database, skipped(minute), skipped(minute, schedule="other"))
    assert compact(database) == 4
    assert {(one.schedule, one.count) for one in database.ticks()} == {("nightly", 3), ("other", 3)}


def test_newer_ticks_are_not_merged(database: ScheduleDatabase) -> None:
    write(database, *(skipped(minute) for minute in (10, 20, 30, 40)))
    assert compact(database, "2026-11-24 03:30") == 1
    assert rows(database) == [("40", "skipped", 1, ""), ("30", "skipped", 1, ""), ("20", "skipped", 2, "10")]
    # Pages and terminal show them as one group.
    [shown] = history.group(database.ticks())
    assert (shown.count, shown.since[14:16], shown.tick.planned[14:16]) == (4, "10", "40")


def test_merged_ticks_are_not_planned_again(database: ScheduleDatabase, clock: SetClock) -> None:
    """After a clock that was ahead is set back, the schedule is resumed."""
    database.add(schedule(timing=triggers.every("10m"), created="2026-11-24T00:00:00Z"))
    skip_all(database, database.schedule("nightly"), at("2026-11-25 00:00"))
    [before] = database.connection.execute("SELECT count(*) FROM ticks").fetchone()
    assert compact(database) == before - 1
    clock.set("2026-11-24 12:05")
    database.resume("nightly")
    skip_all(database, database.schedule("nightly"), at("2026-11-25 01:00"))
    assert [(one.planned, one.count) for one in database.ticks()][-2:] == [
        ("2026-11-25T00:10:00Z", 1), ("2026-11-25T00:00:00Z", before)]  # fmt: skip


def skip_all(database: ScheduleDatabase, found: Schedule, until: datetime.datetime) -> None:
    """Plan ticks up to a time and skip them all, as checks do that find no change."""
    with schema.transaction(database.connection):
        while not database.plan(found, until):
            pass
        database.connection.execute(
            "UPDATE ticks SET decision = 'skipped', state = 'skipped', reason = ? WHERE decision IS NULL", (SAME,)
        )


def test_a_year_of_hourly_checks_is_small_and_each_time_has_one_outcome(
    database: ScheduleDatabase, tmp_path: pathlib.Path
) -> None:
    created = at("2026-11-24 00:00")
    found = schedule(timing=triggers.on_data_change("1h"), created=times.as_text(created))
    database.add(found)
    database.connection.execute("PRAGMA synchronous = OFF")
    for day in range(1, 366):
        now = created + datetime.timedelta(days=day)
        skip_all(database, found, now)
        if day % 30 == 0:  # the data changed: one run succeeded, one failed, one tick was missed
            for state, decision, hour in (
                ("succeeded", "started", 3), ("failed", "caught up", 9), ("missed", "missed", 15)
            ):  # fmt: skip
                moment = times.as_text(now - datetime.timedelta(days=1) + datetime.timedelta(hours=hour))
                database.connection.execute(
                    "UPDATE ticks SET decision = ?, state = ?, reason = '' WHERE planned = ?", (decision, state, moment)
                )
    end = created + datetime.timedelta(days=365)
    every = [times.as_text(when) for when in triggers.between(found.timing, created, created, end)]
    stood = {one.planned: one for one in database.ticks()}
    assert len(every) == len(stood) == 365 * 24
    path = tmp_path / schema.NAME
    database.connection.execute("PRAGMA wal_checkpoint (TRUNCATE)")
    large = path.stat().st_size
    assert history.compact(database.connection, end - datetime.timedelta(days=7)) > 8_400
    database.connection.execute("PRAGMA wal_checkpoint (TRUNCATE)")
    ticks = database.ticks()
    assert len(ticks) < 7 * 24 + 12 * 3 + 40
    assert path.stat().st_size < large / 15
    # Each planned time still has its outcome.
    by_time: dict[str, Tick] = {}
    for one in ticks:
        among = every[bisect.bisect_left(every, one.since or one.planned) : bisect.bisect_right(every, one.planned)]
        assert len(among) == one.count
        assert not by_time.keys() & set(among)
        by_time |= dict.fromkeys(among, one)
    assert by_time.keys() == set(every)
    assert all(
        (by_time[when].decision, by_time[when].state, by_time[when].reason)
        == (stood[when].decision, stood[when].state, stood[when].reason)
        for when in every
    )
    assert sum(one.state in ("succeeded", "failed", "missed") for one in ticks) == 12 * 3


def test_merging_is_one_transaction(database: ScheduleDatabase, monkeypatch: pytest.MonkeyPatch) -> None:
    write(database, skipped(10), skipped(20))
    before = database.ticks()
    database.connection.execute("CREATE TRIGGER full BEFORE DELETE ON ticks BEGIN SELECT RAISE(ABORT, 'no space'); END")
    with pytest.raises(sqlite3.IntegrityError, match="no space"):
        compact(database)
    assert database.ticks() == before


def test_a_database_of_format_1_is_read_and_migrated(tmp_path: pathlib.Path, database: ScheduleDatabase) -> None:
    database.add(schedule())
    write(database, skipped(10), skipped(20))
    database.close()
    with contextlib.closing(sqlite3.connect(tmp_path / schema.NAME, isolation_level=None)) as old:
        old.execute("DROP INDEX ticks_skipped")
        for column in ("count", "since"):
            old.execute(f"ALTER TABLE ticks DROP COLUMN {column}")
        old.execute("PRAGMA user_version = 1")
    with ScheduleDatabase.read(tmp_path) as reader:
        assert rows(reader) == [("20", "skipped", 1, ""), ("10", "skipped", 1, "")]
    for _ in range(2):
        with ScheduleDatabase.open(tmp_path) as again:
            compact(again)
            assert rows(again) == [("20", "skipped", 2, "10")]
            assert again.schedules() == (schedule(),)
