"""The shape of the JSON of the reading commands, derived from the dataclasses that they print."""

from __future__ import annotations

import dataclasses
import datetime
import enum
import pathlib
import types
import typing
from collections.abc import Mapping
from typing import Any

from components.evaluation import metrics
from pipeline.core.serialization import INLINE
from pipeline.inspection.explain import Explanation
from pipeline.inspection.lineage import Lineage
from pipeline.inspection.run_diff import Comparison
from pipeline.inspection.views import ArtifactDetails, ArtifactRow, Run, RunRow
from pipeline.registry.listing import DecisionRow

# By command: what its document is made from.
DOCUMENTS: dict[str, dict[Any, Any]] = {
    "runs": {"runs": tuple[RunRow, ...], "total": int, "more": bool, "starting": str | None},
    "show": {
        Run: None,
        "thresholds": tuple[Any, ...],
        "slice_titles": Mapping[str, str],
        "configuration": Mapping[str, Any] | None,
    },
    "artifacts": {"artifacts": tuple[ArtifactRow, ...], "total": int | None, "more": bool},
    "artifact": {ArtifactDetails: None, "preview": Any},
    "lineage": {Lineage: None},
    "why": {Explanation: None},
    "diff": {Comparison: None, "same": bool},
    "models": {
        "root": pathlib.Path,
        "models": tuple[Any, ...],
        "decisions": tuple[DecisionRow, ...],
        "total": int,
        "served": Any,
        "back_to": int,
        "unknown": int,
    },
    "logs": {"run": str, "node": str, "path": str, "lines": tuple[str, ...]},
    "open": {"run": str, "report": str},
}

JSON_NAMES = {
    str: "text", bool: "boolean", int: "integer", float: "number", type(None): "null",
    datetime.datetime: "text", pathlib.Path: "text", object: "any", Any: "any",
}  # fmt: skip


def of_command(command: str) -> dict[str, Any]:
    """Shape by key of the whole document."""
    shape: dict[str, Any] = {"schema_version": "integer"}
    for key, kind in DOCUMENTS[command].items():
        shape |= of_type(key) if isinstance(key, type) else {key: of_type(kind)}
    return shape


def of_type(kind: Any) -> Any:
    """A mapping for a dataclass, a list of one for a tuple, `{"*": ...}` for a mapping, names joined by "or" else."""
    if kind in JSON_NAMES:
        return JSON_NAMES[kind]
    origin, arguments = typing.get_origin(kind), typing.get_args(kind)
    if origin in (typing.Union, types.UnionType):
        found = [of_type(one) for one in arguments]
        plain = sorted({name for one in found if isinstance(one, str) for name in one.split(" or ")})
        return " or ".join(plain) if len(plain) == len(found) else {"one of": found}
    if origin is tuple:
        return [of_type(arguments[0])]
    if isinstance(origin, type) and issubclass(origin, Mapping):
        return {"*": of_type(arguments[1])}
    if isinstance(kind, type) and issubclass(kind, enum.Enum):
        return "text"
    hints = typing.get_type_hints(kind)
    shape: dict[str, Any] = {}
    for field in dataclasses.fields(kind):
        inner = of_type(hints[field.name])
        # The mapping's items take the field's place: metrics in lists of runs.
        inline = field.metadata.get(INLINE)
        shape.update(
            {one.run_key: inner["*"] for one in metrics.METRICS if one.recorded or one.column}
            if inline
            else {field.name: inner}
        )
    return shape


def faults(shape: Any, value: Any, place: str = "") -> list[str]:
    """Where a value departs from its shape."""
    if isinstance(shape, dict) and "one of" in shape:
        tried = [faults(one, value, place) for one in shape["one of"]]
        return [] if [] in tried else max(tried, key=len)
    if isinstance(shape, list):
        if not isinstance(value, list):
            return [f"{place} is no list"]
        return [fault for one in value for fault in faults(shape[0], one, f"{place}[]")]
    if isinstance(shape, dict):
        if not isinstance(value, dict):
            return [f"{place} is no object"]
        wanted = dict.fromkeys(value, shape["*"]) if "*" in shape else shape
        if wanted.keys() != value.keys():
            return [f"{place} has the keys {sorted(value)}, not {sorted(wanted)}"]
        return [fault for key in wanted for fault in faults(wanted[key], value[key], f"{place}.{key}")]
    return [] if _is(shape, value) else [f"{place} is {value!r}, not {shape}"]


def _is(names: str, value: Any) -> bool:
    kinds = {"text": str, "boolean": bool, "integer": int, "number": (int, float), "null": type(None), "any": object}
    if names in kinds:
        return isinstance(value, kinds[names]) and (names in ("boolean", "any") or not isinstance(value, bool))
    return any(_is(name, value) for name in names.split(" or "))
