"""`sae restore`: the artifacts that are in place again, or the copy of the metadata store that is in use now."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pipeline.core.text import counted

if TYPE_CHECKING:
    from pipeline.maintenance.restore import Restoration
    from pipeline.metadata import backup

_MOST_NAMED = 5  # runs in one line


def as_text(found: Restoration) -> str:
    """Return a line for each artifact."""
    return "\n".join(
        f"{one.node} {one.output:<18} artifact {one.artifact} restored, "
        f"{'identical bytes' if one.identical else 'same content, other bytes'}"
        for one in found.restored
    )


def metadata_text(found: backup.RestoredBackup) -> str:
    """Return what restoring a copy of the metadata store did."""
    lines = [f"ML Metadata's store is as it was after run {found.copy.stem}; it knows {counted(found.runs, 'run')}"]
    if found.kept:
        lines.append(f"the store that was there is now {found.kept}")
    if found.lost:
        more = f" and {len(found.lost) - _MOST_NAMED} more" if len(found.lost) > _MOST_NAMED else ""
        named = ", ".join(found.lost[:_MOST_NAMED]) + more
        lines.append(f"{counted(len(found.lost), 'run')} made since then not known any more: {named}")
        lines.append("`sae fsck` reports their artifacts as orphaned; `sae run` regenerates what it needs")
    return "\n".join(lines)
