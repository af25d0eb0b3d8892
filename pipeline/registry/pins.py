"""`sae pin` and `sae unpin`: a pinned run keeps its artifacts, whatever the policy says."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator

from pipeline.core.errors import UsageError
from pipeline.core.pipeline_root import Root
from pipeline.metadata.store import open_store
from pipeline.metadata.writer import MetadataWriter
from pipeline.registry import decision_log, versions
from pipeline.registry.decision_log import Kind


def pin(root: Root, wanted: str, reason: str) -> str:
    """Pins a run and records why; returns its id.

    Raises:
      NotFoundError: there is no such run.
      UsageError: it is pinned already, or no reason is given.
      LockedError: a run holds the root.
    """
    with _run(root, wanted, reason) as (run_id, pinned):
        if run_id in pinned:
            raise UsageError(f"run {run_id} is pinned already: {pinned[run_id].reason!r}; `sae unpin` undoes that")
        _record(root, Kind.PIN, run_id, reason)
    return run_id


def unpin(root: Root, wanted: str, reason: str) -> str:
    """Undoes a pin and records why; returns the run's id. Raises as `pin` does."""
    with _run(root, wanted, reason) as (run_id, pinned):
        if run_id not in pinned:
            there = f"pinned are: {', '.join(sorted(pinned))}" if pinned else "no run is"
            raise UsageError(f"run {run_id} is not pinned ({there})")
        _record(root, Kind.UNPIN, run_id, reason)
    return run_id


@contextlib.contextmanager
def _run(root: Root, wanted: str, reason: str) -> Iterator[tuple[str, dict[str, decision_log.Entry]]]:
    check_reason(reason)
    store = open_store(root, read_only=True)
    run_id = store.find_run(wanted)
    with root.lock():
        yield run_id, decision_log.pinned(store)


def _record(root: Root, kind: Kind, run_id: str, reason: str) -> None:
    store = open_store(root)
    model = versions.output_of_type(store, run_id, versions.MODEL)
    notes = {decision_log.RUN: run_id, decision_log.REASON: reason.strip(), decision_log.WHO: decision_log.who()}
    MetadataWriter(root).record_decision(kind.value, run_id, notes, {"model": model.id} if model else {})


def check_reason(reason: str) -> None:
    """Raises `UsageError` where there is none."""
    if not reason.strip():
        raise UsageError("--reason is empty: say why, it is recorded with the decision")
