"""The cache key of a node, as recorded in ML Metadata, and the changes between two keys."""

from __future__ import annotations

import dataclasses
import json
import re
from collections.abc import Mapping
from typing import Any

from components import json_text
from pipeline.core import file_digests
from pipeline.metadata.properties import KEY

PARTS = ("code", "parameters", "data", "inputs", "packages")
REQUIRED = "and all that these require"  # field of the part `packages`: a digest of the packages' dependencies
_SETTINGS = ".settings."  # in the name of a parameter that contains settings by their names
_LONGEST = 60  # characters shown of a value
_DIGEST = re.compile(r"\b([0-9a-f]{12})[0-9a-f]{52}\b")


@dataclasses.dataclass(frozen=True)
class Change:
    """A field of a key that changed; `old` or `new` is None if it was added or removed."""

    part: str
    field: str
    old: str | None
    new: str | None

    def __str__(self) -> str:
        field, old, new = self.field, _short(self.old), _short(self.new)
        if self.part == "parameters" and _SETTINGS in field:  # texts of settings by their names: `model.l1`
            field, old, new = field.rpartition(_SETTINGS)[2], old.strip('"'), new.strip('"')
        if self.old is None:
            return f"{field} is new" + ("" if self.part == "code" else f": {new}")
        if self.new is None:
            return f"{field} is gone"
        if self.part in ("code", "data") or self.field == REQUIRED:
            return f"{field} changed"
        return f"{field}: {old} -> {new}"


@dataclasses.dataclass(frozen=True)
class CacheKey:
    """What a result depends on: fields and their values for each of `PARTS`."""

    parts: Mapping[str, Mapping[str, str]]

    @property
    def digest(self) -> str:
        """SHA-256 in hex."""
        return file_digests.of_mapping(self.parts)

    def changes_since(self, old: CacheKey) -> tuple[Change, ...]:
        """Return the fields that changed, in the order of the parts, sorted by name."""
        return tuple(
            Change(part, field, before.get(field), after.get(field))
            for part in PARTS
            for before, after in [(old.parts[part], self.parts[part])]
            for field in sorted({**before, **after})
            if before.get(field) != after.get(field)
        )

    def properties(self) -> dict[str, str]:
        """Return the custom properties of the execution that record the key."""
        return {KEY: self.digest} | {f"{KEY}_{part}": json.dumps(self.parts[part], sort_keys=True) for part in PARTS}


def of_properties(properties: Mapping[str, Any]) -> CacheKey | None:
    """Return the key that an execution's custom properties record; None if it is missing or incomplete."""
    try:
        parts = {part: json_text.parse(properties[f"{KEY}_{part}"]) for part in PARTS}
    except (KeyError, ValueError, TypeError):
        return None
    return CacheKey(parts) if all(isinstance(part, dict) for part in parts.values()) else None


def _short(text: str | None) -> str:
    text = _DIGEST.sub(r"\1", text or "")
    return text if len(text) <= _LONGEST else f"{text[: _LONGEST - 4]} ..."
