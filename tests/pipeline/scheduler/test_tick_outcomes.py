"""Each tick gets one decision, by policy, whatever the clock and the daemon do. Time is simulated."""

from __future__ import annotations

import collections
import datetime
import pathlib
from collections.abc import Iterator
from typing import Any

import pytest

from pipeline.scheduler import times, triggers
from pipeline.scheduler.attempt_result import AttemptResult
from pipeline.scheduler.attempts import Attempts
from pipeline.scheduler.store import ScheduleDatabase, jitter
from pipeline.scheduler.tick_outcomes import TickOutcomes
from pipeline.scheduler.types import CatchUp, Outcome, Overlap, Schedule
from tests.builders.schedules import SetClock, at
from tests.builders.schedules import new_schedule as schedule

SUCCEEDED = AttemptResult("succeeded", 0)


class Simulation:
    """A daemon whose runs are not processes and end at once."""

    def __init__(self, root: pathlib.Path) -> None:
        self.clock = SetClock()
        self.database = ScheduleDatabase.open(root, self.clock)
        self.database.connection.execute("PRAGMA synchronous = OFF")  # no test cuts the power
        self.start_daemon()

    def start_daemon(self) -> None:
        self.recorder = TickOutcomes(self.database)
        self.attempts = Attempts(self.database)
        self.recorder.restart()

    def check(self, busy: str = "") -> list[str]:
        """One check; each run that it starts ends at once. Returns which were started."""
        while not self.recorder.check(busy):
            pass
        started = []
        while not busy and (candidate := next(self.recorder.candidates(), None)):
            attempt = self.attempts.start(candidate)
            assert attempt is not None
            started.append(candidate.planned)
            self.attempts.record_process(attempt, 4711, "one")
            self.attempts.end(attempt, SUCCEEDED, self.database.schedule(candidate.schedule).policies)
            self.recorder.check("")
        return started

    def at(self, text: str, busy: str = "") -> list[str]:
        self.clock.set(text)
        return self.check(busy)

    def outcomes(self, name: str = "nightly") -> dict[str, str]:
        """Outcomes by planned time, oldest first."""
        ticks = reversed(self.database.ticks(name))
        return {tick.planned[5:16]: tick.decision.value if tick.decision else tick.state for tick in ticks}

    def reasons(self) -> set[str]:
        return {tick.reason for tick in self.database.ticks()}


@pytest.fixture
def simulation(tmp_path: pathlib.Path) -> Iterator[Simulation]:
    found = Simulation(tmp_path)
    yield found
    found.database.close()


def hourly(**policies: Any) -> Schedule:
    return schedule(timing=triggers.every("1h"), **policies)


def test_a_tick_starts_at_its_time_and_once(simulation: Simulation) -> None:
    simulation.database.add(schedule())
    assert simulation.at("2026-11-24 02:59:59") == []
    assert simulation.database.ticks() == ()
    assert simulation.at("2026-11-24 03:00") == ["2026-11-24T03:00:00Z"]
    assert simulation.at("2026-11-24 03:00:01") == []
    [tick] = simulation.database.ticks()
    assert (tick.decision, tick.decided, tick.reason, tick.state) == (
        Outcome.STARTED, "2026-11-24T03:00:00Z", "", "succeeded")  # fmt: skip


def test_a_late_tick_has_a_reason(simulation: Simulation) -> None:
    simulation.database.add(schedule())
    assert simulation.at("2026-11-24 03:09:30") == ["2026-11-24T03:00:00Z"]
    assert simulation.reasons() == {"9 min late"}


@pytest.mark.parametrize(
    ("policies", "outcomes"),
    [
        ({"catch_up": CatchUp.NONE}, ["missed"] * 5),
        ({"catch_up": CatchUp.ONE}, ["missed"] * 4 + ["caught up"]),
        ({"catch_up": CatchUp.ALL}, ["missed"] * 2 + ["caught up"] * 3),  # the limit is 3
        ({"catch_up": CatchUp.ALL, "catch_up_limit": 10}, ["caught up"] * 5),
        # The newest is 30 minutes old, and in time; the others nobody was there for.
        ({"catch_up": CatchUp.NONE, "max_late": 1800.0}, ["missed"] * 4 + ["started"]),
        ({"catch_up": CatchUp.ONE, "max_late": 1800.0}, ["missed"] * 4 + ["started"]),
        ({"catch_up": CatchUp.ALL, "max_late": 1800.0}, ["missed"] + ["caught up"] * 3 + ["started"]),
        ({"catch_up": CatchUp.ONE, "max_late": 1799.0}, ["missed"] * 4 + ["caught up"]),
        ({"catch_up": CatchUp.NONE, "max_late": 86_400.0}, ["missed"] * 4 + ["started"]),
    ],
)
@pytest.mark.parametrize("overlap", [Overlap.SKIP, Overlap.QUEUE])
def test_outcomes_after_an_absence_of_the_daemon(
    simulation: Simulation, policies: dict[str, Any], outcomes: list[str], overlap: Overlap
) -> None:
    simulation.database.add(hourly(overlap=overlap, **policies))
    started = simulation.at("2026-11-24 05:30")
    assert list(simulation.outcomes().values()) == outcomes
    assert len(started) == 5 - outcomes.count("missed")
    assert simulation.reasons() <= {"", "30 min late", "the daemon was not running in time"} | {
        f"the daemon was not running in time (catch-up {one.value})" for one in CatchUp
    }
    assert simulation.at("2026-11-24 05:31") == []


