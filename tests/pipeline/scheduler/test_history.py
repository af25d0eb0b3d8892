"""Ticks that say the same one after another."""

from __future__ import annotations

import dataclasses

from pipeline.scheduler import history
from pipeline.scheduler.types import Outcome
from tests.builders import schedules as examples


def skipped(minute, reason="the data did not change", **changed):
    planned = f"2026-11-24T03:{minute:02}:00Z"
    tick = examples.tick("skipped", Outcome.SKIPPED, (), reason, planned=planned)
    return dataclasses.replace(tick, decided=planned, **changed)


def told(*ticks):
    return [(one.tick.planned[14:16], one.count, one.since[14:16]) for one in history.group(ticks)]


def test_those_that_say_the_same_are_one():
    assert told(skipped(30), skipped(20), skipped(10)) == [("30", 3, "10")]
    assert told() == []


def test_another_reason_schedule_or_way_begins_a_new_one():
    assert told(skipped(30), skipped(20, "a run held the root: x"), skipped(10)) == [
        ("30", 1, "30"),
        ("20", 1, "20"),
        ("10", 1, "10"),
    ]
    assert len(told(skipped(30), skipped(20, schedule="other"))) == 2
    assert len(told(skipped(30), skipped(20, manual=True))) == 2


def test_what_ran_or_waits_stands_alone():
    ran = examples.tick(planned="2026-11-24T03:20:00Z")
    assert told(skipped(30), ran, skipped(10)) == [("30", 1, "30"), ("20", 1, "20"), ("10", 1, "10")]
    assert len(told(ran, ran)) == 2
    waiting = examples.tick("waiting", None, ())
    assert len(told(waiting, waiting)) == 2
