"""Values as pages write them: those of `core.text`, and what only pages need."""

from __future__ import annotations

import datetime
import math

from pipeline.core.text import seconds_text, when_text

_DIGITS = 12  # of a digest; enough to tell two apart
# Digits after the point by a metric's name; those of losses tell runs apart, those of counts do not.
_DECIMALS = {"active_units": 1, "dead_units": 0, "example_count": 0}

NOTHING = "–"  # instead of a missing value
LONGEST_NAME = 120  # characters of an id or name in a table; all of it is one click or hover away


def duration(seconds: float | None) -> str:
    """Write a duration, or a dash."""
    return seconds_text(seconds) or NOTHING


def moment(when: datetime.datetime | None) -> str:
    """Write `2026-11-24 16:21`, in UTC, or a dash."""
    return when_text(when)[:-3] or NOTHING


def decimal(value: float | None, decimals: int = 4) -> str:
    """Write a number with so many digits after the point, or a dash."""
    return f"{value:,.{decimals}f}" if value is not None and math.isfinite(value) else NOTHING


def metric(name: str, value: float | None) -> str:
    """Write a metric."""
    return decimal(value, _DECIMALS.get(name.removeprefix("test_"), 4))


def delta(name: str, value: float | None, base: float | None) -> str:
    """Write the difference between two values of a metric: `+0.0123`; empty if one of them is missing."""
    if value is None or base is None or not (math.isfinite(value) and math.isfinite(base)):
        return ""
    text = metric(name, value - base)
    if not text.strip("-0.,"):
        return "±0"
    return text.replace("-", "−") if value < base else f"+{text}"


def short_digest(digest: str) -> str:
    """Write the first digits of a digest, without its form."""
    return digest.rpartition(":")[2][:_DIGITS]


def cut(text: str, most: int = LONGEST_NAME) -> str:
    """Cut a text to `most` characters, with an ellipsis."""
    return text if len(text) <= most else f"{text[: most - 1]}…"


def words(name: str) -> str:
    """Write an identifier as words: `bce_to_mean_image` as `BCE to mean image`."""
    known = {"bce": "BCE", "mse": "MSE", "pca": "PCA", "l1": "L1"}
    parts = [known.get(part, part) for part in name.replace("_", " ").split()]
    text = " ".join(parts)
    return text[:1].upper() + text[1:]
