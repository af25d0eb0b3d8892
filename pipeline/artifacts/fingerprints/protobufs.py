"""Protocol buffers as entries: by their bytes, with map entries sorted; a difference is named by its field."""

from __future__ import annotations

import pathlib
from collections.abc import Iterator
from typing import Any

from google.protobuf import text_format
from google.protobuf.message import Message

from pipeline.artifacts.fingerprints import differences
from pipeline.artifacts.fingerprints.entries import ContentEntry


def message_entry(name: str, message: Any) -> ContentEntry:
    """Return an entry with this name for a message."""
    return ContentEntry(name, serialized(message), _explain, message)


def serialized(message: Any) -> bytes:
    """Return the bytes of a message, maps sorted by key, unknown fields included."""
    content: bytes = message.SerializeToString(deterministic=True)
    return content


def from_file(kind: Any, path: pathlib.Path) -> Any:
    """Read a message of the type `kind`: as text if the name ends in `.pbtxt`, else binary."""
    if path.suffix == ".pbtxt":
        return text_format.Parse(path.read_text(encoding="utf-8"), kind())
    return kind.FromString(path.read_bytes())


def without(message: Any, *fields: str) -> Any:
    """Return a copy of a message without these fields."""
    copy = type(message)()
    copy.CopyFrom(message)
    for field in fields:
        copy.ClearField(field)
    return copy


def _explain(one: ContentEntry, other: ContentEntry) -> str:
    """Return the first field that differs: `bytes_stats.avg_num_bytes: 271.5 against 271.6`."""
    fields, others = dict(_leaves(one.detail, "")), dict(_leaves(other.detail, ""))
    for path in {**fields, **others}:
        if path not in fields or path not in others:
            return f"only the {'first' if path in fields else 'second'} has {path}"
        if repr(fields[path]) != repr(others[path]):
            return f"{path}: {differences.values(fields[path], others[path])}"
    return differences.values(one.value, other.value)


def _leaves(value: Any, path: str) -> Iterator[tuple[str, Any]]:
    """Yield every set field with its path; an empty message counts as a field."""
    if isinstance(value, Message):
        fields = value.ListFields()
        if not fields and path:
            yield path, "empty"
        for field, inner in fields:
            yield from _leaves(inner, f"{path}.{field.name}" if path else field.name)
    elif isinstance(value, (str, bytes, int, float)):
        yield path, value
    elif hasattr(value, "keys"):
        for key in sorted(value):
            yield from _leaves(value[key], f"{path}[{key}]")
    else:
        for number, inner in enumerate(value):
            yield from _leaves(inner, f"{path}[{number}]")
