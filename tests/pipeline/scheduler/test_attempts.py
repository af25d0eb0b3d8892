from __future__ import annotations

import pathlib
from collections.abc import Iterator

import pytest

from pipeline.scheduler import outcome
from pipeline.scheduler.attempts import Attempts
from pipeline.scheduler.outcome import Outcome
from pipeline.scheduler.store import ScheduleDatabase
from pipeline.scheduler.tick_decisions import TickDecisions
from pipeline.scheduler.types import CatchUp
from pipeline_config import SchedulePolicies
from tests.builders.schedules import SetClock
from tests.builders.schedules import new_schedule as schedule

POLICIES = schedule().policies

FAILED = Outcome("failed", 1, "it does not learn", may_pass=True)


class Tried:
    """A schedule whose tick of 3 o'clock is due."""

    def __init__(self, root: pathlib.Path) -> None:
        self.clock = SetClock("2026-11-24 03:00")
        self.database = ScheduleDatabase.open(root, self.clock)
        self.deciding, self.attempts = TickDecisions(self.database), Attempts(self.database)
        self.database.add(schedule())
        self.deciding.look("")

    def begin(self) -> int:
        [candidate] = self.deciding.candidates()
        attempt = self.attempts.begin(candidate)
        assert attempt is not None
        self.attempts.note_process(attempt, 1, "one")
        return attempt

    def try_it(self, ended: Outcome, policies: SchedulePolicies | None = POLICIES) -> None:
        self.attempts.end(self.begin(), ended, policies)

    def wait(self, seconds: float) -> int:
        """How many may start so much later, and not a second sooner."""
        self.clock.forward(seconds - 1)
        assert list(self.deciding.candidates()) == []
        self.clock.forward(1)
        return len(list(self.deciding.candidates()))


@pytest.fixture
def tried(tmp_path: pathlib.Path) -> Iterator[Tried]:
    found = Tried(tmp_path)
    yield found
    found.database.close()


def test_waits_double_until_nothing_is_tried_any_more(tried: Tried) -> None:
    tried.try_it(FAILED)
    assert tried.database.ticks()[0].state == "waiting"
    assert tried.wait(60) == 1
    tried.try_it(FAILED)
    assert tried.wait(120) == 1
    assert tried.attempts.untold() == ()
    tried.try_it(FAILED)
    [tick] = tried.database.ticks()
    assert (tick.state, len(tick.attempts)) == ("failed", 3)
    [done] = tried.attempts.untold()
    assert (done.state, done.exit_code) == ("failed", 1)
    tried.attempts.note_told(done.tick)
    assert tried.attempts.untold() == ()


def test_a_long_row_of_retries_waits_a_day_at_most(tried: Tried) -> None:
    many = SchedulePolicies(**{**vars(POLICIES), "retries": 100})
    for _ in range(30):
        tried.try_it(FAILED, many)
        tried.clock.forward(86_400)
    assert tried.database.ticks()[0].state == "waiting"


@pytest.mark.parametrize("policies", [None, POLICIES])
def test_what_is_not_tried_again(tried: Tried, policies: SchedulePolicies | None) -> None:
    tried.try_it(Outcome("failed", 4, "the gate", may_pass=policies is None), policies)
    assert tried.database.ticks()[0].state == "failed"


def test_what_never_began_is_begun_at_once_and_not_counted(tried: Tried) -> None:
    one = SchedulePolicies(**{**vars(POLICIES), "retries": 1})
    for _ in range(3):
        tried.try_it(outcome.never_begun(), one)
    tried.try_it(FAILED, one)
    assert tried.wait(60) == 1
    tried.try_it(FAILED, one)
    [tick] = tried.database.ticks()
    assert tick.state == "failed"
    assert [one.ended for one in tick.attempts] == ["", "", "", "2026-11-24T03:00:00Z", "2026-11-24T03:01:00Z"]


def test_what_never_began_is_not_begun_when_it_is_too_late_for_it(tried: Tried) -> None:
    attempt = tried.begin()
    tried.clock.forward(601)
    never = SchedulePolicies(**{**vars(POLICIES), "catch_up": CatchUp.NONE})
    tried.attempts.end(attempt, outcome.never_begun(), never)
    assert tried.database.ticks()[0].state == "failed"


def test_pausing_and_removing_give_up_what_waits_for_a_retry(tried: Tried) -> None:
    tried.try_it(FAILED)
    tried.clock.forward(60)
    [candidate] = tried.deciding.candidates()
    tried.database.remove("nightly")
    assert tried.attempts.begin(candidate) is None
    assert tried.database.ticks()[0].state == "failed"
    assert list(tried.deciding.candidates()) == []


def test_what_is_not_closed_is_found_by_the_next_daemon(tried: Tried) -> None:
    attempt = tried.begin()
    tried.attempts.note_run(attempt, "20261124-030000")
    [unended] = Attempts(tried.database).unended()
    assert (unended.id, unended.schedule, unended.process, unended.identity) == (attempt, "nightly", 1, "one")
    [tick] = tried.database.ticks()
    assert (tick.state, tick.attempts[0].run_id) == ("running", "20261124-030000")
    tried.attempts.end(attempt, FAILED, None)
    assert Attempts(tried.database).unended() == ()
