"""Parse cron expressions of five fields with cronsim, which follows Debian's cron (crontab(5), cron(8)).

Differences from cronsim:

- Unless the hour begins with `*`, a time in the gap when clocks go forward comes once, at the first moment after it; a
  time in the repeated hour when they go back comes the first time only. (Debian's cron and cronsim make an exception
  for `*` as the minute as well, which would lose a nightly job in the gap.)
- If the hour begins with `*`, ticks follow the wall clock: none in a gap, and both of two equal hours. cronsim loses
  some where clocks change by half an hour (Lord Howe), so it computes the times of one UTC offset at a time.
- `fri-sun` and `fri-0` are allowed, and crontab(5)'s nicknames, such as `@daily`. What only some crons support is
  refused: seconds, `L`, `#`, `5/15`.
"""

from __future__ import annotations

import calendar
import dataclasses
import datetime
import functools
import re
from collections.abc import Iterator

from cronsim import CronSim, CronSimError

from pipeline.core.errors import UsageError

_EPOCH = datetime.datetime(2000, 1, 1)
_LEAP_YEAR = 2028
_SECOND = datetime.timedelta(seconds=1)
# Name, allowed values for error messages, and the attribute of CronSim with its values.
_FIELDS = (
    ("minute", "0 to 59", "minutes"),
    ("hour", "0 to 23", "hours"),
    ("day of the month", "1 to 31", "days"),
    ("month", "1 to 12 or jan to dec", "months"),
    ("weekday", "0 to 7 or sun to sat (0 and 7 are Sunday)", "weekdays"),
)
# As in crontab(5). `@reboot` is no time.
_NICKNAMES = {
    "@yearly": "0 0 1 1 *",
    "@annually": "0 0 1 1 *",
    "@monthly": "0 0 1 * *",
    "@weekly": "0 0 * * 0",
    "@daily": "0 0 * * *",
    "@midnight": "0 0 * * *",
    "@hourly": "0 * * * *",
}
_TO_SUNDAY = re.compile(r"(?<![a-z0-9])(?!sun|0)(\w+)-(?:sun|0)(?![a-z0-9])")
_STEP_FROM_ONE_VALUE = re.compile(r"(^|,)\w+/")


@dataclasses.dataclass(frozen=True)
class Fields:
    """The values that each field allows, in order.

    Attributes:
      weekday: 0 is Sunday, 6 Saturday.
      either_day: whether day of the month or weekday is enough: neither field begins with `*`.
      expression: for cronsim.
      every_hour: whether the hour begins with `*`, so that ticks follow the wall clock when clocks change.
    """

    minute: tuple[int, ...]
    hour: tuple[int, ...]
    day: tuple[int, ...]
    month: tuple[int, ...]
    weekday: tuple[int, ...]
    either_day: bool
    expression: str
    every_hour: bool


def spelled_out(text: str) -> str:
    """Return the five fields of a nickname such as `@daily`; any other text as it is, with single spaces.

    Raises:
      UsageError: there is no such nickname.
    """
    words = " ".join(text.split())
    if words.startswith("@") and words.lower() not in _NICKNAMES:
        raise UsageError(f"cron {text!r} is no nickname: it must be one of {', '.join(_NICKNAMES)}, or five fields")
    return _NICKNAMES.get(words.lower(), words)


@functools.lru_cache(maxsize=256)
def parse(text: str) -> Fields:
    """Parse `0 3 * * 1-5`.

    Raises:
      UsageError: the expression is not valid; names the field and what is allowed.
    """
    words = _words(text)
    minute, hour, day, month, weekday = (_values(index, word, text) for index, word in enumerate(words))
    either_day = not (words[2].startswith("*") or words[4].startswith("*"))
    possible = day[0] <= max(calendar.monthrange(_LEAP_YEAR, number)[1] for number in month)
    if not (possible or either_day):
        raise UsageError(f"cron {text!r} never comes: no such month has a day {day[0]}")
    starred = [word if word.startswith("*") else "" for word in words]
    expression = " ".join(
        [
            _listed(minute),
            starred[1] or _listed(hour),
            starred[2] or (_listed(day) if possible else "*"),  # only the weekday can match
            _listed(month),
            starred[4] or _listed(weekday),
        ]
    )
    return Fields(minute, hour, day, month, weekday, either_day, expression, bool(starred[1]))


def explain(text: str, zone: str) -> str:
    """Return an expression in English: `At 03:00 every day, UTC`."""
    return f"{CronSim(' '.join(_words(text)), _EPOCH).explain()}, {zone}"


def ticks(text: str, zone: datetime.tzinfo, after: datetime.datetime) -> Iterator[datetime.datetime]:
    """Yield the times after a moment, in order, in UTC."""
    fields = parse(text)
    if fields.every_hour:
        yield from _by_wall_clock(fields.expression, zone, after)
        return
    last = after
    for shown in CronSim(fields.expression, after.astimezone(zone)):
        when = shown.astimezone(datetime.timezone.utc)
        if when > last:  # not if `after` is in the second of two equal hours
            last = when
            yield when


def _by_wall_clock(expression: str, zone: datetime.tzinfo, after: datetime.datetime) -> Iterator[datetime.datetime]:
    offset = after.astimezone(zone).utcoffset()
    while True:
        assert offset is not None
        for shown in CronSim(expression, after.astimezone(datetime.timezone(offset))):
            when = shown.astimezone(datetime.timezone.utc)
            if when.astimezone(zone).utcoffset() != offset:
                break
            yield when
            after = when
        else:
            return
        change = _clock_change(after, when, zone)
        offset, after = change.astimezone(zone).utcoffset(), change - _SECOND


def _clock_change(before: datetime.datetime, after: datetime.datetime, zone: datetime.tzinfo) -> datetime.datetime:
    """Return the first second with another UTC offset than `before`, where `after` has another one."""
    offset = before.astimezone(zone).utcoffset()
    while after - before > _SECOND:
        middle = (before + (after - before) / 2).replace(microsecond=0)
        if middle.astimezone(zone).utcoffset() == offset:
            before = middle
        else:
            after = middle
    return after


def _words(text: str) -> list[str]:
    words = text.lower().split()
    if len(words) != len(_FIELDS):
        raise UsageError(
            f"cron {text!r} has {len(words)} fields: write five, minute, hour, day of the month, month, weekday, as in "
            "'0 3 * * *' for every day at 03:00"
        )
    words[-1] = _TO_SUNDAY.sub(r"\1-7", words[-1])
    return words


def _values(index: int, word: str, text: str) -> tuple[int, ...]:
    name, allowed, attribute = _FIELDS[index]
    try:
        parsed = CronSim(" ".join([*["*"] * index, word, *["*"] * (len(_FIELDS) - 1 - index)]), _EPOCH)
        values = getattr(parsed, attribute)
        known = all(isinstance(value, int) and value >= 0 for value in values)  # not for L, LW and #
    except (CronSimError, ValueError):  # also a number of thousands of digits
        known = False
    if not known or _STEP_FROM_ONE_VALUE.search(word):  # crons disagree on 5/15
        raise UsageError(
            f"cron {text!r}: {word!r} is no {name}: it must be {allowed}, a range such as {allowed[0]}-5, a list, or a "
            "step such as */2"
        )
    return tuple(sorted({value % 7 for value in values} if name == "weekday" else values))


def _listed(values: tuple[int, ...]) -> str:
    return ",".join(map(str, values))
