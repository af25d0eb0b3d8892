"""Partial runs: the nodes to run, and the earlier run (base run) that provides the outputs of the others."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence

from pipeline.core.errors import NotFoundError, UsageError
from pipeline.core.pipeline_root import Root
from pipeline.definition.spec import Pipeline
from pipeline.metadata import references
from pipeline.metadata.store import Store
from pipeline.orchestration.request import RunRequest


def with_nodes(request: RunRequest) -> RunRequest:
    """Return the request with the nodes' names as the pipeline spells them.

    Raises:
      NotFoundError: there is no such node.
      UsageError: no node is between the two, or a base run without a part.
    """
    names = request.pipeline.names
    from_node, to_node = (
        ",".join(references.find_node(node, names, option) for node in split(given) or [given] if node)
        for option, given in (("--from-node", request.from_node), ("--to-node", request.to_node))
    )
    if request.base_run and not (from_node or to_node):
        raise UsageError("--base needs --from-node or --to-node: a run of all nodes has no base run")
    nodes_of(request.pipeline, from_node, to_node)
    return dataclasses.replace(request, from_node=from_node, to_node=to_node)


def with_base(request: RunRequest, root: Root, store: Store | None) -> RunRequest:
    """Return the request with the full id of a base run that it names, and check that there is a base run.

    Raises:
      NotFoundError: see `base_run`.
    """
    _, needed = nodes_of(request.pipeline, request.from_node, request.to_node)
    if not needed:
        return request
    found = base_run(store, root, request.base_run, needed)
    return dataclasses.replace(request, base_run=found) if request.base_run else request


def nodes_of(pipeline: Pipeline, from_node: str, to_node: str) -> tuple[list[str], list[str]]:
    """Return the nodes that a partial run executes, and those whose earlier outputs it reuses, in pipeline order.

    Args:
      pipeline: the pipeline.
      from_node, to_node: the first and the last node, or several separated by commas; empty: no limit on that side.

    Raises:
      UsageError: no node is between the two.
    """
    names = pipeline.names
    before: dict[str, set[str]] = {}  # each node with all nodes that it depends on
    for node in pipeline.nodes:
        before[node.name] = {node.name}.union(*(before[other] for other in node.upstream))
    after = {name: {other for other in names if name in before[other]} for name in names}
    to_run = _all_of(after, from_node, names) & _all_of(before, to_node, names)
    if not to_run:
        raise UsageError(f"no node is between --from-node {from_node} and --to-node {to_node}")
    reused = set().union(*(before[name] for name in to_run)) - set().union(*(after[name] for name in to_run))
    return [name for name in names if name in to_run], [name for name in names if name in reused]


def split(nodes: str) -> list[str]:
    """Return the names in a list that is separated by commas."""
    return [name.strip() for name in nodes.split(",") if name.strip()]


def _all_of(reached: Mapping[str, set[str]], nodes: str, names: Sequence[str]) -> set[str]:
    """Return the nodes that any of `nodes` reaches; all if there are none."""
    return set().union(*(reached[name] for name in split(nodes))) if nodes else set(names)


def base_run(store: Store | None, root: Root, wanted: str, needed: Sequence[str]) -> str:
    """Return the base run: the wanted one, else the newest in which all needed nodes succeeded.

    Args:
      store, root: of the runs; no store before the first one.
      wanted: a run, as `references.find_run` takes it; empty: the newest.
      needed: the nodes whose outputs are reused.

    Raises:
      NotFoundError: there is no such run, or not all needed outputs of the wanted one exist.
    """
    run_ids = store.run_ids() if store else []
    try:
        candidates = [references.find_run(wanted, run_ids)] if wanted else run_ids
    except NotFoundError as error:
        raise NotFoundError(f"--base {wanted}: {error}") from error
    for run_id in candidates:
        assert store is not None  # else there are no candidates
        executions = store.executions(run_id)
        missing = [
            node
            for node in needed
            if node not in executions
            or not executions[node].has_succeeded
            or not all(output.live for output in store.outputs(executions[node].id).values())
        ]
        if not missing:
            return run_id
        if wanted:
            raise NotFoundError(
                f"--base {wanted}: {', '.join(missing)} did not succeed in run {run_id}, or is out of use or deleted"
            )
    raise NotFoundError(f"no run in {root.path} in which {', '.join(needed)} succeeded: run the whole pipeline first")
