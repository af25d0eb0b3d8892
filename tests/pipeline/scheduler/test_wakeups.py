from __future__ import annotations

import dataclasses
import datetime
import threading

import pytest

from pipeline.scheduler import triggers
from pipeline.scheduler.wakeups import Wakeups
from tests.pipeline.scheduler.helpers import schedule

pytestmark = pytest.mark.component

LONGEST = 30.0  # seconds


def test_it_wakes_at_ticks_of_what_it_follows_alone() -> None:
    woken = threading.Event()
    wakeups = Wakeups(woken.set)
    often = schedule("often", triggers.every("1s"))
    wakeups.follow([often, schedule("never", triggers.cron("0 3 29 2 *"))])
    assert woken.wait(LONGEST)
    wakeups.follow([dataclasses.replace(often, paused="2026-11-24T00:00:00Z")])
    assert wakeups._scheduler.get_jobs() == []
    wakeups.stop()


def test_a_wakeup_that_comes_late_comes_all_the_same() -> None:
    """APScheduler drops jobs that are late by more than a second, if it is not told otherwise."""
    woken = threading.Event()
    wakeups = Wakeups(woken.set)
    wakeups.follow([schedule("never", triggers.cron("0 3 29 2 *"))])
    an_hour_ago = datetime.datetime.now(datetime.timezone.utc) - datetime.timedelta(hours=1)
    wakeups._scheduler.modify_job("never", next_run_time=an_hour_ago)
    assert woken.wait(LONGEST)
    wakeups.stop()
