"""The time: the machine's, or another one where it must be simulated."""

from __future__ import annotations

import datetime
from typing import Protocol

_NOTICED = 1.0  # seconds; clocks are put right by less all the time


class Clock(Protocol):
    """Tells the time."""

    def now(self) -> datetime.datetime:
        """An aware time in UTC. It may jump, in both directions."""


class SystemClock:
    """The machine's."""

    def now(self) -> datetime.datetime:
        """The time, as the machine knows it."""
        return datetime.datetime.now(datetime.timezone.utc)


class Jumps:
    """Notices a clock that is put back."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._last = clock.now()

    def back(self) -> float:
        """Seconds that the clock went back by since the last call; 0 where it did not, or by less than one."""
        now, before = self._clock.now(), self._last
        self._last = now
        seconds = (before - now).total_seconds()
        return seconds if seconds >= _NOTICED else 0.0
