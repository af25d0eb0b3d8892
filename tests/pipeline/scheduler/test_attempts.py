from __future__ import annotations

import pathlib
from collections.abc import Iterator

import pytest

from pipeline.scheduler import attempt_result
from pipeline.scheduler.attempt_result import AttemptResult
from pipeline.scheduler.attempts import Attempts
from pipeline.scheduler.store import ScheduleDatabase
from pipeline.scheduler.tick_outcomes import TickOutcomes
from pipeline.scheduler.types import CatchUp
from pipeline_config import SchedulePolicies
from tests.builders.schedules import SetClock
from tests.builders.schedules import new_schedule as schedule

POLICIES = schedule().policies

FAILED = AttemptResult("failed", 1, "it does not learn", transient=True)


class Tried:
    """A schedule whose tick of 3 o'clock is due."""

    def __init__(self, root: pathlib.Path) -> None:
        self.clock = SetClock("2026-11-24 03:00")
        self.database = ScheduleDatabase.open(root, self.clock)
        self.outcomes, self.attempts = TickOutcomes(self.database), Attempts(self.database)
        self.database.add(schedule())
        self.outcomes.check("")

    def begin(self) -> int:
        [candidate] = self.outcomes.candidates()
        attempt = self.attempts.start(candidate)
        assert attempt is not None
        self.attempts.record_process(attempt, 4711, "one")
        return attempt

    def try_it(self, ended: AttemptResult, policies: SchedulePolicies | None = POLICIES) -> None:
        self.attempts.end(self.begin(), ended, policies)

    def wait(self, seconds: float) -> int:
        """How many may start so much later, and not a second sooner."""
        self.clock.forward(seconds - 1)
        assert list(self.outcomes.candidates()) == []
        self.clock.forward(1)
        return len(list(self.outcomes.candidates()))


@pytest.fixture
def tried(tmp_path: pathlib.Path) -> Iterator[Tried]:
    found = Tried(tmp_path)
    yield found
    found.database.close()


def test_the_retry_wait_doubles_until_the_last_retry(tried: Tried) -> None:
    tried.try_it(FAILED)
    assert tried.database.ticks()[0].state == "waiting"
    assert tried.wait(60) == 1
    tried.try_it(FAILED)
    assert tried.wait(120) == 1
    assert tried.attempts.awaiting_hooks() == ()
    tried.try_it(FAILED)
    [tick] = tried.database.ticks()
    assert (tick.state, len(tick.attempts)) == ("failed", 3)
    [done] = tried.attempts.awaiting_hooks()
    assert (done.state, done.exit_code) == ("failed", 1)
    tried.attempts.record_hooks_done(done.tick)
    assert tried.attempts.awaiting_hooks() == ()


def test_the_retry_wait_is_at_most_a_day(tried: Tried) -> None:
    many = SchedulePolicies(**{**vars(POLICIES), "retries": 100})
    for _ in range(30):
        tried.try_it(FAILED, many)
        tried.clock.forward(86_400)
    assert tried.database.ticks()[0].state == "waiting"


@pytest.mark.parametrize("policies", [None, POLICIES])
def test_permanent_failures_are_not_retried(tried: Tried, policies: SchedulePolicies | None) -> None:
    tried.try_it(AttemptResult("failed", 4, "the gate", transient=policies is None), policies)
    assert tried.database.ticks()[0].state == "failed"


def test_a_run_that_never_started_is_restarted_at_once_and_not_counted(tried: Tried) -> None:
    one = SchedulePolicies(**{**vars(POLICIES), "retries": 1})
    for _ in range(3):
        tried.try_it(attempt_result.never_started(), one)
    tried.try_it(FAILED, one)
    assert tried.wait(60) == 1
    tried.try_it(FAILED, one)
    [tick] = tried.database.ticks()
    assert tick.state == "failed"
    assert [one.ended for one in tick.attempts] == ["", "", "", "2026-11-24T03:00:00Z", "2026-11-24T03:01:00Z"]


def test_a_run_that_never_started_is_not_restarted_after_max_late(tried: Tried) -> None:
    attempt = tried.begin()
    tried.clock.forward(601)
    never = SchedulePolicies(**{**vars(POLICIES), "catch_up": CatchUp.NONE})
    tried.attempts.end(attempt, attempt_result.never_started(), never)
    assert tried.database.ticks()[0].state == "failed"


def test_pausing_and_removing_cancel_retries(tried: Tried) -> None:
    tried.try_it(FAILED)
    tried.clock.forward(60)
    [candidate] = tried.outcomes.candidates()
    tried.database.remove("nightly")
    assert tried.attempts.start(candidate) is None
    assert tried.database.ticks()[0].state == "failed"
    assert list(tried.outcomes.candidates()) == []


def test_open_attempts_are_found_by_the_next_daemon(tried: Tried) -> None:
    attempt = tried.begin()
    tried.attempts.record_run_id(attempt, "20261124-030000")
    [found] = Attempts(tried.database).open_attempts()
    assert (found.id, found.schedule, found.process, found.identity) == (attempt, "nightly", 4711, "one")
    [tick] = tried.database.ticks()
    assert (tick.state, tick.attempts[0].run_id) == ("running", "20261124-030000")
    tried.attempts.end(attempt, FAILED, None)
    assert Attempts(tried.database).open_attempts() == ()
