"""Whether what is planned is also done."""

from __future__ import annotations

import pytest

from pipeline.scheduler import health
from tests.builders import schedules as examples

ACTIVE = examples.planned()
PAUSED = examples.planned(examples.schedule(paused="2026-11-24T12:00:00Z"))


@pytest.mark.parametrize(
    ("daemon", "found", "expected"),
    [
        (examples.RUNNING, [ACTIVE], False),
        (examples.SILENT, [ACTIVE], True),
        (examples.STOPPED, [ACTIVE, PAUSED], True),
        (examples.NEVER, [ACTIVE], True),
        (examples.STOPPED, [PAUSED], False),
        (examples.SILENT, [PAUSED], False),
        (examples.NEVER, [], False),
    ],
)
def test_schedules_that_are_not_paused_need_a_daemon(daemon, found, expected):
    assert health.unattended(daemon, found) is expected


def test_the_last_tick_tells_whether_a_schedule_fails():
    found = [
        examples.planned(examples.schedule("good"), examples.tick()),
        examples.planned(examples.schedule("bad"), examples.FAILED),
        examples.planned(examples.schedule("late"), examples.MISSED),
        examples.planned(examples.schedule("held"), examples.SKIPPED),
        examples.planned(examples.schedule("new")),
    ]
    assert health.failing(found) == {"bad": examples.FAILED, "late": examples.MISSED}
