"""Numbers, times and sizes as pages write them."""

from __future__ import annotations

import datetime
import math

_MINUTE, _HOUR, _DAY = 60, 3_600, 86_400  # seconds
_SIZES = ("B", "KiB", "MiB", "GiB", "TiB")
_DIGITS = 12  # of a digest; enough to tell two apart
# Digits after the point by a metric's name; those of losses tell runs apart, those of counts do not.
_DECIMALS = {"active_units": 1, "dead_units": 0, "example_count": 0}

NOTHING = "–"  # where there is no value
LONGEST_NAME = 120  # characters of an id or name in a table; all of it is one click or hover away


def duration(seconds: float | None) -> str:
    """`30.1 s`, `2 min 5 s`, `1 h 2 min`."""
    if seconds is None or not math.isfinite(seconds):
        return NOTHING
    seconds = max(0.0, seconds)
    if seconds < 0.1:
        return f"{seconds:.2f} s"
    if seconds < _MINUTE - 0.05:
        return f"{seconds:.1f} s"
    whole = round(seconds)
    if whole < _HOUR:
        return f"{whole // _MINUTE} min {whole % _MINUTE} s"
    if whole < _DAY:
        return f"{whole // _HOUR} h {whole % _HOUR // _MINUTE} min"
    return f"{whole // _DAY} d {whole % _DAY // _HOUR} h"


def moment(when: datetime.datetime | None) -> str:
    """`2026-11-24 16:21`, in UTC."""
    return when.astimezone(datetime.timezone.utc).strftime("%Y-%m-%d %H:%M") if when else NOTHING


def decimal(value: float | None, decimals: int = 4) -> str:
    """A number with so many digits after the point."""
    return f"{value:,.{decimals}f}" if value is not None and math.isfinite(value) else NOTHING


def metric(name: str, value: float | None) -> str:
    """A metric, with the digits that its kind deserves."""
    return decimal(value, _DECIMALS.get(name.removeprefix("test_"), 4))


def delta(name: str, value: float | None, base: float | None) -> str:
    """How a metric stands to another: `+0.0123`; empty where one of them is missing."""
    if value is None or base is None or not (math.isfinite(value) and math.isfinite(base)):
        return ""
    text = metric(name, value - base)
    if not text.strip("-0.,"):
        return "±0"
    return text.replace("-", "−") if value < base else f"+{text}"


def size(count: int) -> str:
    """Bytes, in the unit that leaves few digits: `12.3 KiB`."""
    value, unit = float(count), 0
    while value >= 1024 and unit < len(_SIZES) - 1:
        value, unit = value / 1024, unit + 1
    return f"{value:.1f} {_SIZES[unit]}" if unit else f"{count} B"


def short_digest(digest: str) -> str:
    """The first digits of a digest, without the name of its form."""
    return digest.rpartition(":")[2][:_DIGITS]


def cut(text: str, most: int = LONGEST_NAME) -> str:
    """A text that is not longer than `most` characters; says by an ellipsis that it was cut."""
    return text if len(text) <= most else f"{text[: most - 1]}…"


def count(number: int, one: str, many: str = "") -> str:
    """`1 node`, `10 nodes`."""
    return f"{number:,} {one if number == 1 else many or one + 's'}"


def words(name: str) -> str:
    """A name of code as words: `bce_to_mean_image` as `BCE to mean image`."""
    known = {"bce": "BCE", "mse": "MSE", "pca": "PCA", "l1": "L1"}
    parts = [known.get(part, part) for part in name.replace("_", " ").split()]
    text = " ".join(parts)
    return text[:1].upper() + text[1:]
