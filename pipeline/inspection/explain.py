"""Explain a node's result in a run: its cache key, compared with the nearest earlier execution."""

from __future__ import annotations

import dataclasses

from pipeline.core.errors import NotFoundError, SaeError
from pipeline.core.events import NodeState
from pipeline.core.pipeline_root import Root
from pipeline.definition.spec import Pipeline
from pipeline.metadata import node_key, references
from pipeline.metadata.store import Store, nearest_execution
from pipeline.provenance import cache_key, manifest


@dataclasses.dataclass(frozen=True)
class Explanation:
    """Why a node was executed or cached.

    Attributes:
      run_id, node, state: the run, the node and its state.
      reasons: recorded reasons why it was executed; empty if it was cached.
      against: the run of the nearest earlier execution; empty if there is none.
      key: the node's cache key, by part.
      changes: fields of the key that changed since that execution.
    """

    run_id: str
    node: str
    state: str
    reasons: tuple[str, ...]
    against: str
    key: dict[str, dict[str, str]]
    changes: tuple[node_key.Change, ...]


def explain(pipeline: Pipeline, store: Store, root: Root | None, wanted: str, node: str) -> Explanation:
    """Explain a node of the run that `wanted` names.

    Args:
      pipeline: the run's pipeline.
      store: the store with the run.
      root: the root of the store; None if there are no manifests.
      wanted: a run, as `references.find_run` takes it.
      node: the node's name; case is ignored.

    Raises:
      NotFoundError: no such run, the node has no execution in it, or the execution has no recorded key.
    """
    run_id = references.find_run(wanted, store.run_ids())
    executions = store.executions(run_id)
    of_this_pipeline = executions.keys() <= pipeline.by_name.keys()
    node = references.find_node(node, pipeline.names if of_this_pipeline else list(executions))
    if node not in executions:
        raise NotFoundError(f"{node} has no execution in run {run_id} (there are: {', '.join(executions) or 'none'})")
    execution = executions[node]
    state = execution.state.value if execution.state else "not ended"
    if execution.key is None:
        raise NotFoundError(f"{node} of run {run_id} has no cache key: plain TFX or an early version of sae ran it")
    if execution.state == NodeState.CACHED:
        outputs = _output_ids(store, execution.id)
        earlier = [
            one
            for one in store.executions_with_key(execution.key.digest, execution.id)
            if one.state == NodeState.EXECUTED and _output_ids(store, one.id) == outputs
        ]
    else:
        earlier = store.executions_of_node(pipeline.name, node, execution.id)
    found = nearest_execution(earlier, execution.key)
    against = store.owner(found.id).run if found else ""
    changes = execution.key.changes_since(found.key) if found and found.key else ()
    changes += _dependency_changes(pipeline, root, node, changes, against, run_id)
    parts = {part: dict(execution.key.parts[part]) for part in node_key.PARTS}
    return Explanation(run_id, node, state, execution.reasons, against, parts, changes)


def _output_ids(store: Store, execution_id: int) -> set[int]:
    return {output.id for output in store.outputs(execution_id).values()}


def _dependency_changes(
    pipeline: Pipeline, root: Root | None, node: str, changes: tuple[node_key.Change, ...], old: str, new: str
) -> tuple[node_key.Change, ...]:
    """Return the dependencies of the node's packages that changed, from the manifests of both runs if they exist."""
    if root is None or not any(change.field == node_key.REQUIRED for change in changes):
        return ()
    try:
        before, after = (manifest.read(root.path, run_id).packages for run_id in (old, new))
    except SaeError:
        return ()
    return cache_key.dependency_changes(pipeline.by_name.get(node), before, after, changes)
