"""Convert dataclasses to JSON documents (`document`) and back (`build`)."""

from __future__ import annotations

import dataclasses
import datetime
import enum
import functools
import json
import math
import pathlib
import types
import typing
from collections.abc import Mapping
from typing import Any, TypeVar

SCHEMA_VERSION = 2  # of every JSON document for users; increased when a key changes its name or meaning

INFINITY = "inf"  # in JSON of settings
INLINE = "inline"  # metadata of a field; `jsonable` explains it
_PLAIN = (str, int, float, bool, type(None))

_Kind = TypeVar("_Kind")

_type_hints = functools.cache(typing.get_type_hints)  # it compiles every annotation, for each object of a document


def build(kind: type[_Kind], values: Any) -> _Kind:
    """Return a dataclass made from JSON values. Unknown values are ignored; those with a default may be missing.

    Args:
      kind: the dataclass; its fields are dataclasses, mappings, tuples, plain types, enumerations, or one of these or
        None.
      values: from `json.loads`.

    Raises:
      KeyError, TypeError: a value is missing or has the wrong type; the message names it.
    """
    built = _read(kind, values, "")
    assert isinstance(built, kind)
    return built


def _read(kind: Any, value: Any, place: str) -> Any:
    origin, arguments = typing.get_origin(kind), typing.get_args(kind)
    if origin in (typing.Union, types.UnionType):
        if type(value) in arguments:
            return value
        for inner in arguments:
            if inner not in _PLAIN:  # there is never more than one
                return _read(inner, value, place)
    elif dataclasses.is_dataclass(kind) and isinstance(kind, type) and isinstance(value, dict):
        hints = _type_hints(kind)
        missing = [
            field.name
            for field in dataclasses.fields(kind)
            if field.name not in value and field.default is field.default_factory is dataclasses.MISSING
        ]
        if missing:
            raise KeyError(f"{place}{missing[0]} is missing")
        known = {name: inner for name, inner in value.items() if name in hints}
        return kind(**{name: _read(hints[name], inner, f"{place}{name}.") for name, inner in known.items()})
    elif origin is Mapping and isinstance(value, dict):
        return {key: _read(arguments[1], inner, f"{place}{key}.") for key, inner in value.items()}
    elif origin is tuple and isinstance(value, list):
        return tuple(_read(arguments[0], inner, place) for inner in value)
    elif kind in _PLAIN and type(value) is kind:
        return value
    elif isinstance(kind, type) and issubclass(kind, enum.Enum) and value in [member.value for member in kind]:
        return kind(value)
    raise TypeError(f"{place.rstrip('.')} has the wrong type")


def jsonable(value: Any) -> Any:
    """Return a value that JSON can hold: dataclasses become objects, times ISO 8601 in UTC, NaN and infinity null.

    The items of a mapping in a field with `INLINE` in its metadata replace the field.
    """
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        made: dict[str, Any] = {}
        for field in dataclasses.fields(value):
            inner = jsonable(getattr(value, field.name))
            made.update(inner if field.metadata.get(INLINE) else {field.name: inner})
        return made
    if isinstance(value, enum.Enum):
        return value.value
    if isinstance(value, Mapping):
        return {str(key): jsonable(inner) for key, inner in value.items()}
    if isinstance(value, (list, tuple)):
        return [jsonable(inner) for inner in value]
    if isinstance(value, datetime.datetime):
        return value.astimezone(datetime.timezone.utc).isoformat(timespec="milliseconds")
    if isinstance(value, float) and not math.isfinite(value):
        return None
    return str(value) if isinstance(value, pathlib.PurePath) else value


def document(fields: Any) -> str:
    """Return one JSON object of a dataclass or mapping, with its `schema_version`; ASCII only."""
    return json.dumps({"schema_version": SCHEMA_VERSION, **jsonable(fields)}, indent=2, allow_nan=False)


def without_infinity(settings: Mapping[str, Any]) -> dict[str, Any]:
    """Return settings for JSON, which has no infinity: with `INFINITY`, a text that `--set` reads as well."""
    return {name: INFINITY if value == math.inf else value for name, value in settings.items()}


def with_infinity(settings: Mapping[str, Any]) -> dict[str, Any]:
    """Return the settings that `without_infinity` wrote."""
    return {name: math.inf if value == INFINITY else value for name, value in settings.items()}
