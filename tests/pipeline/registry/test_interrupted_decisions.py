"""A promotion and a rollback, killed at each step, and another operation after that; all pairs are in tests/chaos."""

from __future__ import annotations

import pytest

from tests.chaos import kill_steps


@pytest.mark.component
@pytest.mark.parametrize(("first", "other"), [("promote", "gc"), ("rollback", "restore")])
def test_an_operation_after_one_that_was_killed_at_any_step(four, first, other):
    assert list(kill_steps.failures(four, kill_steps.prepare(four), first, [other])) == []
