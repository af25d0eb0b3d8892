"""When the ticks of a schedule are.

APScheduler's triggers find them. What cron users expect and it does not give stands here and in `cron_fields`:

- Times are those of a clock on the wall in the schedule's zone. A tick in an hour that is skipped when clocks go
  forward comes once, at the first moment after the gap; one in an hour that comes twice when they go back, the first
  time alone.
- Where the hour begins with `*`, the work is hourly or more often, and goes on evenly: nothing is made up for after a
  gap, and both of the two hours have their ticks. Debian's cron does the same (crontab(5), cron(8)).
"""

from __future__ import annotations

import datetime
import functools
import heapq
import zoneinfo
from collections.abc import Iterator, Sequence
from typing import Any

from apscheduler.triggers.combining import OrTrigger
from apscheduler.triggers.cron import CronTrigger
from apscheduler.triggers.interval import IntervalTrigger

from pipeline.core.errors import UsageError
from pipeline.scheduler import cron as cron_fields
from pipeline.scheduler import cron_words, times
from pipeline.scheduler.types import Kind, Timing

_UTC = datetime.timezone.utc
_SHORTEST_INTERVAL = 1.0  # seconds: times are kept to the second
_APSCHEDULER_WEEKDAYS = ("sun", "mon", "tue", "wed", "thu", "fri", "sat")  # by name: its numbers are not cron's
# Clocks go back by less than this. (Whole days are skipped forward alone: Samoa, 2011.)
_LONGEST_REPEAT = datetime.timedelta(hours=3)
_STEP = datetime.timedelta(microseconds=1)


def cron(text: str, zone: str = "UTC") -> Timing:
    """Ticks by cron's five fields, read in a time zone.

    Raises:
      UsageError: it is no such text, or there is no such zone.
    """
    cron_fields.parse(text)
    _zone(zone)
    return Timing(Kind.CRON, cron=" ".join(text.split()), zone=zone)


def every(text: str) -> Timing:
    """Ticks at an interval such as `30s`, `15m`, `6h`, `1d` or `1h30m`, counted from when the schedule was added.

    Raises:
      UsageError: it is none, or too short.
    """
    return Timing(Kind.EVERY, every=times.duration(text, "--every", _SHORTEST_INTERVAL))


def on_data_change(text: str) -> Timing:
    """Looks at the data at such an interval. Raises `UsageError`."""
    return Timing(Kind.DATA_CHANGE, every=times.duration(text, "--on-data-change", _SHORTEST_INTERVAL))


def next_times(
    timing: Timing, created: datetime.datetime, after: datetime.datetime, count: int
) -> tuple[datetime.datetime, ...]:
    """The next ticks.

    Args:
      timing: of the schedule.
      created: when it was added; intervals count from there.
      after: none is at this moment or before it, nor before `created`.
      count: how many; fewer where there are no more.
    """
    found = ticks(timing, created, after)
    return tuple(when for when, _ in zip(found, range(count), strict=False))


def between(
    timing: Timing, created: datetime.datetime, after: datetime.datetime, until: datetime.datetime
) -> Iterator[datetime.datetime]:
    """The ticks after one moment up to another, that one included; made one by one, as they may be many."""
    for when in ticks(timing, created, after):
        if when > until:
            return
        yield when


def ticks(timing: Timing, created: datetime.datetime, after: datetime.datetime) -> Iterator[datetime.datetime]:
    """All ticks after a moment, in order, in UTC; without an end."""
    created = created.replace(microsecond=0)
    after = max(after, created)
    if timing.kind is Kind.CRON:
        return _by_cron(timing, after)
    interval = datetime.timedelta(seconds=timing.every)
    return _fire_times(IntervalTrigger(seconds=int(timing.every), start_date=created + interval, timezone=_UTC), after)


def in_words(timing: Timing) -> str:
    """`every day at 03:00 UTC`."""
    if timing.kind is Kind.EVERY:
        return f"every {times.in_words(timing.every)}"
    if timing.kind is Kind.DATA_CHANGE:
        return f"when the data changed, looked at every {times.in_words(timing.every)}"
    return cron_words.in_words(timing.cron, timing.zone)


def _zone(name: str) -> datetime.tzinfo:
    if name == "UTC":  # known without a data base of time zones
        return _UTC
    try:
        return zoneinfo.ZoneInfo(name)
    except (zoneinfo.ZoneInfoNotFoundError, ValueError, OSError) as error:
        raise UsageError(
            f"no time zone {name!r}: name one as in the tz database, such as Europe/Berlin or America/New_York, or UTC"
        ) from error


