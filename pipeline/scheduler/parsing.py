"""From what is typed to a schedule: its timing, its work and its policies, each checked when it is added."""

from __future__ import annotations

import pathlib
from collections.abc import Mapping
from typing import Any

from pipeline.core import settings
from pipeline.core.errors import UsageError
from pipeline.scheduler import times, triggers
from pipeline.scheduler.types import DATA_CHECK_INTERVAL, Timing, Work
from pipeline_config import SchedulePolicies

# Policies that are durations: typed as `90s` or `1h30m`.
DURATIONS = ("max_late", "jitter", "retry_wait", "timeout")


def timing_of(cron: str | None, every: str | None, on_data_change: bool, zone: str | None) -> Timing:
    """When ticks are. Raises `UsageError` unless exactly one kind is given, and rightly."""
    if (cron is not None) + (every is not None and not on_data_change) + on_data_change != 1:
        raise UsageError(
            'give one of --cron, such as "0 3 * * *", --every, such as 6h, and --on-data-change (with it --every says '
            "how often the data is looked at)"
        )
    if cron is not None:
        return triggers.cron(cron, zone or "UTC")
    if zone is not None:
        raise UsageError(f"--zone {zone} is for --cron alone: an interval is the same in every zone")
    if on_data_change:
        return triggers.on_data_change(f"{int(DATA_CHECK_INTERVAL)}s" if every is None else every)
    assert every is not None  # else the first check fails
    return triggers.every(every)


def work_of(request: settings.Request, folder: pathlib.Path) -> tuple[Work, pathlib.Path]:
    """What a tick runs, and the root that it runs in, absolute.

    Args:
      request: as for `sae run`; what it names must be there and right now, not only at three in the night.
      folder: what relative paths count from.

    Raises:
      UsageError: the configuration cannot be put together.
    """
    config = settings.resolve(request).config
    assignments = list(request.assignments)
    data_dir = str(config.values().get("data.data_dir", ""))
    if data_dir and not pathlib.Path(data_dir).is_absolute():
        assignments.append(f"data.data_dir={folder / data_dir}")  # the daemon may run in another folder
    work = Work(
        profile=request.profile,
        config_file=str(folder / request.config_file) if request.config_file else "",
        assignments=tuple(assignments),
        seed=request.seed,
    )
    return work, folder / config.paths.root


def policies_of(given: Mapping[str, Any]) -> SchedulePolicies:
    """How the schedule behaves: what is given by name, and the defaults. Durations are texts such as `1h30m`.

    Raises:
      UsageError: a value is not allowed.
    """
    values = {name: value for name, value in given.items() if value is not None}
    for name in DURATIONS:
        if name in values:
            values[name] = times.duration(values[name], option(name))
    try:
        return SchedulePolicies(**values)
    except ValueError as error:
        raise UsageError(str(error)) from error


def option(name: str) -> str:
    """How a policy is typed: `--max-late`."""
    return f"--{name.replace('_', '-')}"
