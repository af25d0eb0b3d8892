"""Text of the commands that check and repair a root: `sae doctor`, `fsck`, `gc`, `verify` and `restore`."""

from __future__ import annotations

import collections
from collections.abc import Sequence
from typing import TYPE_CHECKING

from pipeline.core.text import bytes_text, counted, escaped, first_of
from pipeline.metadata.types import restore_hint

if TYPE_CHECKING:
    from pipeline.maintenance.doctor import Check
    from pipeline.maintenance.fsck import Result
    from pipeline.maintenance.gc import Collected
    from pipeline.maintenance.restore import Restoration
    from pipeline.maintenance.restore_store import RestoredStore
    from pipeline.maintenance.verify import Verification
    from pipeline.provenance.manifest_diff import Difference

_MAX_DELETED = 5  # listed findings of artifacts that were deleted on purpose
_MAX_RUNS = 5  # runs in one line
_RESTORED_BY_ID = ("missing", "altered", "unreadable")  # kinds of findings of artifacts
_MAX_DIFFERENCES = 5  # of a group; another version of TFX has hundreds of other packages


def doctor(checks: Sequence[Check]) -> str:
    """Return a line for each check, and below it what to do if it failed."""
    lines = []
    for check in checks:
        lines.append(f"{'ok ' if check.good else 'BAD'}  {check.name:<12} {check.found}")
        if check.advice:
            lines.append(f"     {'':<12} {check.advice}")
    return "\n".join(map(escaped, lines))


def fsck(found: Result) -> str:
    """Return a line for each finding, by kind, the totals, and what repairs the first damaged artifact."""
    lines = []
    for kind in dict.fromkeys(one.kind for one in found.findings):
        listed = [finding for finding in found.findings if finding.kind == kind]
        count = found.counts[kind.value]
        listed = listed[-_MAX_DELETED:] if kind.value == "deleted" else listed
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
    damaged = {one.artifact for one in found.findings if one.kind.value in _RESTORED_BY_ID and one.artifact}
    if damaged:
        others = ", likewise the others" if len(damaged) > 1 else ""
        lines.append(f"artifact {min(damaged)}: {restore_hint(min(damaged))}{others}")
    return "\n".join(map(escaped, lines))


def gc(found: Collected) -> str:
    """Return the kept runs, a table of directories, and what was or would be deleted."""
    lines = [f"kept: {counted(len(found.kept), 'run')}"]
    for run in found.kept:
        served = f" (version {run.version})" if run.version else ""
        reasons = map(found.reason_text, run.reasons)
        lines.append(f"  {run.id}  {', '.join(reasons)}{served}")
    lines += ["", f"{'directory':<20}{'size':>12}{'freed' if found.deleted else 'would free':>12}"]
    for name, size, freed in (
        *((one.name, one.bytes, one.freed) for one in found.directories),
        ("all", found.bytes, found.freed),
    ):
        lines.append(f"{name:<20}{bytes_text(size):>12}{bytes_text(freed) if freed else '-':>12}")
    lines += ["", _deleted(found)]
    if found.contradictions:
        lines += [f"folders that no artifact names are kept: {one}" for one in found.contradictions]
        lines.append("restore a newer copy of ML Metadata's store, serve a known model, or unpin")
    if found.too_large:
        lines.append(
            f"the kept artifacts take {bytes_text(found.bytes - found.freed)}, retention.max_mib allows "
            f"{bytes_text(found.limit)}: unpin runs, or allow more"
        )
    return "\n".join(map(escaped, lines))


def _deleted(found: Collected) -> str:
    counts = (
        counted(len(found.artifacts), "artifact") if found.artifacts else "",
        f"{counted(len(found.versions), 'old version')} in serving/" if found.versions else "",
        counted(len(found.left_over), "leftover") if found.left_over else "",
    )
    what = ", ".join(filter(None, counts))
    if not what:
        return "nothing to delete"
    runs = len({one.run for one in found.artifacts})
    what += f", of {counted(runs, 'run')}" if runs else ""
    size = bytes_text(found.freed)
    if found.deleted:
        return f"deleted {what}: {size}; their lineage, metrics and digests are kept"
    return f"would delete {what}: {size}; nothing was deleted, delete with --yes"


def environment(run_id: str, found: Sequence[Difference]) -> list[str]:
    """Return the differences of the environment from that of a run, and their effects, as lines."""
    relevant = [one for one in found if one.matters]
    if not relevant:
        return [f"run {run_id}: code, data, configuration, packages and processor are as recorded"]
    lines = [f"run {run_id}: the environment differs from the recorded one"]
    for group in dict.fromkeys(one.group for one in relevant):
        listed = [one for one in relevant if one.group == group]
        lines += [
            f"  {group.value}: {one.field}: {one.old} -> {one.new} ({one.effect})" for one in listed[:_MAX_DIFFERENCES]
        ]
        if len(listed) > _MAX_DIFFERENCES:
            lines.append(f"  {group.value}: and {len(listed) - _MAX_DIFFERENCES} more")
    return lines


def verify(found: Verification) -> str:
    """Return a line for each artifact, the verdict, and what to do if it is not verified."""
    lines = []
    for one in found.artifacts:
        difference = f": {one.difference}" if one.difference else ""
        lines.append(f"{f'{one.node} {one.output}':<30}{one.verdict.value}{difference}")
    counts = collections.Counter(one.verdict.value for one in found.artifacts)
    totals = ", ".join(f"{count} {verdict}" for verdict, count in counts.most_common()) or "none"
    what = f"{found.node} of run {found.run_id}" if found.node else f"run {found.run_id}"
    verdict = "verified" if found.verified else "NOT verified"
    lines += ["", f"{what} {verdict}: {counted(len(found.artifacts), 'artifact')}, {totals}"]
    lines += [f"next: {found.next_step}"] if found.next_step else []
    return "\n".join(map(escaped, lines))


def restore(found: Restoration) -> str:
    """Return a line for each restored artifact."""
    names = [f"{one.node} {one.output}" for one in found.restored]
    width, digits = max(map(len, names)), max(len(str(one.artifact)) for one in found.restored)
    return "\n".join(
        f"{name:<{width}}  artifact {one.artifact:>{digits}} restored, "
        f"{'identical bytes' if one.identical else 'same content, other bytes'}"
        for name, one in zip(names, found.restored, strict=True)
    )


def restore_metadata(result: RestoredStore) -> str:
    """Return what restoring a copy of the metadata store did."""
    found = result.backup
    lines = [
        f"ML Metadata's store is restored from the copy made after run {found.copy.stem}: {counted(found.runs, 'run')}"
    ]
    if found.kept:
        lines.append(f"the previous store is now {found.kept}")
    if found.lost:
        lines.append(f"lost {counted(len(found.lost), 'run')} made since: {first_of(found.lost, _MAX_RUNS)}")
        lines.append("`sae fsck` lists their artifacts as orphaned; `sae run` regenerates what it needs")
    lines += [f"decision made since, recorded again: {one}" for one in result.replayed]
    lines += [f"decision lost, because the copy does not contain its run: {one}" for one in result.lost]
    if result.unknown_version:
        lines.append(
            f"version {result.unknown_version} is still served, but the copy does not contain its push: serve a known "
            "model with `sae promote RUN --reason TEXT`"
        )
    return "\n".join(map(escaped, lines))
