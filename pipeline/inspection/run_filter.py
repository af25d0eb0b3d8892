"""Conditions on runs, such as `model.l1<1e-3`, and the settings by which runs differ."""

from __future__ import annotations

import dataclasses
import enum
import math
import operator
import re
from collections.abc import Callable, Collection, Mapping, Sequence
from typing import Any

from components.evaluation.metrics import Metric
from pipeline.core import text
from pipeline.core.errors import UsageError
from pipeline.core.settings import applied_settings
from pipeline.inspection.views import RunRow, sort_columns
from pipeline_config import Configuration

_OPERATORS: Mapping[str, Callable[[Any, Any], bool]] = {
    "<=": operator.le,
    ">=": operator.ge,
    "!=": operator.ne,
    "<": operator.lt,
    ">": operator.gt,
    "=": operator.eq,
}
TAG = "tag"  # a run may have several: `tag=paper` holds if it has this one
_ORDERED = ("<", ">", "<=", ">=")
_CONDITION = re.compile(r"\s*([A-Za-z][\w.]*)\s*(<=|>=|!=|==|<|>|=)\s*((?![<>=]).*?)\s*", re.DOTALL)
_FIELDS = ("id", "pipeline", "state", "started", "seconds", "dataset", "trigger", "blessed", "note")
_LONGEST = 200  # characters of a condition
_LONGEST_NUMBER = 9  # characters in a table
_MOST_NAMED = 4  # settings in the name of a run


@dataclasses.dataclass(frozen=True)
class Condition:
    """A condition on a run: `name`, one of `<`, `>`, `<=`, `>=`, `=`, `!=`, and a number or text."""

    name: str
    operator: str
    value: str

    def holds(self, row: RunRow) -> bool:
        """Return whether it holds for a run; never for one without a value."""
        if self.name == TAG:
            return (self.value in row.tags) == (self.operator == "=")
        found = value_of(row, self.name)
        if found is None:
            return False
        number, wanted = number_of(found), number_of(self.value)
        if number is not None and wanted is not None:
            return _OPERATORS[self.operator](number, wanted)
        return self.operator not in _ORDERED and _OPERATORS[self.operator](_text(found), self.value.lower())


def parse(given: Sequence[str]) -> tuple[Condition, ...]:
    """Return the conditions in these texts, which may contain several separated by commas; all have to hold.

    Raises:
      UsageError: one is no condition.
    """
    found = []
    for one in (part for whole in given for part in whole.split(",") if part.strip()):
        match = _CONDITION.fullmatch(one) if len(one) <= _LONGEST else None
        if match is None or not match.group(3):
            raise UsageError(
                f"{text.shortened(one.strip())!r} is no condition: give NAME, one of < > <= >= = !=, and a value, such "
                "as model.l1<1e-3"
            )
        name, symbol, value = match.groups()
        if symbol in _ORDERED and (name == TAG or number_of(value) is None):
            raise UsageError(f"{one.strip()!r}: {symbol} compares numbers, and {value!r} is none; use = or !=")
        found.append(Condition(name, "=" if symbol == "==" else symbol, value))
    return tuple(found)


def value_of(row: RunRow, name: str) -> Any:
    """Return a field, metric or setting of a run; None if it has none."""
    if name in row.metrics:
        return row.metrics[name]
    return row.settings[name] if name in row.settings else getattr(row, name) if name in _FIELDS else None


def check(name: str, rows: Sequence[RunRow], metrics: Sequence[Metric]) -> None:
    """Raise `UsageError` if no run has such a field, metric or setting.

    Args:
      name: of a setting, metric or field.
      rows: all runs.
      metrics: that the pipeline declares; their columns are known whatever the runs contain.
    """
    listed = dict.fromkeys([*sort_columns(metrics), *(key for row in rows for key in row.metrics), *_FIELDS, TAG])
    settings = {key for row in rows for key in row.settings}
    if name not in listed and name not in settings:
        # Lists of runs show the part after the section. `loss` is a setting, but also what a metric measures.
        meant = [one.run_key for one in metrics if one.column and name in re.findall(r"\w+", one.meaning)][:1]
        meant += sorted(key for key in settings if key.rpartition(".")[2] == name)[:1]
        near = f"; did you mean {' or '.join(meant)}?" if meant else text.closest(name, sorted({*listed, *settings}))
        raise UsageError(
            f"no setting or metric {name!r}{near} (there are: {', '.join(listed)}, and the runs' settings)"
        )


def by_value(rows: Sequence[RunRow], name: str, ascending: bool) -> list[RunRow]:
    """Return runs sorted by a field, metric or setting: numbers before texts; those without a value come last."""
    with_value = [row for row in rows if value_of(row, name) is not None]
    with_value.sort(key=lambda row: _sort_key(value_of(row, name)), reverse=not ascending)
    return with_value + [row for row in rows if value_of(row, name) is None]


