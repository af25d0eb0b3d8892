"""The definition of a sweep as JSON, and in what two definitions differ."""

from __future__ import annotations

import dataclasses
import datetime
import pathlib
from collections.abc import Mapping, Sequence
from typing import Any

from pipeline.core import serialization, settings, shell
from pipeline.core.errors import UnavailableError
from pipeline.sweeps.definition import (
    MOST_POINTS,
    MOST_SEEDS,
    PRUNERS,
    SAMPLERS,
    Definition,
    has_one_kind,
)
from pipeline.sweeps.space import Choices, Range
from pipeline_config import Configuration, Value

_GROUPS = "groups"  # in the JSON only of definitions that have some


def to_json(found: Definition) -> dict[str, Any]:
    """Return the definition as JSON."""

    def varied(one: Choices | Range) -> dict[str, Any]:
        if isinstance(one, Choices):
            return {"setting": one.setting, "values": list(one.values)}
        return {"setting": one.setting, "low": one.low, "high": one.high, "log": one.log}

    fields = {field.name: getattr(found, field.name) for field in dataclasses.fields(found) if field.name != _GROUPS}
    return {
        **fields,
        "base": serialization.without_infinity(found.base),
        "over": [varied(one) for one in found.over],
        "search": [varied(one) for one in found.search],
        "objectives": [dataclasses.asdict(one) for one in found.objectives],
        **({_GROUPS: [[varied(one) for one in group] for group in found.groups]} if found.groups else {}),
    }


def of_json(values: Any, path: pathlib.Path) -> Definition:
    """Return the definition that JSON describes.

    Args:
      values: the JSON.
      path: its file, in a folder with the name of the sweep.

    Raises:
      UnavailableError: it is damaged; the message says how.
    """
    try:
        found = serialization.build(Definition, {**values, "search": []})
        found = dataclasses.replace(
            found,
            since=_time(found.since),
            base=serialization.with_infinity(found.base),
            search=tuple(_searched(one) for one in values["search"]),
        )
        _check_read(found, path.parent.name)
        return found
    except (KeyError, TypeError, AttributeError, ValueError) as error:
        raise UnavailableError(
            f"{path} is damaged: {type(error).__name__}: {error}; restore it, or remove its folder, which forgets the "
            "sweep"
        ) from error


def _time(text: str) -> str:
    """Return a time that is ISO 8601 in UTC, or an empty text. Raises `ValueError`."""
    if text and datetime.datetime.fromisoformat(text).tzinfo is None:
        raise ValueError(f"{text} has no zone")
    return text


def _searched(one: Mapping[str, Any]) -> Choices | Range:
    return serialization.build(Choices, one) if "values" in one else serialization.build(Range, one)


def _check_read(found: Definition, name: str) -> None:
    """Raise `ValueError` unless a definition in the folder of this name is one that `make` could have made."""
    if found.name != name:
        raise ValueError(f"name is {found.name!r}, expected {name!r}")
    if not 1 <= found.seeds <= MOST_SEEDS:
        raise ValueError(f"seeds is {found.seeds}")
    if not has_one_kind(bool(found.over or found.groups), found.is_search, found.seeds):
        raise ValueError("either over or search must have a setting")
    if found.sampler not in (SAMPLERS if found.is_search else ("",)):
        raise ValueError(f"sampler is {found.sampler!r}")
    if found.pruner not in (PRUNERS if found.is_search else ("",)):
        raise ValueError(f"pruner is {found.pruner!r}")
    if found.trials < 0 or (found.trials and not found.is_search):
        raise ValueError(f"trials is {found.trials}")
    if not 1 <= found.size <= MOST_POINTS:
        raise ValueError(f"it has {found.size:,} points, expected 1 to {MOST_POINTS:,}")
    for one in found.search:
        if isinstance(one, Range) and not one.low < one.high:
            raise ValueError(f"{one.setting} has the range {one.low} to {one.high}")
        if isinstance(one, Choices) and not one.values:
            raise ValueError(f"{one.setting} has no values")
    if other := next((one.better for one in found.objectives if one.better not in ("lower", "higher")), None):
        raise ValueError(f"better is {other!r}")


def difference(found: Definition, wanted: Definition, config_type: type[Configuration]) -> str:
    """Return in what two definitions of one name differ, as options; empty if they give the same results."""
    declared = config_type.settings()

    def base(one: Definition) -> dict[str, Value]:
        return {name: value for name, value in one.base.items() if name in declared and declared[name].affects_results}

    def compared(one: Definition) -> dict[str, Any]:
        objectives = [{"metric": each.metric, "better": each.better} for each in one.objectives]
        return {_GROUPS: [], **to_json(one), "base": base(one), "objectives": objectives, "since": ""}

    old, new = compared(found), compared(wanted)
    texts = [_as_options(one, base(one), base(other)) for one, other in ((found, wanted), (wanted, found))]
    return "; ".join(
        " instead of ".join(text[name] for text in texts) for name, value in old.items() if value != new[name]
    )


def _as_options(found: Definition, base: Mapping[str, Value], other: Mapping[str, Value]) -> dict[str, str]:
    """Return a definition as options, by its fields; of its base only what differs from that of another one."""
    differing = [name for name, value in base.items() if name not in other or other[name] != value]
    given: dict[str, tuple[str, Sequence[object]]] = {
        "profile": ("--profile", [found.profile]),
        "base": ("--set", [f"{name}={settings.text_of(base[name])}" for name in differing]),
        "over": ("--over", found.over),
        "search": ("--search", found.search),
        "seeds": ("--seeds", [found.seeds]),
        "trials": ("--trials", [found.trials] if found.trials else []),
        "sampler": ("--sampler", [found.sampler] if found.sampler else []),
        "pruner": ("--pruner", [found.pruner] if found.pruner else []),
    }
    texts = {
        field: " ".join(f"{option} {shell.quoted(str(one))}" for one in values) or f"no {option}"
        for field, (option, values) in given.items()
    }
    groups = [f"[[sweep.points]] {shell.joined(map(str, group))}" for group in found.groups]
    return {
        **texts,
        "objectives": " ".join(one.option for one in found.objectives) or "no objective",
        _GROUPS: " ".join(groups) or "no [[sweep.points]]",
    }
