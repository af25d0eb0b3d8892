"""The key of a node, as ML Metadata holds it: everything that the node depends on, and what differs between two."""

from __future__ import annotations

import dataclasses
import json
import re
from collections.abc import Iterator, Mapping
from typing import Any

from pipeline.core import file_digests
from pipeline.metadata.properties import KEY

PARTS = ("code", "parameters", "data", "inputs", "packages")


REQUIRED = "and all that these require"


@dataclasses.dataclass(frozen=True)
class Change:
    """A field of a key that is another one than before; None where there is none."""

    part: str
    field: str
    old: str | None
    new: str | None

    def __str__(self) -> str:
        if self.old is None:
            return f"{self.field} is new" + ("" if self.part == "code" else f": {_short(self.new)}")
        if self.new is None:
            return f"{self.field} is gone"
        if self.part in ("code", "data") or self.field == REQUIRED:
            return f"{self.field} changed"
        return f"{self.field}: {_short(self.old)} -> {_short(self.new)}"


@dataclasses.dataclass(frozen=True)
class CacheKey:
    """What a result depends on; `parts` holds every one of `PARTS`."""

    parts: Mapping[str, Mapping[str, str]]

    @property
    def digest(self) -> str:
        """SHA-256 in hex."""
        return file_digests.of_mapping(self.parts)

    def changes_since(self, old: CacheKey) -> tuple[Change, ...]:
        """Field by field, in the order of the parts."""
        return tuple(_changes(old.parts, self.parts))

    def properties(self) -> dict[str, str]:
        """Custom properties of the Execution."""
        return {KEY: self.digest} | {f"{KEY}_{part}": json.dumps(self.parts[part], sort_keys=True) for part in PARTS}


def of_properties(properties: Mapping[str, Any]) -> CacheKey | None:
    """The key of an Execution with these custom properties; None where none was stored, or not all of it."""
    try:
        parts = {part: json.loads(properties[f"{KEY}_{part}"]) for part in PARTS}
    except (KeyError, ValueError, TypeError):
        return None
    return CacheKey(parts) if all(isinstance(part, dict) for part in parts.values()) else None


def _changes(old: Mapping[str, Mapping[str, str]], new: Mapping[str, Mapping[str, str]]) -> Iterator[Change]:
    for part in PARTS:
        for field in sorted({**old[part], **new[part]}):
            before, after = old[part].get(field), new[part].get(field)
            if before != after:
                yield Change(part, field, before, after)


def _short(text: str | None) -> str:
    text = _DIGEST.sub(r"\1", text or "")
    return text if len(text) <= _LONGEST else f"{text[: _LONGEST - 4]} ..."


_LONGEST = 60  # characters of a value that are shown


_DIGEST = re.compile(r"\b([0-9a-f]{12})[0-9a-f]{52}\b")
