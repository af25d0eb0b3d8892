"""`sae plan`: decide which nodes a run would run, and why, without running or writing anything."""

from __future__ import annotations

import dataclasses
import pathlib
from collections.abc import Sequence

from pipeline.core import settings
from pipeline.core.pipeline_root import Root
from pipeline.definition.spec import ConfiguredPipeline, Pipeline
from pipeline.metadata.store import open_store
from pipeline.orchestration import partial_run
from pipeline.orchestration.cache import CacheVerdict, NodeCache
from pipeline.orchestration.request import RunRequest

_REUSED, _LEFT_OUT = "reused", "left out"


@dataclasses.dataclass(frozen=True)
class PlannedNode:
    """What a run would do with a node."""

    node: str
    # `run`; `cached`; `depends`: run unless its inputs stay the same; `reused` from the base run of a partial
    # run; or `left out`
    verdict: str
    reasons: tuple[str, ...] = ()  # why the node would run; empty for the other verdicts
    of_run: str = ""  # the run whose outputs would be used


@dataclasses.dataclass(frozen=True)
class Plan:
    """What a run would do. `dataset` is empty if it is not known without TensorFlow."""

    root: str
    dataset: str
    profile: str
    nodes: tuple[PlannedNode, ...]


def plan_run(request: RunRequest) -> Plan:
    """Decide on every node as a run would, as far as that is known before it runs.

    Raises:
      SaeError: `sae run` would fail with the same error.
    """
    resolved = settings.resolve(request.settings)
    pipeline = request.pipeline
    partial_run.check(pipeline, request.from_node, request.to_node, request.base_run)
    to_run, needed = partial_run.nodes_of(pipeline, request.from_node, request.to_node)
    root = Root(pathlib.Path(resolved.config.paths.root).resolve())
    if not needed and not root.metadata.is_file():
        lines = _without_decision(pipeline, to_run, needed, "", "nothing ran in this root yet")
        return Plan(str(root.path), "", resolved.profile, lines)
    store = open_store(root, read_only=True)
    base = partial_run.base_run(store, root, request.base_run, needed) if needed else ""
    found = pipeline.data.recall(root, request.settings, resolved)
    if found is None:
        reason = "the data set is not known in this root, or may be another one now"
        return Plan(str(root.path), "", resolved.profile, _without_decision(pipeline, to_run, needed, base, reason))
    configured = ConfiguredPipeline(pipeline, found.settings, found.dataset, root.serving)
    cache = NodeCache(root, store, configured, use_cache=request.use_cache, all_bytes=request.all_bytes)
    given = {name: store.outputs(execution.id) for name, execution in store.executions(base).items()} if base else {}
    decisions = {one.node: one for one in cache.decide_all(to_run, given)}
    lines = tuple(
        PlannedNode(name, decisions[name].verdict.value, decisions[name].reasons, decisions[name].run_id)
        if name in decisions
        else _not_run(name, needed, base)
        for name in pipeline.names
    )
    dataset = f"{found.dataset.name} {found.dataset.version}"
    return Plan(str(root.path), dataset, found.settings.profile, lines)


def _without_decision(
    pipeline: Pipeline, to_run: Sequence[str], needed: Sequence[str], base: str, reason: str
) -> tuple[PlannedNode, ...]:
    """Return a plan in which each node that may run does, for one reason."""
    return tuple(
        PlannedNode(name, CacheVerdict.RUN.value, (reason,)) if name in to_run else _not_run(name, needed, base)
        for name in pipeline.names
    )


def _not_run(name: str, needed: Sequence[str], base: str) -> PlannedNode:
    return PlannedNode(name, _REUSED, of_run=base) if name in needed else PlannedNode(name, _LEFT_OUT)
