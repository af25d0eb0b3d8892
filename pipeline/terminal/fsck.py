"""`sae fsck`: a line for each finding, by kind, and the totals."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pipeline.core.text import counted, escaped

if TYPE_CHECKING:
    from pipeline.maintenance.fsck import Result

_SHOWN_DELETED = 5  # findings of what was deleted on purpose: more than these help nobody


def as_text(found: Result) -> str:
    """Return a line for each finding, by kind, and the totals."""
    lines = []
    for kind in dict.fromkeys(one.kind for one in found.findings):
        listed = [finding for finding in found.findings if finding.kind == kind]
        count = found.counts[kind.value]
        listed = listed[-_SHOWN_DELETED:] if kind.value == "deleted" else listed
        lines.append(f"{kind.value.replace('_', ' ')} ({count:,}{'' if kind.is_damage else ', no damage'})")
        lines += [f"  {': '.join(filter(None, (one.label, one.sentence)))}" for one in listed]
        lines += [f"  and {count - len(listed):,} more"] if count > len(listed) else []
        lines.append("")
    notices = sum(found.counts.values()) - found.damaged
    verdict = f"{found.damaged:,} damaged" if found.damaged else "sound"
    if notices:
        verdict += f", {counted(notices, 'notice')}"
    checked = f"{counted(found.checked['artifacts'], 'artifact')}, {counted(found.checked['files'], 'file')}"
    lines.append(f"{checked}, {found.checked['bytes'] / 1e6:,.1f} MB read: {verdict}")
    return "\n".join(map(escaped, lines))
