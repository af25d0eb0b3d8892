"""Whether what is planned is also done."""

from __future__ import annotations

from collections.abc import Iterable

from pipeline.scheduler.types import Daemon, Planned, Tick

_FAILED = ("failed", "missed")


def unattended(daemon: Daemon, found: Iterable[Planned]) -> bool:
    """Whether something is planned that no daemon will start: it is gone or silent, and some schedule is active."""
    return daemon.state in ("stopped", "silent") and any(not one.schedule.paused for one in found)


def failing(found: Iterable[Planned]) -> dict[str, Tick]:
    """The last ticks that failed or were missed, by schedule."""
    return {one.schedule.name: one.last for one in found if one.last and one.last.state in _FAILED}
