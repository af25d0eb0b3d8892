"""A part of the pipeline, and the earlier run that the rest is taken from."""

from __future__ import annotations

from collections.abc import Sequence

from pipeline.core import text
from pipeline.core.errors import NotFoundError, UsageError
from pipeline.core.events import NodeState
from pipeline.core.pipeline_root import Root
from pipeline.definition.spec import Pipeline
from pipeline.metadata.store import Store


def check(pipeline: Pipeline, from_node: str, to_node: str, base_run: str) -> None:
    """Checks what was asked for; empty is none asked for.

    Raises:
      NotFoundError: one of the nodes is none.
      UsageError: a run to take the rest from, but no part.
    """
    check_node(pipeline, "--from-node", from_node)
    check_node(pipeline, "--to-node", to_node)
    if base_run and not (from_node or to_node):
        raise UsageError("--base goes with --from-node or --to-node: a whole run reuses nothing of another run")


def check_node(pipeline: Pipeline, option: str, node: str) -> None:
    """Raises `NotFoundError` where the node that `option` names is none; empty is none asked for."""
    names = pipeline.names
    if node and node not in names:
        raise NotFoundError(f"{option} {node}: no such node{text.closest(node, names)} (there are: {', '.join(names)})")


def nodes_of(pipeline: Pipeline, from_node: str, to_node: str) -> tuple[list[str], list[str]]:
    """The nodes that a run of this part runs, and those whose earlier outputs it needs; in their order.

    Args:
      from_node, to_node: empty for the whole on that side.

    Raises:
      UsageError: no node lies between the two.
    """
    names = pipeline.names
    before = _with_upstream(pipeline)
    after = {name: {other for other in names if name in before[other]} for name in names}
    to_run = (after[from_node] if from_node else set(names)) & (before[to_node] if to_node else set(names))
    if not to_run:
        raise UsageError(f"no node lies between --from-node {from_node} and --to-node {to_node}")
    reused = set().union(*(before[name] for name in to_run)) - set().union(*(after[name] for name in to_run))
    return [name for name in names if name in to_run], [name for name in names if name in reused]


def _with_upstream(pipeline: Pipeline) -> dict[str, set[str]]:
    """Each node's name with the names of all nodes before it."""
    before: dict[str, set[str]] = {}
    for node in pipeline.nodes:
        before[node.name] = {node.name}.union(*(before[other] for other in node.upstream))
    return before


def base_run(store: Store, root: Root, wanted: str, needed: Sequence[str]) -> str:
    """The run to take nodes from: the one asked for, else the newest in which all of them succeeded.

    Args:
      wanted: a run id; empty for the newest.
      needed: the nodes.

    Raises:
      NotFoundError: there is no such run.
    """
    run_ids = store.run_ids()
    if wanted and wanted not in run_ids:
        raise NotFoundError(f"--base {wanted}: no such run in {root.path}{text.closest(wanted, run_ids)}")
    for run_id in [wanted] if wanted else run_ids:
        executions = store.executions(run_id)
        lacking = [
            node
            for node in needed
            if node not in executions
            or executions[node].state not in (NodeState.EXECUTED, NodeState.CACHED)
            or not all(output.live for output in store.outputs(executions[node].id).values())
        ]
        if not lacking:
            return run_id
        if wanted:
            raise NotFoundError(
                f"--base {wanted}: {', '.join(lacking)} did not succeed in that run, or is out of use or deleted"
            )
    raise NotFoundError(f"no run in {root.path} in which {', '.join(needed)} succeeded: run the whole pipeline first")
