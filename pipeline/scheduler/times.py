"""The clock, and times and durations as text: `2026-11-24T03:00:00Z`, `1h30m`, `1 h 30 min`."""

from __future__ import annotations

import datetime
import re
from collections.abc import Callable

from pipeline.core.errors import UsageError
from pipeline_config import LONGEST

_FORMAT = "%Y-%m-%dT%H:%M:%SZ"
# Python converts no more than 4,300 digits.
_DURATION = re.compile("".join(rf"(?:(\d{{1,4000}}){unit})?" for unit in "dhms"))
MINUTE, HOUR, DAY = 60, 3_600, 86_400  # seconds
_UNITS = (("d", DAY), ("h", HOUR), ("min", MINUTE), ("s", 1))
END = "9000"  # year after the times in the schedule database: sums with them are still dates
Clock = Callable[[], datetime.datetime]  # returns the current time in UTC; it may jump, in both directions


def now() -> datetime.datetime:
    """Return the current time in UTC, by the clock of this machine."""
    return datetime.datetime.now(datetime.timezone.utc)


def as_text(when: datetime.datetime) -> str:
    """Write a time in UTC, truncated to the second; the texts sort like the times."""
    utc = when.astimezone(datetime.timezone.utc)
    return f"{utc.year:04}{utc.strftime(_FORMAT)[-16:]}"


def from_text(text: str) -> datetime.datetime:
    """Parse a text of `as_text`. Raises `ValueError`."""
    return datetime.datetime.strptime(text, _FORMAT).replace(tzinfo=datetime.timezone.utc)


def duration(text: str, what: str, least: float = 0.0) -> float:
    """Parse a duration such as `30s`, `15m`, `6h`, `1d` or `1h30m`; return seconds.

    Args:
      text: as given.
      what: names it in an error: `--every`.
      least: minimum, seconds.

    Raises:
      UsageError: it is no duration, or too short or too long.
    """
    match = _DURATION.fullmatch(text.strip())
    if not match or not text.strip() or not text.isascii():
        raise UsageError(
            f"{what} {text!r} is no duration: write days, hours, minutes, seconds, as in 1d, 6h, 1h30m, 45s"
        )
    seconds = sum(int(number or 0) * unit for number, (_, unit) in zip(match.groups(), _UNITS, strict=True))
    if seconds < least:
        raise UsageError(f"{what} {text!r} is too short: it must be at least {in_words(least)}")
    if seconds > LONGEST:
        raise UsageError(f"{what} {text!r} is too long: it must be at most {in_words(LONGEST)}")
    return float(seconds)


def as_number(seconds: float) -> str:
    """Write seconds without an exponent: `1209600`, `0.5`."""
    return f"{seconds:.15g}"


def in_words(seconds: float) -> str:
    """Write `1 h 30 min`, `1 d`, `45 s` or `0 s`, truncated to the second."""
    rest, words = int(seconds), []
    for unit, size in _UNITS:
        number, rest = divmod(rest, size)
        if number:
            words.append(f"{number} {unit}")
    return " ".join(words) or "0 s"
