"""Check the timing of a schedule, and compute its ticks."""

from __future__ import annotations

import datetime
import itertools
import zoneinfo
from collections.abc import Iterator

from pipeline.core.errors import UsageError
from pipeline.scheduler import cron as cron_expressions
from pipeline.scheduler import times
from pipeline.scheduler.types import Timing, TimingKind

_SHORTEST_INTERVAL = 1.0  # seconds: times are kept to the second


def cron(text: str, zone: str = "UTC") -> Timing:
    """Return ticks by a cron expression or a nickname such as `@daily`, read in a time zone.

    Raises:
      UsageError: the expression or the zone is not valid.
    """
    fields = cron_expressions.spelled_out(text)
    cron_expressions.parse(fields)
    zone_of(zone)
    return Timing(TimingKind.CRON, cron=fields, zone=zone)


def every(text: str) -> Timing:
    """Return ticks at an interval such as `30s`, `15m`, `6h`, `1d` or `1h30m`, counted from when a schedule was added.

    Raises:
      UsageError: it is not a duration, or too short.
    """
    return Timing(TimingKind.EVERY, every=times.duration(text, "--every", _SHORTEST_INTERVAL))


def on_data_change(text: str) -> Timing:
    """Return checks of the data at such an interval. Raises `UsageError`."""
    return Timing(TimingKind.DATA_CHANGE, every=times.duration(text, "--on-data-change", _SHORTEST_INTERVAL))


def ticks(timing: Timing, created: datetime.datetime, after: datetime.datetime) -> Iterator[datetime.datetime]:
    """Yield all ticks after both moments, in order, in UTC, without an end; intervals count from `created`."""
    created = created.replace(microsecond=0)
    after = max(after, created)
    if timing.kind is TimingKind.CRON:
        return cron_expressions.ticks(timing.cron, zone_of(timing.zone), after)
    interval = datetime.timedelta(seconds=int(timing.every))
    return (created + number * interval for number in itertools.count((after - created) // interval + 1))


def next_times(
    timing: Timing, created: datetime.datetime, after: datetime.datetime, count: int
) -> tuple[datetime.datetime, ...]:
    """Return the first `count` of `ticks`."""
    return tuple(itertools.islice(ticks(timing, created, after), count))


def between(
    timing: Timing, created: datetime.datetime, after: datetime.datetime, until: datetime.datetime
) -> Iterator[datetime.datetime]:
    """Return those of `ticks` that are not after `until`."""
    return itertools.takewhile(lambda when: when <= until, ticks(timing, created, after))


def explain(timing: Timing) -> str:
    """Return a timing in English: `At 03:00 every day, UTC`."""
    if timing.kind is TimingKind.EVERY:
        return f"Every {times.in_words(timing.every)}"
    if timing.kind is TimingKind.DATA_CHANGE:
        return f"When the data changed, checked every {times.in_words(timing.every)}"
    return cron_expressions.explain(timing.cron, timing.zone)


def zone_of(name: str) -> datetime.tzinfo:
    """Return a time zone. Raises `UsageError` if there is none of this name."""
    if name == "UTC":  # known without a time zone database
        return datetime.timezone.utc
    try:
        return zoneinfo.ZoneInfo(name)
    except (zoneinfo.ZoneInfoNotFoundError, ValueError, OSError) as error:
        raise UsageError(
            f"no time zone {name!r}: name one as in the tz database, such as Europe/Berlin or America/New_York, or UTC"
        ) from error
