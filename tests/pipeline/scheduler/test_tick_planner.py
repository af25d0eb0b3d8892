from __future__ import annotations

import datetime

from pipeline.scheduler import tick_planner
from tests.pipeline.scheduler.helpers import at, schedule


def test_jitter_is_drawn_from_schedule_and_tick_alone() -> None:
    moments = [at("2026-11-24 03:00") + datetime.timedelta(days=n) for n in range(500)]
    drawn = [tick_planner.jitter(schedule(jitter=60.0), when).total_seconds() for when in moments]
    assert drawn == [tick_planner.jitter(schedule(jitter=60.0), when).total_seconds() for when in moments]
    assert (min(drawn), max(drawn)) == (0, 60)
    assert drawn != [tick_planner.jitter(schedule("other", jitter=60.0), when).total_seconds() for when in moments]
    assert tick_planner.jitter(schedule(), moments[0]).total_seconds() == 0
