"""Partial runs: the nodes to run, and the earlier run (base run) that provides the outputs of the others."""

from __future__ import annotations

from collections.abc import Sequence

from pipeline.core import text
from pipeline.core.errors import NotFoundError, UsageError
from pipeline.core.events import NodeState
from pipeline.core.pipeline_root import Root
from pipeline.definition.spec import Pipeline
from pipeline.metadata.store import Store


def check(pipeline: Pipeline, from_node: str, to_node: str, base_run: str) -> None:
    """Check the options of a partial run; an empty one is not given.

    Raises:
      NotFoundError: there is no such node.
      UsageError: a base run without a part.
    """
    check_node(pipeline, "--from-node", from_node)
    check_node(pipeline, "--to-node", to_node)
    if base_run and not (from_node or to_node):
        raise UsageError("--base needs --from-node or --to-node: a run of all nodes has no base run")


def check_node(pipeline: Pipeline, option: str, node: str) -> None:
    """Raise `NotFoundError` if the pipeline has no such node; an empty one is not given."""
    names = pipeline.names
    if node and node not in names:
        raise NotFoundError(f"{option} {node}: no such node{text.closest(node, names)} (there are: {', '.join(names)})")


def nodes_of(pipeline: Pipeline, from_node: str, to_node: str) -> tuple[list[str], list[str]]:
    """Return the nodes that a partial run executes, and those whose earlier outputs it reuses, in pipeline order.

    Args:
      pipeline: the pipeline.
      from_node, to_node: the first and the last node; empty: no limit on that side.

    Raises:
      UsageError: no node is between the two.
    """
    names = pipeline.names
    before: dict[str, set[str]] = {}  # each node with all nodes that it depends on
    for node in pipeline.nodes:
        before[node.name] = {node.name}.union(*(before[other] for other in node.upstream))
    after = {name: {other for other in names if name in before[other]} for name in names}
    to_run = (after[from_node] if from_node else set(names)) & (before[to_node] if to_node else set(names))
    if not to_run:
        raise UsageError(f"no node is between --from-node {from_node} and --to-node {to_node}")
    reused = set().union(*(before[name] for name in to_run)) - set().union(*(after[name] for name in to_run))
    return [name for name in names if name in to_run], [name for name in names if name in reused]


def base_run(store: Store, root: Root, wanted: str, needed: Sequence[str]) -> str:
    """Return the base run: the wanted one, else the newest in which all needed nodes succeeded.

    Args:
      store, root: of the runs.
      wanted: a run id; empty: the newest.
      needed: the nodes whose outputs are reused.

    Raises:
      NotFoundError: there is no such run, or not all needed outputs of the wanted one exist.
    """
    run_ids = store.run_ids()
    if wanted and wanted not in run_ids:
        raise NotFoundError(f"--base {wanted}: no such run in {root.path}{text.closest(wanted, run_ids)}")
    for run_id in [wanted] if wanted else run_ids:
        executions = store.executions(run_id)
        missing = [
            node
            for node in needed
            if node not in executions
            or executions[node].state not in (NodeState.EXECUTED, NodeState.CACHED)
            or not all(output.live for output in store.outputs(executions[node].id).values())
        ]
        if not missing:
            return run_id
        if wanted:
            raise NotFoundError(
                f"--base {wanted}: {', '.join(missing)} did not succeed in that run, or is out of use or deleted"
            )
    raise NotFoundError(f"no run in {root.path} in which {', '.join(needed)} succeeded: run the whole pipeline first")
