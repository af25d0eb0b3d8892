"""The JSON object of each command that reads schedules. Keys are named as in `snapshots`; durations are seconds."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from pipeline.core.serialization import plain, text
from pipeline.scheduler import health, wording
from pipeline.scheduler.types import Daemon, Planned, Tick

__all__ = ["history", "listed", "next_times", "shown", "status", "text"]


def listed(found: Sequence[Planned], daemon: Daemon) -> dict[str, Any]:
    """Of `sae schedule list`."""
    return {"schedules": plain(found), "daemon": plain(daemon)}


def shown(found: Planned, ticks: Sequence[Tick]) -> dict[str, Any]:
    """Of `sae schedule show`: all of `Planned`, and the newest ticks."""
    return {**plain(found), "ticks": plain(ticks)}


def next_times(found: Sequence[tuple[Planned, str]]) -> dict[str, Any]:
    """Of `sae schedule next`: the nearest first."""
    rows = [
        {"schedule": one.schedule.name, "time": time, "words": wording.moment(time, one.schedule.timing.zone)}
        for one, time in found
    ]
    return {"times": rows}


def history(ticks: Sequence[Tick], more: bool) -> dict[str, Any]:
    """Of `sae schedule history`. `more`: whether there are older ones that are not listed."""
    return {"ticks": plain(ticks), "more": more}


def status(daemon: Daemon, found: Sequence[Planned]) -> dict[str, Any]:
    """Of `sae schedule status`: the daemon, and what is wrong.

    `unattended`: whether something is planned that no daemon will start; `failing`: by schedule, the last ticks that
    failed or were missed.
    """
    return {
        "daemon": plain(daemon),
        "schedules": len(found),
        "paused": [one.schedule.name for one in found if one.schedule.paused],
        "unattended": health.unattended(daemon, found),
        "failing": plain(health.failing(found)),
    }
