"""`sae verify RUN`: a line for each artifact, and the verdict."""

from __future__ import annotations

import collections
from typing import TYPE_CHECKING

from pipeline.core.text import counted, escaped

if TYPE_CHECKING:
    from pipeline.maintenance.verify import Verification


def as_text(found: Verification) -> str:
    """Return a line for each artifact, and the verdict."""
    lines = []
    for one in found.artifacts:
        difference = f": {one.difference}" if one.difference else ""
        lines.append(f"{f'{one.node} {one.output}':<30}{one.verdict.value}{difference}")
    counts = collections.Counter(one.verdict.value for one in found.artifacts)
    totals = ", ".join(f"{count} {verdict}" for verdict, count in counts.most_common()) or "none"
    what = f"{found.node} of run {found.run_id}" if found.node else f"run {found.run_id}"
    verdict = "verified" if found.verified else "NOT verified"
    lines += ["", f"{what} {verdict}: {counted(len(found.artifacts), 'artifact')}, {totals}"]
    return "\n".join(map(escaped, lines))
