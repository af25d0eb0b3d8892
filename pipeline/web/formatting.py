"""Values as pages write them: those of `core.text`, and what only pages need."""

from __future__ import annotations

import datetime
import math
from typing import Any

from components.evaluation.metrics import METRICS, Metric
from pipeline.core.text import seconds_text, when_text

_BY_NAME = {name: one for one in METRICS for name in (one.name, one.run_key) if name}
RUN_METRICS = tuple(one for one in METRICS if one.column)  # in lists of runs, their charts and comparisons

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
    """Write a metric with the digits that it declares."""
    return decimal(value, _BY_NAME[name].decimals if name in _BY_NAME else 4)


def metric_label(name: str) -> str:
    """Write the label of a metric, or its name as words if it is not declared."""
    return capitalized(_BY_NAME[name].label) if name in _BY_NAME else words(name)


def run_metric_title(one: Metric, unit: bool = False) -> str:
    """Write the title of a metric of runs: `Test BCE`; with its unit: `Test BCE, nats per pixel`."""
    return words(one.run_key) + (f", {one.unit}" if unit and one.unit else "")


def run_metric_name(one: Metric) -> str:
    """Write the name of a metric of runs inside a sentence: `test BCE`."""
    title = run_metric_title(one)
    return title[:1].lower() + title[1:]


def run_metric(row: Any, one: Metric) -> float | None:
    """Return a metric of a row of runs."""
    value: float | None = row.metrics.get(one.run_key)
    return value


def delta(name: str, value: float | None, base: float | None) -> str:
    """Write the difference between two values of a metric: `+0.0123`; empty if one of them is missing."""
    if value is None or base is None or not (math.isfinite(value) and math.isfinite(base)):
        return ""
    text = metric(name, value - base)
    if not text.strip("-0.,"):
        return "±0"
    return text.replace("-", "−") if value < base else f"+{text}"


def cut(text: str, most: int = LONGEST_NAME) -> str:
    """Cut a text to `most` characters, with an ellipsis."""
    return text if len(text) <= most else f"{text[: most - 1]}…"


def words(name: str) -> str:
    """Write an identifier as words: `bce_to_mean_image` as `BCE to mean image`."""
    known = {"bce": "BCE", "mse": "MSE", "pca": "PCA", "l1": "L1"}
    parts = [known.get(part, part) for part in name.replace("_", " ").split()]
    text = " ".join(parts)
    return capitalized(text)


def capitalized(text: str) -> str:
    """Write a text with a capital first letter."""
    return text[:1].upper() + text[1:]
