"""Manifests of runs that changed, and executions and decisions that have not ended."""

from __future__ import annotations

import stat
from collections.abc import Iterator

from pipeline.core import file_digests, root_lock
from pipeline.core.pipeline_root import Root
from pipeline.maintenance.fsck import files
from pipeline.maintenance.fsck.findings import Checked, Finding, FindingKind
from pipeline.metadata.properties import MANIFEST_DIGEST
from pipeline.metadata.store import Store
from pipeline.provenance import manifest
from pipeline.registry import decision_log, journal
from pipeline.registry.decision_log import DecisionType


def manifests(root: Root, store: Store, checked: Checked) -> Iterator[Finding]:
    """Yield manifests whose digest is not the recorded one."""
    for context in store.all_run_contexts():
        if MANIFEST_DIGEST not in context.properties:
            continue
        checked.manifests += 1
        run_id = context.name
        path = manifest.path_of(root.path, run_id)
        try:
            found = files.stat_of(path)
            if found is None or not stat.S_ISREG(found.st_mode):
                fault = "is not a file" if found else "is missing"
            else:
                checked.files += 1
                checked.bytes += found.st_size
                is_same = file_digests.of_file(path) == context.properties[MANIFEST_DIGEST]
                fault = "" if is_same else "has other bytes than when the run began"
        except OSError as error:
            yield files.unreadable(path, error)
            continue
        if fault:
            yield Finding(FindingKind.MANIFESTS, f"{path}, the manifest of run {run_id}, {fault}", str(path))


def lost_decisions(root: Root, store: Store) -> Iterator[Finding]:
    """Yield decisions that ML Metadata does not contain."""
    for entry in journal.lost(root, store):
        if journal.is_known(store, entry):
            advice = "; the next decision, run or `sae gc --yes` records it again"
        else:
            advice = f"; undo it with `sae unpin {entry.run} --reason TEXT`" if entry.kind == DecisionType.PIN else ""
        sentence = f"{root.decisions} contains a decision that ML Metadata does not: {entry}, {entry.when[:16]}{advice}"
        yield Finding(FindingKind.LOST, sentence, str(root.decisions))


def unended(root: Root, store: Store, checked: Checked) -> Iterator[Finding]:
    """Yield executions and decisions that have not ended, and whether a run may be in progress."""
    is_locked = None
    decisions = {record.execution: record for record in decision_log.open_decisions(store)}
    for execution in store.all_executions():
        checked.executions += 1
        if execution.state is not None:
            continue
        if is_locked is None:
            is_locked = root_lock.holder(root.lock_file) is not None
        owner = store.owner(execution.id)
        who = f"execution {execution.id}" + (f" of {owner.node}" if owner.node else "")
        who += f" in run {owner.run}" if owner.run else ""
        why = "a run may be in progress, the root is locked" if is_locked else "no run is in progress"
        sentence = f"{who} has not ended, its state is {execution.state_name}: {why}"
        if decision := decisions.get(execution.id):
            sentence = (
                f"decision {execution.id} is not carried out ({decision}): {why}; the next "
                "`sae promote RUN --reason TEXT` or `sae rollback --reason TEXT` carries it out or cancels it"
            )
        yield Finding(FindingKind.UNENDED, sentence, execution=execution.id, node=owner.node)
