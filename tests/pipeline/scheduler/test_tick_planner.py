from __future__ import annotations

import datetime
import pathlib

from pipeline.scheduler import tick_planner, triggers
from pipeline.scheduler.store import ScheduleDatabase
from pipeline.scheduler.types import Timing, TimingKind
from tests.builders.schedules import SetClock, at
from tests.builders.schedules import new_schedule as schedule


def test_jitter_is_drawn_from_schedule_and_tick_alone() -> None:
    moments = [at("2026-11-24 03:00") + datetime.timedelta(days=n) for n in range(500)]
    drawn = [tick_planner.jitter(schedule(jitter=60.0), when).total_seconds() for when in moments]
    assert drawn == [tick_planner.jitter(schedule(jitter=60.0), when).total_seconds() for when in moments]
    assert (min(drawn), max(drawn)) == (0, 60)
    assert drawn != [tick_planner.jitter(schedule("other", jitter=60.0), when).total_seconds() for when in moments]
    assert tick_planner.jitter(schedule(), moments[0]).total_seconds() == 0


def test_the_next_tick_is_that_of_the_nearest_active_schedule(tmp_path: pathlib.Path) -> None:
    with ScheduleDatabase.open(tmp_path, SetClock()) as database:
        assert tick_planner.next_tick(database.connection, database.schedules()) is None
        database.add(schedule("nightly"))
        database.add(schedule("hourly", triggers.every("1h")))
        database.add(schedule("lost", Timing(TimingKind.CRON, cron="* * * * *", zone="Mars/Base")))
        assert tick_planner.next_tick(database.connection, database.schedules()) == at("2026-11-24 01:00")
        database.pause("hourly")
        assert tick_planner.next_tick(database.connection, database.schedules()) == at("2026-11-24 03:00")
