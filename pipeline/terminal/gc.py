"""`sae gc`: which runs are kept and why, bytes by directory, and what was or would be deleted."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pipeline.core.text import bytes_text, counted, escaped

if TYPE_CHECKING:
    from pipeline.maintenance.gc import Collected


def as_text(found: Collected) -> str:
    """Return the kept runs, a table of directories, and the verdict."""
    lines = [f"kept: {counted(len(found.kept), 'run')}"]
    for run in found.kept:
        served = f" (version {run.version})" if run.version else ""
        lines.append(f"  {run.id}  {', '.join(reason.value for reason in run.reasons)}{served}")
    lines += ["", f"{'directory':<20}{'size':>12}{'freed' if found.deleted else 'would free':>12}"]
    for name, size, freed in (
        *((one.name, one.bytes, one.freed) for one in found.directories),
        ("all", found.bytes, found.freed),
    ):
        lines.append(f"{name:<20}{bytes_text(size):>12}{bytes_text(freed) if freed else '-':>12}")
    lines += ["", _verdict(found)]
    if found.too_large:
        lines.append(
            f"the kept artifacts take {bytes_text(found.bytes - found.freed)}, retention.max_mib allows "
            f"{bytes_text(found.limit)}: unpin runs, or allow more"
        )
    return "\n".join(map(escaped, lines))


def _verdict(found: Collected) -> str:
    what = ", ".join(
        counted(len(those), noun)
        for those, noun in (
            (found.artifacts, "artifact"),
            (found.versions, "served version"),
            (found.left_over, "half-written folder"),
        )
        if those
    )
    if not what:
        return "nothing to delete"
    runs = len({one.run for one in found.artifacts})
    what += f", of {counted(runs, 'run')}" if runs else ""
    size = bytes_text(found.freed)
    if found.deleted:
        return f"deleted {what}: {size}; their lineage, metrics and digests are kept"
    return f"would delete {what}: {size}; nothing was deleted, --yes does"
