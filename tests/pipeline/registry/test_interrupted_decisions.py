"""A promotion and a rollback, killed at some of their steps, and another operation after that.

tests/chaos kills every operation at each of its steps and runs every other one after it.
"""

from __future__ import annotations

import random

import pytest

from tests.chaos import kill_steps

SEED = 20_261_127
EVERY = 12  # a promotion and a rollback have dozens of steps


@pytest.mark.component
@pytest.mark.sqlite_file  # it copies roots; test_lost_connection.py is about databases
@pytest.mark.parametrize(("first", "other"), [("promote", "gc"), ("rollback", "restore")])
def test_an_operation_after_a_decision_that_was_killed_at_some_of_its_steps(four, first, other):
    start = random.Random(f"{SEED} {first}").randint(1, EVERY)
    prepared = kill_steps.prepare(four)
    assert list(kill_steps.failures(four, prepared, first, [other], start, EVERY)) == []
