"""JSON as entries: every value under its path, independent of spacing and the order of keys.

A number counts as integer or double, as it is written; an empty object or list counts as such.
"""

from __future__ import annotations

import json
import pathlib
from collections.abc import Iterator
from typing import Any

from pipeline.artifacts.fingerprints.entries import ContentEntry


def read(path: pathlib.Path) -> Any:
    """Read a JSON file.

    Raises:
      ValueError: it is not JSON, or an object contains a key twice.
    """
    return json.loads(path.read_text(encoding="utf-8"), object_pairs_hook=_object)


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    values = dict(pairs)
    if len(values) != len(pairs):
        raise ValueError("an object contains a key twice")
    return values


def file_entries(path: pathlib.Path, name: str) -> Iterator[ContentEntry]:
    """Yield the values of a JSON file, named as by `document_entries`. Raises as `read`."""
    return document_entries(read(path), name)


def document_entries(value: Any, label: str, path: str = "") -> Iterator[ContentEntry]:
    """Yield the values of a document, named `per_label.3.bce of summary.json`, where `label` is the last part."""
    if isinstance(value, dict) and value:
        for key in sorted(value):
            yield from document_entries(value[key], label, f"{path}.{key}" if path else key)
    elif isinstance(value, list) and value:
        for number, inner in enumerate(value):
            yield from document_entries(inner, label, f"{path}[{number}]")
    else:
        empty = isinstance(value, (dict, list))
        yield ContentEntry(f"{path or 'all'} of {label}", json.dumps(value).encode() if empty else value)
