"""Close killed runs: those whose process was killed, or whose machine stopped.

Each command that writes does it under the root's lock: no run is in progress then, so a run without an end was killed.
"""

from __future__ import annotations

import dataclasses

from pipeline.core import event_log
from pipeline.core.events import NodeState, Note
from pipeline.core.pipeline_root import Root
from pipeline.metadata import run_properties
from pipeline.metadata.run_properties import Headline, attempts_of, options_of, seconds_before
from pipeline.metadata.store import Store
from pipeline.metadata.writer import MetadataWriter

REASON = "its process was killed, or the machine stopped"


@dataclasses.dataclass(frozen=True)
class KilledRun:
    """A killed run that is closed now."""

    run_id: str  # the id of the run
    # the nodes that were running; their executions are recorded as failed, and their unfinished output removed
    nodes: tuple[str, ...]
    error: str  # where the run stopped
    next_step: str  # the command that resumes or repeats it

    def __str__(self) -> str:
        removed = f"; the unfinished output of {' and '.join(self.nodes)} was removed" if self.nodes else ""
        return f"run {self.run_id} {self.error}{removed}; {self.next_step}"


def close_killed_runs(root: Root, store: Store) -> list[KilledRun]:
    """Close every run of this pipeline without a recorded end, the newest first. Finished nodes are kept.

    Args:
      root: the root, whose lock this process holds.
      store: its store, open for writing.
    """
    return [_close(root, store, run_id) for run_id in store.unended_runs()]


def _close(root: Root, store: Store, run_id: str) -> KilledRun:
    writer = MetadataWriter(root)
    closed = writer.close_unfinished(run_id, REASON, killed=True)
    executions = store.executions(run_id)
    states = [one.state for one in executions.values()]
    next_step = options_of(store.run_properties(run_id)).next_step(run_id)
    found = KilledRun(run_id, tuple(closed), _error(closed, list(executions)), next_step)
    end = Headline(
        state="failed",
        seconds=_seconds(root, store, run_id),
        executed=states.count(NodeState.EXECUTED),
        cached=states.count(NodeState.CACHED),
        error=found.error,
    )
    event_log.append(root.path, run_id, Note(str(found), warning=True))
    writer.end_run(run_id, run_properties.headline_properties(end))
    return found


def _error(closed: list[str], begun: list[str]) -> str:
    if closed:
        where = f"in {' and '.join(closed)}"
    elif begun:
        where = f"after {begun[-1]}"
    else:
        where = "before its first node"
    return f"died {where}: {REASON}"


def _seconds(root: Root, store: Store, run_id: str) -> float | None:
    """Return the duration up to the last recorded event, including earlier attempts; None if it is not known."""
    properties = store.run_properties(run_id)
    attempts = attempts_of(properties)
    began = attempts[-1].began if attempts else store.run_began(run_id)
    events = event_log.read(root.path, run_id)
    if began is None or not events:
        return None
    return seconds_before(properties) + max(0.0, (events[-1].when - began).total_seconds())
