"""The time: the machine's, or another one where it must be simulated."""

from __future__ import annotations

import datetime
from typing import Protocol


class Clock(Protocol):
    """Tells the time."""

    def now(self) -> datetime.datetime:
        """An aware time in UTC. It may jump, in both directions."""


class SystemClock:
    """The machine's."""

    def now(self) -> datetime.datetime:
        """The time, as the machine knows it."""
        return datetime.datetime.now(datetime.timezone.utc)
