"""`sae why RUN NODE`: what the result of a node depended on, compared with the nearest earlier execution."""

from __future__ import annotations

from collections.abc import Collection
from typing import TYPE_CHECKING

from pipeline.core.events import NodeState
from pipeline.core.text import counted, escaped
from pipeline.metadata import node_key

if TYPE_CHECKING:
    from pipeline.inspection.explain import Explanation

_FIELDS = {"code": "file", "parameters": "value", "data": "file", "inputs": "artifact"}


def as_text(found: Explanation) -> str:
    """Return the reasons, and the parts of the key with what changed in each."""
    lines = [f"{found.node} of run {found.run_id}: {found.state}", *(f"  {reason}" for reason in found.reasons)]
    if found.against:
        verb = "used the outputs of" if found.state == NodeState.CACHED.value else "nearest earlier execution:"
        whose = "an earlier attempt at this run" if found.against == found.run_id else f"run {found.against}"
        lines += ["", f"{verb} {whose}", ""]
        for part in node_key.PARTS:
            changed = [change for change in found.changes if change.part == part]
            if not changed:
                lines.append(f"{part:<12}{_same(part, found.key[part])}")
            for number, change in enumerate(changed):
                lines.append(f"{'' if number else part:<12}{change}")
    else:
        lines += ["", "no earlier execution of it succeeded in this root: nothing to compare with"]
    return "\n".join(map(escaped, lines))


def _same(part: str, fields: Collection[str]) -> str:
    """Return what a part without changes consists of: `the same (31 files)`."""
    if not fields:
        return "no files but its inputs" if part == "data" else "none"
    if part == "packages":
        named = [name for name in fields if name not in (node_key.REQUIRED, "python")]
        return f"the same ({counted(len(named), 'package')}, all that they require, and Python)"
    first = next(iter(fields))
    many = first.startswith("all ") and part == "data"  # `all 12,345 files` are one field
    return f"the same ({first if many else counted(len(fields), _FIELDS[part])})"