def test_an_absence_of_months_is_planned_in_chunks(simulation: Simulation, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("pipeline.scheduler.store._PLAN_LIMIT", 7)
    monkeypatch.setattr("pipeline.scheduler.tick_outcomes._CHUNKS", 3)
    simulation.database.add(hourly())
    simulation.clock.set("2026-12-24 00:30")
    assert not simulation.recorder.check("")
    assert set(simulation.outcomes().values()) == {"waiting"}  # which is the newest is not known yet
    simulation.start_daemon()  # killed half-way
    simulation.check()
    assert list(simulation.outcomes().values()) == ["missed"] * (30 * 24 - 1) + ["caught up"]


def test_while_a_run_holds_the_root(simulation: Simulation) -> None:
    simulation.database.add(hourly())
    simulation.database.add(schedule("queued", triggers.every("1h"), overlap=Overlap.QUEUE))
    simulation.at("2026-11-24 01:00", busy="that of x")
    assert simulation.outcomes() == {"11-24T01:00": "skipped"}
    assert simulation.database.ticks("nightly")[0].reason == "a run held the root: that of x"
    assert simulation.outcomes("queued") == {"11-24T01:00": "waiting"}
    assert simulation.at("2026-11-24 01:09") == ["2026-11-24T01:00:00Z"]
    assert simulation.outcomes("queued") == {"11-24T01:00": "started"}


def test_a_queued_tick_waits_up_to_max_late(simulation: Simulation) -> None:
    simulation.database.add(hourly(overlap=Overlap.QUEUE))
    simulation.at("2026-11-24 01:00", busy="x")
    simulation.at("2026-11-24 01:10", busy="x")
    assert simulation.outcomes() == {"11-24T01:00": "waiting"}
    simulation.at("2026-11-24 01:10:01", busy="x")
    assert simulation.outcomes() == {"11-24T01:00": "skipped"}
    assert simulation.reasons() == {"a run held the root for more than 10 min (max-late)"}


def test_a_queued_tick_waits_across_a_restart_of_the_daemon(simulation: Simulation) -> None:
    simulation.database.add(hourly(overlap=Overlap.QUEUE))
    simulation.at("2026-11-24 01:00", busy="x")
    simulation.start_daemon()
    assert simulation.at("2026-11-24 01:05") == ["2026-11-24T01:00:00Z"]
    simulation.at("2026-11-24 02:00", busy="x")
    simulation.start_daemon()
    simulation.at("2026-11-24 02:30", busy="x")
    assert simulation.at("2026-11-24 02:31") == ["2026-11-24T02:00:00Z"]
    assert list(simulation.outcomes().values()) == ["started", "caught up"]


def test_missed_ticks_are_caught_up_after_those_on_time(simulation: Simulation) -> None:
    simulation.database.add(hourly(catch_up=CatchUp.ALL))
    simulation.at("2026-11-24 03:05", busy="x")
    assert list(simulation.outcomes().values()) == ["waiting", "waiting", "skipped"]
    assert simulation.at("2026-11-24 04:00") == [f"2026-11-24T0{hour}:00:00Z" for hour in (4, 1, 2)]


def test_queued_ticks_start_in_the_order_of_their_times(simulation: Simulation) -> None:
    for name, created in (("a", "2026-11-24T00:05:00Z"), ("b", "2026-11-24T00:00:00Z")):
        simulation.database.add(schedule(name, triggers.every("1h"), created, max_late=7_200.0, overlap=Overlap.QUEUE))
    simulation.at("2026-11-24 01:06", busy="x")
    simulation.at("2026-11-24 02:06", busy="x")
    assert simulation.at("2026-11-24 02:07") == [f"2026-11-24T0{time}:00Z" for time in ("1:00", "1:05", "2:00", "2:05")]


def test_jitter_delays_the_start_and_not_the_planned_time(simulation: Simulation) -> None:
    added = hourly(jitter=600.0)
    simulation.database.add(added)
    late = jitter(added, at("2026-11-24 01:00"))
    assert datetime.timedelta(0) < late
    simulation.clock.time = at("2026-11-24 01:00") + late - datetime.timedelta(seconds=1)
    assert simulation.check() == []
    assert simulation.outcomes() == {"11-24T01:00": "waiting"}
    simulation.start_daemon()
    simulation.clock.forward(1)
    assert simulation.check() == ["2026-11-24T01:00:00Z"]
    assert simulation.reasons() == {""}


def test_a_clock_that_jumps_ahead_and_back(simulation: Simulation) -> None:
    simulation.database.add(hourly())
    assert simulation.at("2026-11-24 01:00") == ["2026-11-24T01:00:00Z"]
    assert simulation.at("2026-11-24 06:30") == ["2026-11-24T06:00:00Z"]  # caught up
    for time in ("01:10", "02:00", "03:00", "06:00", "06:59"):
        assert simulation.at(f"2026-11-24 {time}") == []
    assert simulation.at("2026-11-24 07:00") == ["2026-11-24T07:00:00Z"]
    assert simulation.outcomes() == {
        "11-24T01:00": "started", "11-24T02:00": "missed", "11-24T03:00": "missed", "11-24T04:00": "missed",
        "11-24T05:00": "missed", "11-24T06:00": "caught up", "11-24T07:00": "started"}  # fmt: skip


def test_resuming_after_a_clock_was_years_ahead_runs_no_tick_twice(simulation: Simulation) -> None:
    simulation.database.add(hourly())
    simulation.at("2026-11-30 00:30")
    assert simulation.at("2026-11-24 12:00") == []
    simulation.database.resume("nightly")
    assert simulation.at("2026-11-24 13:00") == []  # decided already
    assert simulation.at("2026-11-30 01:00") == ["2026-11-30T01:00:00Z"]
    assert len(simulation.database.ticks()) == 6 * 24 + 1


def test_paused_schedules_are_not_planned(simulation: Simulation) -> None:
    simulation.database.add(hourly())
    simulation.at("2026-11-24 01:00")
    simulation.database.pause("nightly")
    assert simulation.at("2026-11-24 03:30") == []
    simulation.database.resume("nightly")
    assert simulation.at("2026-11-24 04:00") == ["2026-11-24T04:00:00Z"]
    assert list(simulation.outcomes()) == ["11-24T01:00", "11-24T04:00"]


def test_manual_ticks(simulation: Simulation) -> None:
    simulation.database.add(hourly())
    simulation.database.pause("nightly")
    simulation.database.trigger("nightly")
    assert simulation.at("2026-11-24 01:00", busy="x") == []
    assert simulation.at("2026-11-25 01:00") == ["2026-11-24T00:00:00Z"]  # whenever the root is free
    [tick] = simulation.database.ticks()
    assert (tick.decision, tick.manual, tick.reason) == (Outcome.STARTED, True, "")


def test_a_schedule_paused_between_check_and_start_does_not_start(simulation: Simulation) -> None:
    simulation.database.add(hourly())
    simulation.clock.set("2026-11-24 01:00")
    simulation.recorder.check("")
    [candidate] = simulation.recorder.candidates()
    simulation.database.pause("nightly")
    assert simulation.attempts.start(candidate) is None
    assert simulation.outcomes() == {"11-24T01:00": "skipped"}


def test_an_unknown_zone_stops_only_its_schedule(
    simulation: Simulation, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    simulation.database.add(schedule("berlin", triggers.cron("0 2 * * *", "Europe/Berlin")))
    simulation.database.add(schedule("utc", triggers.cron("0 2 * * *")))

    def gone(name: str) -> None:
        raise ValueError(name)

    monkeypatch.setattr("zoneinfo.ZoneInfo", gone)
    assert simulation.at("2026-11-24 02:00") == ["2026-11-24T02:00:00Z"]
    simulation.check()
    assert caplog.text.count("cannot plan the ticks of berlin: no time zone 'Europe/Berlin'") == 1


def test_both_changes_of_the_clocks_with_a_daemon_that_is_restarted(simulation: Simulation) -> None:
    """Looks every third hour, away three days in ten; the clock jumps a day ahead and back: one decision a tick.

    From March to October, with both changes.
    """
    simulation.clock.set("2026-03-15 00:00")
    created = "2026-03-15T00:00:00Z"
    nightly = triggers.cron("30 2 * * *", "Europe/Berlin")
    simulation.database.add(schedule("nightly", nightly, created, max_late=7200.0))
    simulation.database.add(schedule("sixth", triggers.every("6h"), created, overlap=Overlap.QUEUE, max_late=3600.0))
    for hour in range(0, 231 * 24, 3):
        if hour % 240 == 0:
            simulation.start_daemon()
        if hour % 240 >= 72:
            simulation.clock.time = at("2026-03-15 00:00") + datetime.timedelta(hours=hour)
            simulation.check(busy="x" if hour % 7 == 0 else "")
        if hour % 2_001 == 1_998:
            simulation.clock.forward(86_400)
            simulation.check()
    simulation.at("2026-11-01 00:00")
    for name, found in (("nightly", nightly), ("sixth", triggers.every("6h"))):
        ticks = simulation.database.ticks(name)
        wanted = triggers.between(found, times.from_text(created), at("2026-03-15 00:00"), at("2026-11-01 00:00"))
        assert [tick.planned for tick in reversed(ticks)] == [times.as_text(when) for when in wanted]
        counted = collections.Counter(tick.decision for tick in ticks)
        assert counted[None] == 0
        assert min(counted[Outcome.STARTED], counted[Outcome.CAUGHT_UP], counted[Outcome.MISSED]) > 0
        assert all(len(tick.attempts) == (tick.state == "succeeded") for tick in ticks)
    assert len(simulation.database.ticks("nightly")) == 231
