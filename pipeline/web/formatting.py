"""Values as pages write them: those of `core.text`, and what only pages need."""

from __future__ import annotations

import datetime
import math
from collections.abc import Sequence

from components.evaluation.metrics import Metric
from pipeline.core.text import seconds_text, when_text

NOTHING = "–"  # instead of a missing value
LONGEST_NAME = 120  # characters of an id or name in a table; the rest is one click or hover away
_ACRONYMS = ("bce", "mse", "pca", "l1")


def duration(seconds: float | None) -> str:
    """Write a duration, or a dash."""
    return seconds_text(seconds) or NOTHING


def moment(when: datetime.datetime | None) -> str:
    """Write `2026-11-24 16:21`, in UTC, or a dash."""
    return when_text(when)[:-3] or NOTHING


def decimal(value: float | None, decimals: int = 4) -> str:
    """Write a number with this many digits after the point, or a dash."""
    return f"{value:,.{decimals}f}" if value is not None and math.isfinite(value) else NOTHING


def cut(text: str, most: int = LONGEST_NAME) -> str:
    """Cut a text to `most` characters, with an ellipsis."""
    return text if len(text) <= most else f"{text[: most - 1]}…"


def words(name: str) -> str:
    """Write an identifier as words: `bce_to_mean_image` as `BCE to mean image`."""
    parts = name.replace("_", " ").split()
    return capitalized(" ".join(part.upper() if part in _ACRONYMS else part for part in parts))


def capitalized(text: str) -> str:
    """Write a text with a capital first letter."""
    return text[:1].upper() + text[1:]


class DeclaredMetrics:
    """How pages name and write the metrics that a pipeline declares.

    Attributes:
      columns: metrics in lists of runs, their charts and comparisons; the first is the headline metric.
    """

    def __init__(self, declared: Sequence[Metric]) -> None:
        self.columns = tuple(one for one in declared if one.column)
        self._by_name = {name: one for one in declared for name in (one.name, one.run_key) if name}

    def text(self, name: str, value: float | None) -> str:
        """Write a value with the digits that its metric declares, or a dash."""
        return decimal(value, self._by_name[name].decimals if name in self._by_name else 4)

    def label(self, name: str) -> str:
        """Return the label of a metric, or its name as words if it is not declared."""
        return capitalized(self._by_name[name].label) if name in self._by_name else words(name)

    def delta(self, name: str, value: float | None, base: float | None) -> str:
        """Write the difference between two values: `+0.0123`; empty if one of them is missing."""
        if value is None or base is None or not (math.isfinite(value) and math.isfinite(base)):
            return ""
        text = self.text(name, value - base)
        if not text.strip("-0.,"):
            return "±0"
        return text.replace("-", "−") if value < base else f"+{text}"


def run_metric_title(metric: Metric, unit: bool = False) -> str:
    """Write the title of a metric of runs: `Test BCE`; with its unit: `Test BCE, nats per pixel`."""
    return words(metric.run_key) + (f", {metric.unit}" if unit and metric.unit else "")


def run_metric_name(metric: Metric) -> str:
    """Write the name of a metric of runs inside a sentence: `test BCE`."""
    title = run_metric_title(metric)
    return title[:1].lower() + title[1:]
