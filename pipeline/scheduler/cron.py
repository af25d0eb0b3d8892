"""The five fields of cron: minute, hour, day of the month, month, weekday, read as cron reads them.

APScheduler reads such a text otherwise: 0 is Monday to it, and a day must be right by month and by week where cron
takes either. So the fields are read here, and it is handed plain lists of values.
"""

from __future__ import annotations

import calendar
import dataclasses
import functools

from pipeline.core.errors import UsageError

_MONTHS = ("jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec")
_WEEKDAYS = ("sun", "mon", "tue", "wed", "thu", "fri", "sat")
_LEAP_YEAR = 2028


@dataclasses.dataclass(frozen=True)
class _Kind:
    """What a field may be: from `low` to `high`, or one of `names`, which count from `low`."""

    name: str
    low: int
    high: int
    names: tuple[str, ...] = ()


_KINDS = (
    _Kind("minute", 0, 59),
    _Kind("hour", 0, 23),
    _Kind("day of the month", 1, 31),
    _Kind("month", 1, 12, _MONTHS),
    _Kind("weekday", 0, 7, _WEEKDAYS),
)


@dataclasses.dataclass(frozen=True)
class Field:
    """One field.

    Attributes:
      values: what it allows, in order. Weekdays: 0 is Sunday, 6 Saturday.
      free: whether it begins with `*`, which is how cron tells a field that restricts nothing: also in `*/2`.
    """

    values: tuple[int, ...]
    free: bool


@dataclasses.dataclass(frozen=True)
class Fields:
    """All five.

    Attributes:
      either_day: whether a day need be right by month or by week alone: where both fields restrict it.
    """

    minute: Field
    hour: Field
    day: Field
    month: Field
    weekday: Field

    @property
    def either_day(self) -> bool:
        """As above."""
        return not self.day.free and not self.weekday.free


@functools.lru_cache(maxsize=256)
def parse(text: str) -> Fields:
    """The fields of `0 3 * * 1-5`.

    Raises:
      UsageError: it is none; says which field, and what is allowed there.
    """
    words = text.lower().split()
    if len(words) != len(_KINDS):
        raise UsageError(
            f"cron {text!r} has {len(words)} fields: write five, minute, hour, day of the month, month, weekday, as in "
            "'0 3 * * *' for every day at 03:00"
        )
    fields = Fields(*(_field(word, kind, text) for word, kind in zip(words, _KINDS, strict=True)))
    last_days = [calendar.monthrange(_LEAP_YEAR, month)[1] for month in fields.month.values]
    if fields.day.values[0] > max(last_days) and not fields.either_day:
        raise UsageError(f"cron {text!r} never comes: no such month has a day {fields.day.values[0]}")
    return fields


def _field(word: str, kind: _Kind, text: str) -> Field:
    values: set[int] = set()
    for part in word.split(","):
        values.update(_part(part, kind, text))
    if kind.name == "weekday":
        values = {value % 7 for value in values}
    return Field(tuple(sorted(values)), word.startswith("*"))


def _part(part: str, kind: _Kind, text: str) -> range:
    """`*`, `5`, `1-5`, `*/15`, `8-18/2` or `mon-fri`."""
    span, slash, step_text = part.partition("/")
    step = _number(step_text, 1, kind.high, part, kind, text) if slash else 1
    if span == "*":
        return range(kind.low, kind.high + (kind.name != "weekday"), step)
    first_text, dash, last_text = span.partition("-")
    first = _value(first_text, part, kind, text)
    if slash and not dash:
        raise _wrong(part, kind, text)  # crons disagree on what 5/15 is
    last = _value(last_text, part, kind, text) if dash else first
    if kind.name == "weekday" and last_text in ("sun", "0") and first > 0:
        last = 7
    if last < first:
        raise _wrong(part, kind, text)
    return range(first, last + 1, step)


def _value(word: str, part: str, kind: _Kind, text: str) -> int:
    if word in kind.names:
        return kind.names.index(word) + kind.low
    return _number(word, kind.low, kind.high, part, kind, text)


def _number(word: str, low: int, high: int, part: str, kind: _Kind, text: str) -> int:
    if not (word.isascii() and word.isdecimal() and len(word) <= 2 and low <= int(word) <= high):
        raise _wrong(part, kind, text)
    return int(word)


def _wrong(part: str, kind: _Kind, text: str) -> UsageError:
    names = f" or {kind.names[0]} to {kind.names[-1]}" if kind.names else ""
    sunday = " (0 and 7 are Sunday)" if kind.name == "weekday" else ""
    return UsageError(
        f"cron {text!r}: {part!r} is no {kind.name}: it must be {kind.low} to {kind.high}{names}{sunday}, a range "
        f"such as {kind.low}-{kind.low + 4}, a list, or a step such as */2"
    )
