"""Close killed runs: those whose process was killed, or whose machine stopped.

Each command that writes does it under the root's lock: no run is in progress then, so a run without an end was killed.
"""

from __future__ import annotations

from pipeline.core import event_log
from pipeline.core.events import NodeState, Note
from pipeline.core.pipeline_root import Root
from pipeline.metadata import run_properties
from pipeline.metadata.run_properties import Headline, options_of
from pipeline.metadata.store import Store
from pipeline.metadata.writer import MetadataWriter
from pipeline.provenance import manifest

REASON = "its process was killed, or the machine stopped"


def close_killed_runs(root: Root, store: Store) -> dict[str, str]:
    """Close every run of this pipeline without a recorded end: record its state, remove its unfinished output.

    Args:
      root: the root, whose lock this process holds.
      store: its store, open for writing.

    Returns:
      By run id, the newest first: where the run stopped, and the command that resumes it.
    """
    return {run_id: _close(root, store, run_id) for run_id in store.unended_runs()}


def _close(root: Root, store: Store, run_id: str) -> str:
    writer = MetadataWriter(root)
    closed = writer.close_unfinished(run_id, REASON, killed=True)
    executions, properties = store.executions(run_id), store.run_properties(run_id)
    states = [one.state for one in executions.values()]
    error = _error(closed, list(executions))
    removed = f"; the unfinished output of {closed[0]} was removed" if len(closed) == 1 else ""
    next_step = options_of(properties).next_step(run_id, manifest.path_of(root.path, run_id))
    text = f"run {run_id} {error}{removed}; {next_step}"
    events, began = event_log.read(root.path, run_id), store.run_began(run_id)
    seconds = run_properties.seconds_until(properties, began, events[-1].when) if events else None
    end = Headline(
        state="failed",
        seconds=seconds,
        executed=states.count(NodeState.EXECUTED),
        cached=states.count(NodeState.CACHED),
        error=error,
    )
    event_log.append(root.path, run_id, Note(text, warning=True))
    writer.end_run(run_id, run_properties.headline_properties(end))
    return text


def _error(closed: list[str], begun: list[str]) -> str:
    if len(closed) > 1:  # nodes run one after the other, but cached ones are recorded together
        where = f"while it recorded {len(closed)} cached nodes"
    elif closed:
        where = f"in {closed[0]}"
    elif begun:
        where = f"after {begun[-1]}"
    else:
        where = "before its first node"
    return f"died {where}: {REASON}"
