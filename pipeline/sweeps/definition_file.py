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

from pipeline.core import settings, toml
from pipeline.core.errors import UsageError
from pipeline.core.text import closest
from pipeline.sweeps.space import Listed

_GROUPS = "points"
# Each key with the type of its value, and that in words.
_KINDS: Mapping[str, tuple[type | tuple[type, ...], str]] = {
    "over": (Mapping, "a table [sweep.over]"),
    "search": (Mapping, "a table [sweep.search]"),
    _GROUPS: (list, f"tables [[sweep.{_GROUPS}]], each with at least one setting"),
    "seeds": (int, "a whole number"),
    "trials": (int, "a whole number"),
    "sampler": (str, "a text"),
    "pruner": (str, "a text"),
    "minimise": ((str, list), "a list of names"),
    "maximise": ((str, list), "a list of names"),
}


def read(path: pathlib.Path) -> dict[str, Any]:
    """Return the options that a file gives, as the command takes them.

    Raises:
      UsageError: the file cannot be read, is no TOML, or has an unknown key or a value of a wrong type.
    """
    tables = toml.read(path, "--from")
    others = [name for name in tables if name != "sweep"]
    if others or not isinstance(tables.get("sweep"), dict):
        raise UsageError(
            f"--from {path}: the options belong in a table [sweep]"
            + (f", not in {others[0]!r}; settings of the runs belong in a file for --config" if others else "")
        )
    given: dict[str, Any] = {"over": (), "search": ()}
    for key, value in tables["sweep"].items():
        if key not in _KINDS:
            raise UsageError(f"--from {path}: no key {key!r}{closest(key, [*_KINDS])} (there are: {', '.join(_KINDS)})")
        given["groups" if key == _GROUPS else key] = _checked(path, key, value)
    return given


def _checked(path: pathlib.Path, key: str, value: Any) -> Any:
    kind, words = _KINDS[key]
    is_allowed = isinstance(value, kind) and not isinstance(value, bool)  # which is an int
    if not is_allowed or (key == _GROUPS and not all(isinstance(one, Mapping) and one for one in value)):
        raise UsageError(f"--from {path}: {key} = {value!r} is not allowed: it must be {words}")
    if key == _GROUPS:
        return tuple(tuple(_axis(*item) for item in one.items()) for one in value)
    if isinstance(value, Mapping):
        return tuple(_axis(*item) for item in value.items())
    return ",".join(map(str, value)) if isinstance(value, list) else value


def _axis(name: str, values: Any) -> str | Listed:
    """Return a setting and its values; a value may be a list itself."""
    text_of = settings.text_of
    return Listed(name, tuple(map(text_of, values))) if isinstance(values, list) else f"{name}={text_of(values)}"
