"""Any operation on a root, killed at any of its steps, then any other: nothing served or pinned is lost."""

from __future__ import annotations

import pytest

from tests.builders.histories import four, made_once
from tests.chaos import kill_steps

__all__ = ["four", "made_once"]


@pytest.mark.parametrize("first", kill_steps.OPERATIONS)
def test_any_operation_after_one_that_was_killed_at_any_step(four, first):
    kill_steps.prepare_resume(four)
    prepared = kill_steps.prepare(four)
    assert list(kill_steps.failures(four, prepared, first, list(kill_steps.OPERATIONS))) == []
