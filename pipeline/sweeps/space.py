"""The settings that a sweep varies: values of a grid, and ranges to search, as a user writes them.

`model.l1=0,1e-5,1e-4` lists values; `model.active_units=4..16` is a range of whole numbers, both ends included;
`training.learning_rate=1e-4..1e-2:log` is a range whose logarithm is searched evenly.
"""

from __future__ import annotations

import dataclasses
import math

from pipeline.core import settings
from pipeline.core.errors import UsageError
from pipeline_config import Configuration, Setting, Value

_LOG = "log"
_MOST_VALUES = 1_000


@dataclasses.dataclass(frozen=True)
class Choices:
    """A setting and the values that it takes, in their order; of a search, the choices."""

    setting: str
    values: tuple[Value, ...]

    def __str__(self) -> str:
        texts = [settings.text_of(one) for one in self.values]
        return f"{self.setting}={(';' if any(',' in one for one in texts) else ',').join(texts)}"


@dataclasses.dataclass(frozen=True)
class Listed:
    """A setting and its values, each a text of its own, so that a value may contain commas and semicolons."""

    setting: str
    values: tuple[str, ...]

    def __str__(self) -> str:
        return f"{self.setting}={';'.join(self.values)}"


@dataclasses.dataclass(frozen=True)
class Range:
    """A setting and the range that is searched, both ends included.

    Attributes:
      setting: its dotted name.
      low, high: the ends; whole numbers if the setting is one.
      log: whether the logarithm of the value is searched evenly.
    """

    setting: str
    low: int | float
    high: int | float
    log: bool = False

    def __str__(self) -> str:
        return f"{self.setting}={self.low}..{self.high}{f':{_LOG}' if self.log else ''}"


def axis(given: str | Listed, option: str, config_type: type[Configuration]) -> Choices:
    """Parse `NAME=VALUE,VALUE`.

    Args:
      given: as typed, or a list from a file.
      option: names it in errors: `--over`.
      config_type: declares the settings.

    Raises:
      UsageError: no such setting, a value that it does not allow or that is given twice, or a setting that cannot
        change results.
    """
    if isinstance(given, Listed):
        declared, listed = _declaration(given.setting, option, config_type), list(given.values)
    else:
        declared, text = _split(given, option, config_type)
        listed = _values(declared, text)
    if not listed:
        raise UsageError(f"{option} {declared.name}: the list of its values is empty; give at least one")
    if len(listed) > _MOST_VALUES:
        raise UsageError(f"{option} {declared.name}: {len(listed):,} values, at most {_MOST_VALUES:,} are allowed")
    values = tuple(settings.value(declared, one.strip(), option) for one in listed)
    if (twice := next((one for one in values if values.count(one) > 1), None)) is not None:
        raise UsageError(f"{option} {given}: {twice} is given twice; leave one out")
    return Choices(declared.name, values)


def search(text: str | Listed, option: str, config_type: type[Configuration]) -> Choices | Range:
    """Parse `NAME=LOW..HIGH`, `NAME=LOW..HIGH:log` or `NAME=VALUE,VALUE`. Raises `UsageError` as `axis`."""
    if isinstance(text, Listed):
        return axis(text, option, config_type)
    declared, given = _split(text, option, config_type)
    if ".." not in given:
        return axis(text, option, config_type)
    ends, _, scale = given.partition(":")
    low_text, _, high_text = ends.partition("..")
    kind = type(declared.default)
    if kind not in (int, float):
        raise UsageError(
            f"{option} {text}: {declared.name} is no number; list its values, as in {option} {declared.name}=A,B"
        )
    if scale not in ("", _LOG):
        raise UsageError(f"{option} {text}: {scale!r} is no scale; leave it out, or write :log")
    low, high = (settings.value(declared, one.strip(), option) for one in (low_text, high_text))
    assert isinstance(low, (int, float))
    assert isinstance(high, (int, float))
    if not low < high or math.isinf(high):
        raise UsageError(f"{option} {text}: a range needs two finite numbers, the smaller one first")
    if scale == _LOG and low <= 0:
        raise UsageError(f"{option} {text}: a range with :log must begin above 0")
    return Range(declared.name, low, high, scale == _LOG)


def _split(text: str, option: str, config_type: type[Configuration]) -> tuple[Setting, str]:
    name, separator, given = text.partition("=")
    if not separator or not given.strip():
        raise UsageError(f"{option} {text!r} has no values: write {option} NAME=VALUE,VALUE")
    return _declaration(name, option, config_type), given.strip()


def _declaration(name: str, option: str, config_type: type[Configuration]) -> Setting:
    declared = settings.declaration(name.strip(), option, config_type)
    if not declared.affects_results:
        raise UsageError(
            f"{option} {declared.name}: this setting does not change results, so there is nothing to compare"
        )
    return declared


def _values(declared: Setting, listed: str) -> list[str]:
    """Return the values in a list; those of a text that contains commas itself are separated by semicolons."""
    separator = ";" if ";" in listed and type(declared.default) is str else ","
    return listed.split(separator)
