"""`sae pin` and `sae unpin`: `sae gc` keeps the artifacts of pinned runs."""

from __future__ import annotations

import contextlib
import dataclasses
from collections.abc import Iterator

from pipeline.core.errors import NotFoundError, UsageError
from pipeline.core.pipeline_root import Root
from pipeline.metadata.store import open_store
from pipeline.metadata.writer import MetadataWriter
from pipeline.registry import decision_log, journal, versions
from pipeline.registry.decision_log import DecisionRecord, DecisionType


@dataclasses.dataclass(frozen=True)
class Pinned:
    """A run that was pinned. `deleted`: the outputs whose files `sae gc` had deleted before, as `NODE:KEY`."""

    run_id: str
    deleted: tuple[str, ...] = ()


def pin(root: Root, wanted: str, reason: str) -> Pinned:
    """Pin a run, and record why.

    Raises:
      NotFoundError: there is no such run, or `sae gc` deleted all its artifacts.
      UsageError: it is pinned already, or the reason is empty.
      LockedError: a run is in progress.
    """
    with _recorded(root, wanted, reason, DecisionType.PIN) as (run_id, pinned):
        if run_id in pinned:
            raise UsageError(
                f"run {run_id} is pinned already: {pinned[run_id].reason!r}; undo it with "
                f"`sae unpin {run_id} --reason TEXT`"
            )
        outputs = open_store(root, read_only=True).outputs_of_run(run_id)
        deleted = tuple(f"{node}:{key}" for (node, key), output in outputs.items() if output.deleted)
        if deleted and len(deleted) == len(outputs):
            raise NotFoundError(
                f"nothing of run {run_id} is left to protect: `sae gc` deleted {', '.join(deleted)}; regenerate what "
                f"you need with `sae restore {run_id}:{deleted[0]}`, then pin the run"
            )
    return Pinned(run_id, deleted)


def unpin(root: Root, wanted: str, reason: str) -> str:
    """Undo a pin, record why, and return the run's id. Raises as `pin` does."""
    open_store(root, read_only=True)
    with journal.locked(root) as store:
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
    with journal.locked(root) as store:
        yield run_id, decision_log.pinned(store)
        model = versions.output_of_type(store, run_id, versions.MODEL)
        MetadataWriter(root).record_decision(kind.value, run_id, recorded, {"model": model.id} if model else {})
        journal.record(root, store)
