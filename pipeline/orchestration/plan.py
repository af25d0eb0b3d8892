"""`sae plan`: decide which nodes a run would run, and why, without running or writing anything."""

from __future__ import annotations

import dataclasses
import os
import pathlib
from collections.abc import Sequence

from pipeline.core import settings
from pipeline.core.errors import SaeError
from pipeline.core.pipeline_root import Root
from pipeline.definition.spec import ConfiguredPipeline, DataLookup, Pipeline
from pipeline.metadata import root_store, run_properties
from pipeline.metadata.store import Store, open_store
from pipeline.metadata.types import RunContext
from pipeline.orchestration import partial_run
from pipeline.orchestration.cache import CacheDecision, CacheVerdict, NodeCache
from pipeline.orchestration.request import RunRequest
from pipeline.provenance import cache_key, numeric_variables, remembered, source_code
from pipeline_config import EngineConfig

_NOTHING_RAN = "nothing ran in this root yet"


@dataclasses.dataclass(frozen=True)
class PlannedNode:
    """What a run would do with a node."""

    node: str
    # `run`; `cached`; `depends`: run unless its inputs stay the same; `reused` from the base run of a partial
    # run; or `left out`
    verdict: str
    reasons: tuple[str, ...] = ()  # why the node would run; what differs in a reused result
    of_run: str = ""  # the run whose outputs would be used


@dataclasses.dataclass(frozen=True)
class Plan:
    """What a run would do. `dataset` is empty if not known without TensorFlow; `profile` if it does not apply."""

    root: str
    dataset: str
    profile: str
    nodes: tuple[PlannedNode, ...]
    notices: tuple[str, ...] = ()  # what a run would warn of or fail with, one line each
    data: str = ""  # where a run would find its data; empty: not known
    cluster: str = ""  # where Beam jobs would run; empty: on this machine, or there are none
    on_cluster: tuple[str, ...] = ()  # the nodes whose jobs would run there


def plan_run(request: RunRequest) -> Plan:
    """Decide on every node as a run would, as far as that is known before it runs.

    Raises:
      SaeError: `sae run` would fail with the same error.
    """
    resolved = settings.resolve(request.settings)
    pipeline = request.pipeline
    request = partial_run.with_nodes(request)
    to_run, needed = partial_run.nodes_of(pipeline, request.from_node, request.to_node)
    root = Root.at(pathlib.Path(resolved.config.paths.root))
    root.check_path()
    store_of_root = root_store.given(root, resolved.config.paths.metadata)
    store_of_root.check_server()
    cache_key.check_code(pipeline.nodes)
    lookup = pipeline.data.look_up(resolved)
    decisions: dict[str, CacheDecision] = {}
    changes: dict[str, list[str]] = {}  # since the base run, of each reused node
    dataset, base, reason = "", "", _NOTHING_RAN
    found = None if lookup and not lookup.good else pipeline.data.recall(root, request.settings, resolved)
    if needed or store_of_root.exists():
        store = open_store(root, read_only=True)
        base = partial_run.base_run(store, root, request.base_run, needed) if needed else ""
        if lookup and not lookup.good:
            reason = lookup.found
        elif found is None:
            newest = _newest(store)
            other = _other_profile(newest, root, resolved, request)
            reason = _unknown_dataset(root, _profile(resolved, request), other) if newest else _NOTHING_RAN
        else:
            resolved, dataset = found.settings, f"{found.dataset.name} {found.dataset.version}"
            configured = ConfiguredPipeline(pipeline, resolved, found.dataset, root.serving)
            cache = NodeCache(root, store, configured, use_cache=request.use_cache, all_bytes=request.all_bytes)
            decisions, changes = _decide(cache, base, to_run, needed)

    if len(decisions) < len(to_run) or any(one.verdict != CacheVerdict.CACHED for one in decisions.values()):
        from pipeline.orchestration.portable import checks

        checks.require(resolved.config.engine, pipeline, root, write=False)

    def planned(name: str) -> PlannedNode:
        if (decision := decisions.get(name)) is not None:
            return PlannedNode(name, decision.verdict.value, decision.reasons, decision.run_id)
        if name in to_run:
            return PlannedNode(name, CacheVerdict.RUN.value, (reason,))
        differences = tuple(f"differs from this run: {change}" for change in changes.get(name, ()))
        return PlannedNode(name, "reused", differences, base) if name in needed else PlannedNode(name, "left out")

    nodes = tuple(planned(name) for name in pipeline.names)
    executed = [node.node for node in nodes if node.verdict in (CacheVerdict.RUN.value, CacheVerdict.DEPENDS.value)]
    cluster = _cluster(resolved.config.engine)
    on_cluster = tuple(name for name in executed if cluster and pipeline.by_name[name].any_workers)
    return Plan(
        root=str(root.path),
        dataset=dataset,
        profile=_profile(resolved, request),
        nodes=nodes,
        notices=_notices(pipeline, resolved, lookup),
        data=lookup.found if lookup else "",
        cluster=cluster if on_cluster else "",
        on_cluster=on_cluster,
    )


