"""`sae pin` and `sae unpin`: `sae gc` keeps the artifacts of pinned runs."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator

from pipeline.core.errors import UsageError
from pipeline.core.pipeline_root import Root
from pipeline.metadata.store import open_store
from pipeline.metadata.writer import MetadataWriter
from pipeline.registry import decision_log, journal, versions
from pipeline.registry.decision_log import DecisionRecord, DecisionType


def pin(root: Root, wanted: str, reason: str) -> str:
    """Pin a run, record why, and return its id.

    Raises:
      NotFoundError: there is no such run.
      UsageError: it is pinned already, or the reason is empty.
      LockedError: a run is in progress.
    """
    with _recorded(root, wanted, reason, DecisionType.PIN) as (run_id, pinned):
        if run_id in pinned:
            raise UsageError(
                f"run {run_id} is pinned already: {pinned[run_id].reason!r}; undo it with "
                f"`sae unpin {run_id} --reason TEXT`"
            )
    return run_id


def unpin(root: Root, wanted: str, reason: str) -> str:
    """Undo a pin, record why, and return the run's id. Raises as `pin` does."""
    open_store(root, read_only=True)
    with root.lock():
        store = open_store(root)
        journal.reconcile(root, store)
        # ML Metadata does not contain these runs since a copy of it was restored.
        if wanted in [one.run for one in journal.lost(root, store) if one.kind == DecisionType.PIN]:
            journal.record_unpin(root, wanted, reason)
            return wanted
    with _recorded(root, wanted, reason, DecisionType.UNPIN) as (run_id, pinned):
        if run_id not in pinned:
            there = f"pinned runs: {', '.join(sorted(pinned))}" if pinned else "there are no pinned runs"
            raise UsageError(f"run {run_id} is not pinned; {there}")
    return run_id


@contextlib.contextmanager
def _recorded(
    root: Root, wanted: str, reason: str, kind: DecisionType
) -> Iterator[tuple[str, dict[str, DecisionRecord]]]:
    """Yield the run and the pinned runs; record the decision unless the block raises."""
    run_id = open_store(root, read_only=True).find_run(wanted)
    recorded = decision_log.common_properties(run_id, reason)
    with root.lock():
        store = open_store(root)
        journal.reconcile(root, store)
        yield run_id, decision_log.pinned(store)
        model = versions.output_of_type(store, run_id, versions.MODEL)
        MetadataWriter(root).record_decision(kind.value, run_id, recorded, {"model": model.id} if model else {})
        journal.record(root, store)
