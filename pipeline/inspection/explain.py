"""`sae why RUN NODE`: what a node's result depended on, part by part, against the nearest earlier execution."""

from __future__ import annotations

import dataclasses

from pipeline.core import text
from pipeline.core.errors import NotFoundError, SaeError
from pipeline.core.events import NodeState
from pipeline.core.pipeline_root import Root
from pipeline.definition.spec import Pipeline
from pipeline.metadata import node_key, references
from pipeline.metadata.store import Store, nearest_execution
from pipeline.provenance import cache_key, manifest, packages


@dataclasses.dataclass(frozen=True)
class Explanation:
    """Why a node ran, or did not.

    Attributes:
      run_id, node, state: which, and how it ended.
      reasons: what was said when it was decided; empty when it was cached.
      against: the run of the nearest earlier execution; empty where there is none.
      key: the parts of the key of the node.
      changes: what differs from that execution, field by field.
    """

    run_id: str
    node: str
    state: str
    reasons: tuple[str, ...]
    against: str
    key: dict[str, dict[str, str]]
    changes: tuple[node_key.Change, ...]


def explain(pipeline: Pipeline, store: Store, root: Root | None, wanted: str, node: str) -> Explanation:
    """Answers for a node of the run that `wanted` names.

    Args:
      pipeline: of the run.
      store: what was run.
      root: that the store belongs to; None: there are no manifests to look things up in.
      wanted: names a run.
      node: its name.

    Raises:
      NotFoundError: no such run, or the node has no execution in it.
    """
    run_id = references.find_run(wanted, store.run_ids())
    executions = store.executions(run_id)
    if node not in executions:
        there = list(executions)
        raise NotFoundError(
            f"{node} has no execution in run {run_id}{text.closest(node, there)} (there are: {', '.join(there)})"
        )
    execution = executions[node]
    state = execution.state.value if execution.state else "not ended"
    if execution.key is None:
        raise NotFoundError(f"{node} of run {run_id} has no key: it was not recorded by this version of sae")
    cached = execution.state == NodeState.CACHED
    if cached:
        used = _ids(store, execution.id)
        known = [
            candidate
            for candidate in store.executions_with_key(execution.key.digest, execution.id)
            if candidate.state == NodeState.EXECUTED and _ids(store, candidate.id) == used
        ]
    else:
        known = store.executions_of_node(pipeline.name, node, execution.id)
    found = nearest_execution(known, execution.key)
    against = store.owner(found.id).run if found else ""
    changes = execution.key.changes_since(found.key) if found and found.key else ()
    parts = {part: dict(execution.key.parts[part]) for part in node_key.PARTS}
    return Explanation(
        run_id, node, state, execution.reasons, against, parts, _named(pipeline, root, node, changes, against, run_id)
    )


def _ids(store: Store, execution_id: int) -> set[int]:
    """The artifacts that an execution wrote or, cached, stands for."""
    return {output.id for output in store.outputs(execution_id).values()}


def _named(
    pipeline: Pipeline, root: Root | None, node: str, changes: tuple[node_key.Change, ...], old: str, new: str
) -> tuple[node_key.Change, ...]:
    """With the packages that were required and changed, by name, where the manifests of both runs are still there."""
    if root is None or not any(change.field == node_key.REQUIRED for change in changes):
        return changes
    try:
        before, after = (manifest.read(root.path, run_id).packages for run_id in (old, new))
    except SaeError:
        return changes
    known = {change.field for change in changes}
    if node in pipeline.by_name:  # the manifests have the packages of all nodes
        known |= packages.installed_runtime().keys() - cache_key.packages_of(pipeline.by_name[node]).keys()
    more = [
        node_key.Change("packages", name, before.get(name), after.get(name))
        for name in sorted({**before, **after})
        if before.get(name) != after.get(name) and name not in known
    ]
    return (*changes, *more)
