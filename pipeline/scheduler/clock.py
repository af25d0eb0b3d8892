"""The clock that planning reads; tests and simulations replace it."""

from __future__ import annotations

import datetime
from typing import Protocol

_SMALLEST_JUMP = 1.0  # seconds; time synchronisation corrects a clock by less all the time


class Clock(Protocol):
    """A source of the current time."""

    def now(self) -> datetime.datetime:
        """Return an aware time in UTC. It may jump, in both directions."""


class SystemClock:
    """The clock of this machine."""

    def now(self) -> datetime.datetime:
        """Return the current time in UTC."""
        return datetime.datetime.now(datetime.timezone.utc)


class Jumps:
    """Detects that a clock was set back."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._last = clock.now()

    def back(self) -> float:
        """Return the seconds by which the clock was set back since the last call; 0 if by less than a second."""
        now, before = self._clock.now(), self._last
        self._last = now
        seconds = (before - now).total_seconds()
        return seconds if seconds >= _SMALLEST_JUMP else 0.0
