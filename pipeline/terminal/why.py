"""`sae why RUN NODE`: what the result of a node depended on, compared with the nearest earlier execution."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pipeline.core.events import NodeState
from pipeline.core.text import escaped
from pipeline.metadata import node_key

if TYPE_CHECKING:
    from pipeline.inspection.explain import Explanation


def as_text(found: Explanation) -> str:
    """Return the reasons, and the parts of the key with what changed in each."""
    lines = [f"{found.node} of run {found.run_id}: {found.state}", *(f"  {reason}" for reason in found.reasons)]
    if found.against:
        verb = "used the outputs of" if found.state == NodeState.CACHED.value else "nearest earlier execution:"
        whose = "an earlier attempt at this run" if found.against == found.run_id else f"run {found.against}"
        lines += ["", f"{verb} {whose}", ""]
        for part in node_key.PARTS:
            changed = [change for change in found.changes if change.part == part]
            size = len(found.key[part])
            if not changed:
                lines.append(f"{part:<12}" + (f"the same ({size})" if size else "none"))
            for number, change in enumerate(changed):
                lines.append(f"{'' if number else part:<12}{change}")
    else:
        lines += ["", "no earlier execution of it succeeded in this root: nothing to compare with"]
    return "\n".join(map(escaped, lines))