def _decide(
    cache: NodeCache, base: str, to_run: Sequence[str], needed: Sequence[str]
) -> tuple[dict[str, CacheDecision], dict[str, list[str]]]:
    """Decide on the nodes to run, and find what has changed in the needed ones since the base run, if there is one."""
    executions = cache.store.executions(base) if base else {}
    reused = {name: cache.store.outputs(execution.id) for name, execution in executions.items()}
    nodes = cache.configured.pipeline.by_name
    with remembered.in_file(cache.root.answers, write=False), source_code.read_once():
        decisions = {one.node: one for one in cache.decide_all(to_run, reused)}
        return decisions, {name: cache.changes_since(nodes[name], executions[name]) for name in needed}


def _notices(pipeline: Pipeline, resolved: settings.Settings, lookup: DataLookup | None) -> tuple[str, ...]:
    notices = [numeric_variables.notice(numeric_variables.ignored(os.environ, resolved.config.engine))]
    if lookup and not lookup.good:
        notices.append(f"{lookup.found}; {lookup.advice}")
    return tuple(filter(None, [*notices, *pipeline.data.hints(resolved, True)]))


def dataset_warning(request: RunRequest) -> str:
    """Return why a run may not read the data set of the earlier runs in its root; empty if it reads that, or none ran.

    Raises:
      SaeError: settings, root or store cannot be read.
    """
    resolved = settings.resolve(request.settings)
    root = Root.at(pathlib.Path(resolved.config.paths.root))
    if not root_store.given(root, resolved.config.paths.metadata).exists():
        return ""
    if (found := request.pipeline.data.recall(root, request.settings, resolved)) is None:
        other = _other_profile(_newest(open_store(root, read_only=True)), root, resolved, request)
        # With the same profile, it may be a new version of the data.
        return _unknown_dataset(root, _profile(resolved, request), other) if other else ""
    used = found.settings.profile
    if used == resolved.profile:
        return ""
    return (
        f"runs would use profile {used} in place of {resolved.profile}, and fail once the data set of "
        f"{resolved.profile} is there: add --profile {used}"
    )


def _cluster(engine: EngineConfig) -> str:
    """Return where Beam jobs run, in words; empty: on this machine."""
    job_server = f"Beam's job server at {engine.job_endpoint}"
    places = {
        "flink": f"Flink at {engine.flink_master}",
        "spark": f"Spark, through {job_server}",
        "portable": job_server,
        "dataflow": "Dataflow",
    }
    return places.get(engine.runner, "")


def _profile(resolved: settings.Settings, request: RunRequest) -> str:
    return settings.applied_profile(resolved.profile, resolved.config.values(), request.settings.config_type)


def _newest(store: Store) -> RunContext | None:
    return next(iter(store.run_contexts()), None)


def _unknown_dataset(root: Root, profile: str, other: str) -> str:
    """Return why nothing can be cached where the data set is unknown, with that of the runs and their other profile."""
    chosen = f"the data set of profile {profile}" if profile else "the data set"
    text = f"{chosen} is not known in this root, or may be another one now"
    if dataset := root.dataset():
        text += f"; its runs are on {dataset}"
    return f"{text}: add --profile {other}" if other else text


def _other_profile(newest: RunContext | None, root: Root, resolved: settings.Settings, request: RunRequest) -> str:
    """Return the profile of the newest run if it is another one and the data set is known with it; empty: none.

    A run on own data records the default profile, which says nothing of its data.
    """
    used = run_properties.headline_of(newest.properties).profile if newest else ""
    if not used or used == _profile(resolved, request):
        return ""
    asked = dataclasses.replace(request.settings, profile=used)
    try:
        return used if request.pipeline.data.recall(root, asked, settings.resolve(asked)) else ""
    except SaeError:
        return ""