def _sort_key(value: Any) -> tuple[bool, Any]:
    number = number_of(value)
    return (True, _text(value)) if number is None else (False, number)


def differing_settings(rows: Sequence[RunRow], kept: Collection[str] = ()) -> tuple[str, ...]:
    """Return the settings that differ between runs, in the order of the newest run; runs without settings are left out.

    A setting that some runs lack, such as one of a later version, differs only if the others disagree. Those in `kept`
    are returned in any case, if a run has them.
    """
    with_settings = [row.settings for row in rows if row.settings]
    names = dict.fromkeys(name for settings in with_settings for name in settings)
    return tuple(
        name
        for name in names
        if name in kept or len({_text(settings[name]) for settings in with_settings if name in settings}) > 1
    )


def example(rows: Sequence[RunRow], names: Sequence[str]) -> str:
    """Return a condition on one of these settings that can be typed as it is, such as `model.l1>0.001`."""
    for name, value in ((name, row.settings.get(name)) for name in names for row in rows):
        symbol = "=" if number_of(value) is None else ">"
        if re.fullmatch(r"[\w.+-]+", written := setting_text(value)):
            return f"{name}{symbol}{written}"
    return "seconds>1"


def parameters(
    settings: Mapping[str, Any], profile: str, config_type: type[Configuration], dataset: str = ""
) -> dict[str, Any]:
    """Return the settings that tell a run from others of its profile, by name: headline settings first, then others.

    Left out are empty texts that are the default, which say nothing, and what the name of the data set says already.

    Args:
      settings: of the run; without any, nothing is returned.
      profile: of the run; of an unknown one, defaults are compared.
      config_type: declares the settings.
      dataset: name and version of the run's data set.
    """
    declared = config_type.settings()
    applied = applied_settings(profile, settings, config_type)
    usual = {**{name: one.default for name, one in declared.items()}, **applied}
    known = {name: value for name, value in settings.items() if name in declared}
    headline = {name: value for name, value in known.items() if declared[name].headline}
    name_of_data = {(one.profile_needs, dataset.rpartition(" ")[0]) for one in config_type.sections().values()}

    def tells(name: str, value: Any) -> bool:
        is_empty = value == "" and declared[name].default == ""
        return _text(value) != _text(usual[name]) and not is_empty and (name, value) not in name_of_data

    return headline | {name: value for name, value in known.items() if tells(name, value)}


def titles(names: Sequence[str]) -> dict[str, str]:
    """Return a short title for each setting: the part after the section, where that is unambiguous."""
    short = [name.rpartition(".")[2] for name in names]
    return {name: end if short.count(end) == 1 else name for name, end in zip(names, short, strict=True)}


def run_names(rows: Sequence[RunRow]) -> tuple[str, ...]:
    """Name each run by the settings in which the runs differ, such as `l1 = 0.001, seed = 2`.

    A name is empty if nothing differs or the run has no settings; of many settings it has the first ones.
    """
    shown = titles(differing_settings(rows))
    return tuple(
        _name({title: row.settings[setting] for setting, title in shown.items() if setting in row.settings})
        for row in rows
    )


def _name(values: Mapping[str, Any]) -> str:
    parts = [f"{title} = {text.shortened(short_setting(value) or 'none')}" for title, value in values.items()]
    more = len(parts) - _MOST_NAMED
    return ", ".join(parts[:_MOST_NAMED]) + (f", and {more} more" if more > 0 else "")


def setting_text(value: Any) -> str:
    """Return a setting as a user writes it: `0.001`, `yes`, `a, b`; empty for None."""
    if isinstance(value, list | tuple):
        return ", ".join(map(setting_text, value))
    if isinstance(value, float):
        return repr(value).removesuffix(".0")
    return {True: "yes", False: "no"}[value] if isinstance(value, bool) else "" if value is None else str(value)


def short_setting(value: Any) -> str:
    """Return a setting for a table: of many digits, such as a search draws, the first five; `empty` for no text."""
    if value == "":
        return "empty"
    text = setting_text(value)
    return f"{value:.5g}" if isinstance(value, float) and len(text) > _LONGEST_NUMBER else text


def _text(value: Any) -> str:
    return (str(value.value) if isinstance(value, enum.Enum) else setting_text(value)).lower()


def number_of(value: Any) -> float | None:
    """Return a number, also one that is written as text; None for anything else."""
    if isinstance(value, bool):
        return None
    try:
        number = float(value)
    except (ValueError, TypeError, OverflowError):
        return None
    return None if math.isnan(number) else number
