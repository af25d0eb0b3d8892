"""Groups of consecutive ticks with the same outcome."""

from __future__ import annotations

import dataclasses

from pipeline.scheduler import history
from pipeline.scheduler.types import Outcome
from tests.builders import schedules as examples


def skipped(minute, reason="the data did not change", **changed):
    planned = f"2026-11-24T03:{minute:02}:00Z"
    tick = examples.tick("skipped", Outcome.SKIPPED, (), reason, planned=planned)
    return dataclasses.replace(tick, decided=planned, **changed)


def groups(*ticks):
    return [(one.tick.planned[14:16], one.count, one.since[14:16]) for one in history.group(ticks)]


def test_ticks_with_the_same_outcome_are_one_group():
    assert groups(skipped(30), skipped(20), skipped(10)) == [("30", 3, "10")]
    assert groups() == []


def test_another_reason_or_schedule_starts_a_new_group():
    assert groups(skipped(30), skipped(20, "a run held the root: x"), skipped(10)) == [
        ("30", 1, "30"),
        ("20", 1, "20"),
        ("10", 1, "10"),
    ]
    assert len(groups(skipped(30), skipped(20, schedule="other"))) == 2
    assert len(groups(skipped(30), skipped(20, manual=True))) == 2


def test_ticks_that_ran_or_wait_are_not_grouped():
    ran = examples.tick(planned="2026-11-24T03:20:00Z")
    assert groups(skipped(30), ran, skipped(10)) == [("30", 1, "30"), ("20", 1, "20"), ("10", 1, "10")]
    assert len(groups(ran, ran)) == 2
    waiting = examples.tick("waiting", None, ())
    assert len(groups(waiting, waiting)) == 2
