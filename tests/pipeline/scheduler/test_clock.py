from __future__ import annotations

from pipeline.scheduler.clock import Jumps
from tests.builders.schedules import SetClock


def test_a_clock_that_is_set_back_is_reported_once() -> None:
    clock = SetClock("2026-11-24 03:00")
    jumps = Jumps(clock)
    clock.forward(3_600)
    assert jumps.back() == 0
    clock.forward(-0.9)
    assert jumps.back() == 0
    clock.forward(-1_800)
    assert jumps.back() == 1_800
    assert jumps.back() == 0
