"""What the tests of scheduling share: times, schedules, and a clock that is set by hand."""

from __future__ import annotations

import dataclasses
import datetime
from typing import Any

from pipeline.scheduler import times
from pipeline.scheduler.triggers import cron
from pipeline.scheduler.types import CatchUp, Overlap, Schedule, Timing, Work
from pipeline_config import SchedulePolicies

CREATED = "2026-11-24T00:00:00Z"
POLICIES = SchedulePolicies(
    overlap=Overlap.SKIP,
    catch_up=CatchUp.ONE,
    catch_up_limit=3,
    max_late=600.0,
    jitter=0.0,
    retries=2,
    retry_wait=60.0,
    timeout=0.0,
)


def at(text: str) -> datetime.datetime:
    """A time in UTC: `2026-11-24 03:00`, `2026-11-24 03:00:05`."""
    return datetime.datetime.fromisoformat(text).replace(tzinfo=datetime.timezone.utc)


def texts(found: Any) -> list[str]:
    return [times.as_text(when) for when in found]


def schedule(name: str = "nightly", timing: Timing | None = None, created: str = CREATED, **policies: Any) -> Schedule:
    return Schedule(
        name=name,
        timing=timing or cron("0 3 * * *"),
        work=Work("sample"),
        policies=dataclasses.replace(POLICIES, **policies),
        created=created,
    )


class SetClock:
    """A clock that shows what it is set to."""

    def __init__(self, now: str = "2026-11-24 00:00") -> None:
        self.time = at(now)

    def now(self) -> datetime.datetime:
        return self.time

    def set(self, text: str) -> None:
        self.time = at(text)

    def forward(self, seconds: float) -> None:
        self.time += datetime.timedelta(seconds=seconds)
