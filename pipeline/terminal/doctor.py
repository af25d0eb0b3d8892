"""`sae doctor`: a line for each check, and below it what to do where it failed."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pipeline.maintenance.doctor import Check


def as_text(checks: Sequence[Check]) -> str:
    """Return a line for each check, and below it what to do where it failed."""
    lines = []
    for check in checks:
        lines.append(f"{'ok ' if check.good else 'BAD'}  {check.name:<12} {check.found}")
        if check.advice:
            lines.append(f"     {'':<12} {check.advice}")
    return "\n".join(lines)
