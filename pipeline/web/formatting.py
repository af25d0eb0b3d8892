"""Values as pages write them: those of `core.text`, and what only pages need."""

from __future__ import annotations

import datetime
import math
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from components.evaluation.metrics import Metric, by_split, reworded, shown
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
    """Write a text with a capital first letter, unless that is a symbol: `k-NN accuracy`."""
    return text if text[1:2] == "-" else text[:1].upper() + text[1:]


class DeclaredMetrics:
    """How pages name and write the metrics that a pipeline declares.

    Attributes:
      all_columns: metrics in lists of runs, their charts and comparisons.
      headlines: the headline metric, the first that stands for no other one, and those that are columns in its place.
    """

    def __init__(self, declared: Sequence[Metric], replaced: Mapping[str, str] | None = None) -> None:
        """Take the metrics. `replaced`: words to put in place of others, such as `vector` for `image`."""
        self._declared, self._replaced = declared, replaced or {}
        declared = [one.reworded(self._replaced) for one in declared]
        self.all_columns = tuple(one for one in declared if one.column)
        first = next((one.run_key for one in shown(self.all_columns, ())), "")
        self.headlines = tuple(one for one in self.all_columns if first in (one.run_key, one.instead_of))
        self._by_name = {name: one for one in declared for name in (one.name, one.run_key) if name}

    def reworded(self, replaced: Mapping[str, str]) -> DeclaredMetrics:
        """Return the same metrics, with words replaced in all titles, labels and units."""
        return DeclaredMetrics(self._declared, replaced) if replaced else self

    def columns_of(self, rows: Iterable[Any]) -> tuple[Metric, ...]:
        """Return the columns that a list needs whose rows have `metrics`."""
        return shown(self.all_columns, [row.metrics for row in rows])

    def columns_with_values(self, rows: Sequence[Any]) -> tuple[Metric, ...]:
        """Return those of `columns_of` that one of the rows has a value of."""
        return tuple(
            one for one in self.columns_of(rows) if any(row.metrics.get(one.run_key) is not None for row in rows)
        )

    def headlines_of(self, rows: Iterable[Any]) -> tuple[Metric, ...]:
        """Return the columns that stand for a model in such a list: the headline metric, or those in its place."""
        return tuple(one for one in self.columns_of(rows) if one in self.headlines)

    def text(self, name: str, value: float | None) -> str:
        """Write a value with the digits that its metric declares, or a dash."""
        return decimal(value, self._by_name[name].decimals if name in self._by_name else 4)

    def mean_text(self, name: str, value: float | None) -> str:
        """Write a mean over runs, with a digit after the point also of a metric whose values are whole numbers."""
        return decimal(value, max(1, self._by_name[name].decimals)) if name in self._by_name else decimal(value)

    def run_title(self, name: str, unit_of: str = "") -> str:
        """Return the title of a metric of runs, also of the validation split, with the unit of a declared one."""
        found, declared = self._by_name.get(unit_of), self._by_name.get(name)
        title = self.label(name) if declared and declared.name == name else words(name)
        title = reworded(title, self._replaced)
        return title + (f", {found.unit}" if found and found.unit else "")

    def largest(self, name: str) -> float:
        """Return the largest possible value of a metric; infinite if it has none or is not declared."""
        return self._by_name[name].largest if name in self._by_name else math.inf

    def label(self, name: str, replaced: Mapping[str, str] | None = None) -> str:
        """Return the label of a metric, with words replaced, or its name as words if it is not declared."""
        return (
            capitalized(reworded(self._by_name[name].label, replaced or {})) if name in self._by_name else words(name)
        )

    def is_loss(self, name: str) -> bool:
        """Whether a metric of an evaluation is a reconstruction loss."""
        return name in self._by_name and self._by_name[name].is_loss

    def by_split(self, values: Mapping[str, float]) -> tuple[dict[str, float], dict[str, float]]:
        """Return the metrics of a run on the test split, and those on the validation split by the same names."""
        return by_split(values, self._by_name.values())

    @property
    def on_validation(self) -> tuple[str, ...]:
        """The names of the metrics on the validation split."""
        return tuple(name for name, one in self._by_name.items() if one.validation_of)

    def delta(self, name: str, value: float | None, base: float | None) -> str:
        """Write the difference between two values: `+0.0123`; empty if one of them is missing."""
        if value is None or base is None or not (math.isfinite(value) and math.isfinite(base)):
            return ""
        text = self.text(name, value - base)
        if not text.strip("-0.,"):
            return "±0"
        return text.replace("-", "−") if value < base else f"+{text}"


def run_metric_title(metric: Metric, unit: bool = False, replaced: Mapping[str, str] | None = None) -> str:
    """Write the title of a metric of runs: `Test BCE`; with its unit: `Test BCE, nats per pixel`.

    Args:
      metric: of runs.
      unit: whether to add the unit.
      replaced: words to put in place of others in the unit, such as `vector` for `image`.
    """
    return words(metric.run_key) + (f", {reworded(metric.unit, replaced or {})}" if unit and metric.unit else "")


def in_sentence(title: str) -> str:
    """Write a title inside a sentence: `Test BCE` as `test BCE`, but `L1` and `BCE` as they are."""
    first = title.split(" ")[0]
    return title if first[1:] != first[1:].lower() or first.lower() in _ACRONYMS else title[:1].lower() + title[1:]