@functools.lru_cache(maxsize=256)
def _trigger(text: str) -> Any:
    """APScheduler's trigger for cron's fields, on a clock that is never put forward or back."""
    fields = cron_fields.parse(text)
    weekdays = [_APSCHEDULER_WEEKDAYS[value] for value in fields.weekday.values]
    days = {"day": _joined(fields.day.values, 31), "day_of_week": _joined(weekdays, 7)}
    parts = [{name: value} for name, value in days.items()] if fields.either_day else [days]
    triggers = [
        CronTrigger(
            minute=_joined(fields.minute.values, 60),
            hour=_joined(fields.hour.values, 24),
            month=_joined(fields.month.values, 12),
            timezone=_UTC,
            **part,
        )
        for part in parts
    ]
    return triggers[0] if len(triggers) == 1 else OrTrigger(triggers)


def _joined(values: Sequence[int | str], all_of_them: int) -> str:
    """As APScheduler reads it. It goes through a list one by one, and a `*` at once."""
    return "*" if len(values) == all_of_them else ",".join(str(value) for value in values)


def _fire_times(trigger: Any, after: datetime.datetime) -> Iterator[datetime.datetime]:
    """What a trigger gives after a moment."""
    when = trigger.get_next_fire_time(None, after + _STEP)
    while when is not None:
        yield when.astimezone(_UTC)
        when = trigger.get_next_fire_time(None, when + _STEP)


def _by_cron(timing: Timing, after: datetime.datetime) -> Iterator[datetime.datetime]:
    zone, evenly = _zone(timing.zone), cron_fields.parse(timing.cron).hour.free
    last = after
    for when in _in_order(_trigger(timing.cron), _wall_before(after, zone), zone, evenly):
        if when > last:  # many times of a gap come at one moment after it
            last = when
            yield when


def _in_order(
    trigger: Any, wall: datetime.datetime, zone: datetime.tzinfo, evenly: bool
) -> Iterator[datetime.datetime]:
    """Moments at which a clock on the wall shows what the trigger wants, in order, some of them twice."""
    waiting: list[datetime.datetime] = []  # of an hour that comes twice, the second ones
    for shown in _fire_times(trigger, wall - _STEP):
        moments = _moments(shown.replace(tzinfo=None), zone)
        while waiting and waiting[0] < moments[0]:
            yield heapq.heappop(waiting)
        if evenly and moments == _after_gap(shown.replace(tzinfo=None), zone):
            continue
        for moment in moments if evenly else moments[:1]:
            heapq.heappush(waiting, moment)
    yield from sorted(waiting)


def _moments(wall: datetime.datetime, zone: datetime.tzinfo) -> tuple[datetime.datetime, ...]:
    """When a clock on the wall shows this: once; twice; or, in a gap, never, for which its end stands."""
    if gap_end := _after_gap(wall, zone):
        return gap_end
    first, second = (wall.replace(tzinfo=zone, fold=fold).astimezone(_UTC) for fold in (0, 1))
    return (first,) if first == second else (first, second)


def _after_gap(wall: datetime.datetime, zone: datetime.tzinfo) -> tuple[datetime.datetime, ...]:
    """The first moment after the gap that a time on the wall lies in; nothing where it lies in none."""
    before, after = (wall.replace(tzinfo=zone, fold=fold) for fold in (0, 1))
    if before.astimezone(_UTC).astimezone(zone).replace(tzinfo=None) == wall:
        return ()
    # The offsets before and after the gap. Its end is where the new one begins: search for it, to the second.
    old, new = before.utcoffset(), after.utcoffset()
    assert old is not None
    assert new is not None
    low, high = after.astimezone(_UTC), before.astimezone(_UTC)
    while high - low > datetime.timedelta(seconds=1):
        middle = (low + (high - low) / 2).replace(microsecond=0)
        if middle.astimezone(zone).utcoffset() == new:
            high = middle
        else:
            low = middle
    return (high,)


def _wall_before(after: datetime.datetime, zone: datetime.tzinfo) -> datetime.datetime:
    """What a clock on the wall shows at a moment, as if it were UTC; the earlier time where it is put back soon."""
    here, soon = after.astimezone(zone), (after + _LONGEST_REPEAT).astimezone(zone)
    offset, later = here.utcoffset(), soon.utcoffset()
    assert offset is not None
    assert later is not None
    return here.replace(tzinfo=_UTC, fold=0) - max(offset - later, datetime.timedelta(0))
