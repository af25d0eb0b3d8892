from __future__ import annotations

import contextlib
import dataclasses
import datetime
import pathlib
import sqlite3
from collections.abc import Iterator

import pytest

from pipeline.core import root_lock
from pipeline.core.errors import NotFoundError, UnavailableError, UsageError
from pipeline.scheduler import schema, triggers
from pipeline.scheduler.run_process import DaemonFiles
from pipeline.scheduler.status import planned
from pipeline.scheduler.store import ScheduleDatabase, jitter
from pipeline.scheduler.types import Outcome, Timing, TimingKind, Work
from tests.builders.schedules import SetClock, at
from tests.builders.schedules import new_schedule as schedule


@pytest.fixture
def clock() -> SetClock:
    return SetClock()


@pytest.fixture
def database(tmp_path: pathlib.Path, clock: SetClock) -> Iterator[ScheduleDatabase]:
    with ScheduleDatabase.open(tmp_path, clock) as database:
        yield database


def test_a_schedule_comes_back_as_it_was_added(database: ScheduleDatabase, tmp_path: pathlib.Path) -> None:
    work = Work("mnist", "/etc/sae.toml", ("training.epochs=5", "data.data_dir=/a b"), 3)
    added = dataclasses.replace(schedule(on_failure="mail -s 'failed' me", jitter=5.0), work=work)
    database.add(added)
    assert database.schedule("nightly") == added
    assert database.schedules() == (added,)
    with ScheduleDatabase.read(tmp_path) as reader:
        assert reader.schedules() == (added,)


def test_names(database: ScheduleDatabase) -> None:
    database.add(schedule("nightly"))
    with pytest.raises(UsageError, match="'nightly'"):
        database.add(schedule("nightly"))
    for name in ("", "-x", "a b", "../x", "x" * 65, "ä"):
        with pytest.raises(UsageError):
            database.add(schedule(name))
    with pytest.raises(NotFoundError, match=r"'nighty'.*\bnightly\b"):
        database.schedule("nighty")


@pytest.mark.parametrize("what", ["remove", "pause", "resume", "trigger", "schedule"])
def test_an_unknown_schedule_is_refused(database: ScheduleDatabase, what: str) -> None:
    with pytest.raises(NotFoundError, match=r"'x'.*`sae schedule add nightly --cron "):
        getattr(database, what)("x")


def test_pausing_skips_what_was_planned_and_resuming_plans_from_then_on(
    database: ScheduleDatabase, clock: SetClock, tmp_path: pathlib.Path
) -> None:
    database.add(schedule(timing=triggers.every("1h")))
    clock.set("2026-11-24 02:30")
    assert database.pause("nightly").paused == "2026-11-24T02:30:00Z"
    [second, first] = database.ticks()
    assert (first.planned, second.planned) == ("2026-11-24T01:00:00Z", "2026-11-24T02:00:00Z")
    assert {(tick.decision, tick.reason, tick.state) for tick in (first, second)} == {
        (Outcome.SKIPPED, "no daemon was running, then the schedule was paused", "skipped")
    }
    clock.set("2026-11-24 05:30")
    assert database.pause("nightly").paused == "2026-11-24T02:30:00Z"  # already
    assert database.resume("nightly").paused == ""
    clock.set("2026-11-24 06:30")
    with root_lock.hold(DaemonFiles(tmp_path).lock, "", ""):
        database.remove("nightly")
    assert [tick.planned for tick in database.ticks()][:2] == ["2026-11-24T06:00:00Z", "2026-11-24T02:00:00Z"]
    assert database.ticks("nightly", 1)[0].reason == "the schedule was removed"
    assert database.schedules() == ()


