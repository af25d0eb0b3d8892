"""The TOML file of `sae sweep run --from`: the options of the command, in a table `[sweep]`.

[sweep]
seeds = 5
minimise = ["test_bce"]

[sweep.over]
"model.l1" = [0, 1e-5, 1e-4]

Tables `[[sweep.points]]` are grids of settings that only belong together; `over` multiplies each of them.
"""

from __future__ import annotations

import pathlib
from collections.abc import Mapping
from typing import Any

from components.errors import cause_text
from pipeline.core import settings
from pipeline.core.errors import UsageError
from pipeline.core.text import closest
from pipeline.core.toml import tomllib
from pipeline.sweeps.space import Listed

_TEXTS = ("sampler", "pruner")
_NUMBERS = ("seeds", "trials")
_LISTS = ("minimise", "maximise")
_TABLES = ("over", "search")
_GROUPS = "points"
_KEYS = (*_TABLES, _GROUPS, *_NUMBERS, *_TEXTS, *_LISTS)


def read(path: pathlib.Path) -> dict[str, Any]:
    """Return the options that a file gives, as the command takes them.

    Raises:
      UsageError: the file cannot be read, is no TOML, or has an unknown key or a value of a wrong type.
    """
    try:
        tables: dict[str, Any] = tomllib.loads(path.read_text(encoding="utf-8-sig"))
    except (OSError, UnicodeDecodeError) as error:
        reason = cause_text(error) if isinstance(error, OSError) else "not UTF-8 text"
        raise UsageError(f"cannot read --from {path}: {reason}") from error
    except (ValueError, RecursionError) as error:
        raise UsageError(f"--from {path} is not valid TOML: {error}") from error
    others = [name for name in tables if name != "sweep"]
    if others or not isinstance(tables.get("sweep"), dict):
        raise UsageError(
            f"--from {path}: the options belong in a table [sweep]"
            + (f", not in {others[0]!r}; settings of the runs belong in a file for --config" if others else "")
        )
    given: dict[str, Any] = {"over": (), "search": ()}
    for key, value in tables["sweep"].items():
        if key not in _KEYS:
            raise UsageError(f"--from {path}: no key {key!r}{closest(key, _KEYS)} (there are: {', '.join(_KEYS)})")
        if key == _GROUPS:
            given["groups"] = _groups(path, value)
        else:
            given[key] = _checked(path, key, value)
    return given


def _groups(path: pathlib.Path, value: Any) -> tuple[tuple[str | Listed, ...], ...]:
    if not isinstance(value, list) or not all(isinstance(one, Mapping) and one for one in value):
        raise UsageError(f"--from {path}: {_GROUPS} must be tables [[sweep.{_GROUPS}]], each with at least one setting")
    return tuple(tuple(_axis(*item) for item in one.items()) for one in value)


def _checked(path: pathlib.Path, key: str, value: Any) -> Any:
    if key in _NUMBERS and isinstance(value, int) and not isinstance(value, bool):
        return value
    if key in _TEXTS and isinstance(value, str):
        return value
    if key in _LISTS and isinstance(value, (str, list)):
        return value if isinstance(value, str) else ",".join(map(str, value))
    if key in _TABLES and isinstance(value, Mapping):
        return tuple(_axis(*item) for item in value.items())
    kinds = {**dict.fromkeys(_NUMBERS, "a whole number"), **dict.fromkeys(_TEXTS, "a text")}
    kinds |= {**dict.fromkeys(_LISTS, "a list of names"), **dict.fromkeys(_TABLES, f"a table [sweep.{key}]")}
    raise UsageError(f"--from {path}: {key} = {value!r} is not allowed: it must be {kinds[key]}")


def _axis(name: str, values: Any) -> str | Listed:
    return Listed(name, tuple(map(_text, values))) if isinstance(values, list) else f"{name}={_text(values)}"


def _text(value: Any) -> str:
    if isinstance(value, list):  # a value that is a list itself
        return ",".join(map(str, value))
    return settings.text_of(value)
