"""The daemon's alarm clock: APScheduler, with a job for each schedule that does nothing but wake the daemon.

What is to be done is in the book, so nothing is lost when a wake-up is: the library drops jobs that are late by more
than a second, and forgets at each start what was missed. It is told not to drop any.
"""

from __future__ import annotations

import contextlib
import datetime
import logging
from collections.abc import Callable, Iterable
from typing import Any

from apscheduler.executors.pool import ThreadPoolExecutor
from apscheduler.jobstores.base import JobLookupError
from apscheduler.schedulers.background import BackgroundScheduler
from apscheduler.triggers.base import BaseTrigger

from pipeline.core.errors import UsageError
from pipeline.scheduler import times, triggers
from pipeline.scheduler.types import Schedule


class _Ticks(BaseTrigger):
    """The times of a schedule, as APScheduler asks for them."""

    def __init__(self, schedule: Schedule) -> None:
        self._schedule = schedule

    def get_next_fire_time(
        self, previous: datetime.datetime | None, now: datetime.datetime
    ) -> datetime.datetime | None:
        created = times.from_text(self._schedule.created)
        found = triggers.next_times(self._schedule.timing, created, max(previous or now, now), 1)
        return found[0] if found else None


class Wakeups:
    """Calls `wake`, in another thread, at each time of the schedules that it follows."""

    def __init__(self, wake: Callable[[], Any]) -> None:
        logging.getLogger("apscheduler").setLevel(logging.WARNING)  # it tells of each wake-up
        self._wake = wake
        self._followed: dict[str, Schedule] = {}
        self._scheduler = BackgroundScheduler(
            timezone=datetime.timezone.utc,
            executors={"default": ThreadPoolExecutor(1)},
            job_defaults={"misfire_grace_time": None, "coalesce": True, "max_instances": 1},
        )
        self._scheduler.start()

    def follow(self, schedules: Iterable[Schedule]) -> None:
        """These from now on, and no others."""
        wanted = {schedule.name: schedule for schedule in schedules if not schedule.paused}
        for name in [name for name, schedule in self._followed.items() if wanted.get(name) != schedule]:
            with contextlib.suppress(JobLookupError):  # it has no more times
                self._scheduler.remove_job(name)
            del self._followed[name]
        for name in wanted.keys() - self._followed.keys():
            with contextlib.suppress(UsageError):  # whoever plans its ticks says that they cannot be
                self._scheduler.add_job(self._wake, _Ticks(wanted[name]), id=name)
            self._followed[name] = wanted[name]

    def stop(self) -> None:
        """Wakes nobody any more."""
        self._scheduler.shutdown(wait=False)