def test_a_replaced_schedule_keeps_its_pause_and_skips_what_waited(database: ScheduleDatabase, clock: SetClock) -> None:
    with pytest.raises(NotFoundError):
        database.replace(schedule())
    database.add(schedule(timing=triggers.every("1h")))
    clock.set("2026-11-24 01:30")
    new = dataclasses.replace(schedule(timing=triggers.every("2h")), created=database.now())
    assert database.replace(new) == database.schedule("nightly") == new
    [tick] = database.ticks()
    assert (tick.planned, tick.state) == ("2026-11-24T01:00:00Z", "skipped")
    assert tick.reason == "no daemon was running, then the schedule was replaced"
    assert database.next_tick() == at("2026-11-24 03:30")
    since = database.pause("nightly").paused
    assert database.replace(new).paused == database.schedule("nightly").paused == since


def test_a_schedule_added_again_has_no_tick_twice(database: ScheduleDatabase, clock: SetClock) -> None:
    for _ in range(2):
        database.add(schedule(timing=triggers.every("1h")))
        clock.set("2026-11-24 02:30")
        database.remove("nightly")
    assert len(database.ticks()) == 2


def test_more_ticks_than_one_chunk(
    database: ScheduleDatabase, clock: SetClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    database.add(schedule(timing=triggers.every("1m")))
    clock.set("2026-11-25 23:59:59")
    database.pause("nightly")
    ticks = database.ticks()
    assert len(ticks) == 2 * 24 * 60 - 1
    assert all(tick.decision is Outcome.SKIPPED for tick in ticks)


def test_each_manual_trigger_is_a_tick(database: ScheduleDatabase, clock: SetClock) -> None:
    database.add(schedule())
    clock.set("2026-11-24 03:00")
    first, second = database.trigger("nightly"), database.trigger("nightly")
    assert (first.planned, second.planned) == ("2026-11-24T03:00:00Z", "2026-11-24T03:00:01Z")
    assert (first.manual, first.decision, first.state, first.attempts) == (True, None, "waiting", ())
    database.remove("nightly")  # its own tick of that time is another one
    assert sorted((tick.planned[-9:], tick.manual) for tick in database.ticks()) == [
        ("03:00:00Z", False), ("03:00:00Z", True), ("03:00:01Z", True)]  # fmt: skip


def test_resuming_resets_the_horizon_after_a_clock_was_ahead(database: ScheduleDatabase, clock: SetClock) -> None:
    database.add(schedule(timing=triggers.every("1d")))
    clock.set("2026-12-24 00:00")
    database.pause("nightly")
    clock.set("2026-11-26 12:00")
    database.resume("nightly")
    clock.set("2026-11-27 12:00")
    database.pause("nightly")
    assert len(database.ticks()) == 30  # that of the 27th was there already
    [horizon] = database.connection.execute("SELECT horizon FROM schedules").fetchone()
    assert horizon == "2026-11-27T00:00:00Z"


def test_reading_writes_nothing(tmp_path: pathlib.Path, clock: SetClock) -> None:
    with ScheduleDatabase.read(tmp_path) as reader:
        assert reader.schedules() == ()
    assert list(tmp_path.iterdir()) == []
    with ScheduleDatabase.open(tmp_path, clock) as database:
        database.add(schedule())
        with ScheduleDatabase.read(tmp_path) as reader:  # while it is written
            assert len(reader.schedules()) == 1
            with pytest.raises(sqlite3.OperationalError):
                reader.connection.execute("DELETE FROM schedules")
    before = sorted(path.name for path in tmp_path.iterdir())
    with ScheduleDatabase.read(tmp_path) as reader:
        assert len(reader.schedules()) == 1
        assert sorted(path.name for path in tmp_path.iterdir()) == before


def test_two_may_write(tmp_path: pathlib.Path, database: ScheduleDatabase) -> None:
    with ScheduleDatabase.open(tmp_path) as other:
        database.add(schedule("a"))
        other.add(schedule("b"))
        assert database.schedules() == other.schedules() == (schedule("a"), schedule("b"))


def test_a_damaged_or_newer_database_is_refused(tmp_path: pathlib.Path) -> None:
    path = tmp_path / schema.NAME
    path.write_bytes(b"no database" * 1000)
    for opening in (ScheduleDatabase.open, ScheduleDatabase.read):
        with pytest.raises(UnavailableError, match=r"schedules\.sqlite"):
            opening(tmp_path)
    path.unlink()
    with ScheduleDatabase.open(tmp_path) as database:
        database.connection.execute(f"PRAGMA user_version = {schema.FORMAT + 1}")
    for opening in (ScheduleDatabase.open, ScheduleDatabase.read):
        with pytest.raises(UnavailableError, match=r"\b3\b.*\b2\b"):
            opening(tmp_path)
    with pytest.raises(UnavailableError):
        ScheduleDatabase.open(path / "below a file")


def test_a_database_that_is_being_created_is_read_as_empty(tmp_path: pathlib.Path) -> None:
    sqlite3.connect(tmp_path / schema.NAME).close()
    (tmp_path / schema.NAME).touch()
    with ScheduleDatabase.read(tmp_path) as reader:
        assert reader.schedules() == ()


def test_a_failed_write_changes_nothing(tmp_path: pathlib.Path, database: ScheduleDatabase) -> None:
    database.add(schedule("a"))
    with contextlib.closing(sqlite3.connect(tmp_path / schema.NAME, isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        database.connection.execute("PRAGMA busy_timeout = 10")
        for change in (lambda: database.add(schedule("b")), lambda: database.pause("a"), lambda: database.trigger("a")):
            with pytest.raises(UnavailableError, match="database is locked"):
                change()
    assert database.schedules() == (schedule("a"),)
    assert database.ticks() == ()


def test_a_failed_transaction_is_rolled_back(database: ScheduleDatabase) -> None:
    database.add(schedule())

    def broken_off() -> None:
        with schema.transaction(database.connection):
            database.connection.execute("DELETE FROM schedules")
            raise RuntimeError

    with pytest.raises(RuntimeError):
        broken_off()
    assert len(database.schedules()) == 1


def test_planned_schedules(database: ScheduleDatabase, clock: SetClock) -> None:
    database.add(schedule("a", triggers.every("1h")))
    database.add(schedule("b"))
    clock.set("2026-11-24 01:30")
    database.pause("a")
    hourly, nightly = planned(database, at("2026-11-24 02:00"), 2)
    assert (hourly.words, hourly.next) == ("Every 1 h", ())
    assert hourly.last is not None
    assert hourly.last.planned == "2026-11-24T01:00:00Z"
    assert (nightly.words, nightly.last) == ("At 03:00 every day, UTC", None)
    assert nightly.next == ("2026-11-24T03:00:00Z", "2026-11-25T03:00:00Z")
    database.trigger("b")
    assert planned(database, at("2026-11-24 02:00"), 2)[1].last is None  # it waits


def test_jitter_depends_on_schedule_and_tick_only() -> None:
    moments = [at("2026-11-24 03:00") + datetime.timedelta(days=n) for n in range(500)]
    drawn = [jitter(schedule(jitter=60.0), when).total_seconds() for when in moments]
    assert drawn == [jitter(schedule(jitter=60.0), when).total_seconds() for when in moments]
    assert (min(drawn), max(drawn)) == (0, 60)
    assert drawn != [jitter(schedule("other", jitter=60.0), when).total_seconds() for when in moments]
    assert jitter(schedule(), moments[0]).total_seconds() == 0


def test_the_next_tick_of_all_active_schedules(tmp_path: pathlib.Path) -> None:
    with ScheduleDatabase.open(tmp_path, SetClock()) as database:
        assert database.next_tick() is None
        database.add(schedule("nightly"))
        database.add(schedule("hourly", triggers.every("1h")))
        database.add(schedule("lost", Timing(TimingKind.CRON, cron="* * * * *", zone="Mars/Base")))
        assert database.next_tick() == at("2026-11-24 01:00")
        database.pause("hourly")
        assert database.next_tick() == at("2026-11-24 03:00")
