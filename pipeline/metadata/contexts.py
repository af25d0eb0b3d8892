"""Read contexts from ML Metadata: runs, pipelines and nodes, and which of them executions belong to.

Stores of other versions of TFX record less: names of nodes and pipelines are then found in properties, or in the names
of contexts.
"""

from __future__ import annotations

import datetime
import functools
from collections.abc import Callable, Collection, Iterable, Iterator
from typing import TYPE_CHECKING, Any

from pipeline.metadata import references, run_properties
from pipeline.metadata.properties import COMPONENT_ID, NODE, PIPELINE, PIPELINE_NAME, PIPELINE_RUN
from pipeline.metadata.protobuf import execution_of, properties_of, run_context_of
from pipeline.metadata.types import Execution, NodeContext, Owner, Properties, RunContext

if TYPE_CHECKING:
    import ml_metadata as mlmd
    from ml_metadata.proto import metadata_store_pb2 as pb

# Types of contexts; TFX before 0.25 used the second ones.
_RUN_TYPES = (PIPELINE_RUN, "run")
_NODE_TYPES = (NODE, "component_run")
_PAGE = 100  # rows read at once; larger pages are not faster


class Contexts:
    """The contexts of a store, and the executions in them. The client is not thread-safe: use one per thread."""

    def __init__(self, client: mlmd.MetadataStore) -> None:
        self._client = client
        self._owners: dict[int, Owner] = {}
        self._first_executions: dict[int, int] = {}  # by context
        self._executions_in: dict[int, set[int]] = {}  # by context

    def run_contexts(self) -> list[RunContext]:
        """Return the contexts of all runs, newest first."""
        found = [run_context_of(one) for kind in _RUN_TYPES for one in self._client.get_contexts_by_type(kind)]
        return sorted(found, key=lambda context: context.id, reverse=True)

    def run_context(self, run_id: str) -> RunContext | None:
        """Return the context of a run; None if there is no such run."""
        found = (self._client.get_context_by_type_and_name(kind, run_id) for kind in _RUN_TYPES)
        return next((run_context_of(context) for context in found if context is not None), None)

    def all_run_contexts(self) -> Iterator[RunContext]:
        """Yield the contexts of all runs, reading them in pages."""
        for context in in_pages(self._client.get_contexts, self._client.get_contexts_by_id):
            if context.type in _RUN_TYPES:
                yield run_context_of(context)

    def run_ids(self) -> list[str]:
        """Return the ids of all runs, newest first."""
        return [context.name for context in self.run_contexts()]

    def newest_run_ids(self) -> list[str]:
        """Return the ids of the newest runs, newest first, in the time to read a page: some, or even none of them."""
        newest = self._client.get_contexts(newest_first(_PAGE))
        return [str(context.name) for context in newest if context.type in _RUN_TYPES]

    def find_run(self, wanted: str) -> str:
        """Return the id of the run that `wanted` names. Raises `NotFoundError` like `references.find_run`."""
        return references.find_run(wanted, self.run_ids())

    def run_properties(self, run_id: str) -> dict[str, Any]:
        """Return the properties of a run's context; empty if there is no such run."""
        context = self.run_context(run_id)
        return dict(context.properties) if context else {}

    def run_began(self, run_id: str) -> datetime.datetime | None:
        """Return when a run began; None if there is no such run."""
        context = self.run_context(run_id)
        return run_properties.began_of(context) if context else None

    def unended_runs(self) -> list[str]:
        """Return the ids of runs without a recorded end, newest first: in progress, or interrupted."""
        # Runs of plain TFX record neither start nor end.
        start, end = run_properties.START_PROPERTY, run_properties.END_PROPERTY
        return [one.name for one in self.run_contexts() if start in one.properties and end not in one.properties]

    @functools.cached_property
    def _pipeline_contexts(self) -> list[pb.Context]:
        return list(self._client.get_contexts_by_type(PIPELINE))

    @property
    def pipelines(self) -> list[str]:
        """The names of the pipelines that have a context, sorted."""
        return sorted(str(one.name) for one in self._pipeline_contexts)

    @functools.cached_property
    def _pipelines_by_child(self) -> dict[int, str]:
        """The pipeline of each context that has one as its parent."""
        return {
            int(child.id): str(one.name)
            for one in self._pipeline_contexts
            for child in self._client.get_children_contexts_by_context(one.id)
        }

    def pipeline_of_run(self, context: RunContext) -> str:
        """Return the name of a run's pipeline; empty if it is not recorded."""
        if len(self._pipeline_contexts) == 1:  # saves calls for each run of a list
            return self.pipelines[0]
        if context.id not in self._pipelines_by_child:  # early versions of TFX recorded no parents
            recorded = str(context.properties.get(PIPELINE_NAME, ""))
            newest = [] if recorded else self.newest_executions(context.id, 1)
            self._pipelines_by_child[context.id] = recorded or next((self.owner(one.id).pipeline for one in newest), "")
        return self._pipelines_by_child[context.id]

    def executions_by_id(self, execution_ids: Collection[int]) -> dict[int, Execution]:
        """Return those of the executions that exist, by id."""
        found = self._client.get_executions_by_id(list(execution_ids)) if execution_ids else []
        return {one.id: execution_of(one) for one in found}

    def newest_executions(self, context_id: int, limit: int) -> list[Execution]:
        """Return the newest executions in a context, newest first."""
        return [execution_of(one) for one in self._client.get_executions_by_context(context_id, newest_first(limit))]

    def owner(self, execution_id: int) -> Owner:
        """Return run, node and pipeline of an execution."""
        if execution_id in self._owners:
            return self._owners[execution_id]
        by_type: dict[str, pb.Context] = {}
        for context in self._client.get_contexts_by_execution(execution_id):
            by_type.setdefault(context.type, context)
        pipeline = str(by_type[PIPELINE].name) if PIPELINE in by_type else ""
        run = next((str(by_type[kind].name) for kind in _RUN_TYPES if kind in by_type), "")
        of_node = next((by_type[kind] for kind in _NODE_TYPES if kind in by_type), None)
        if of_node is not None:
            node = _node_of(of_node, [pipeline, run])
        else:
            node = next((_component(one.properties) for one in self.executions_by_id([execution_id]).values()), "")
        owner = Owner(run, node, pipeline)
        if owner.run:
            self._owners[execution_id] = owner
        return owner

    def nodes(self) -> dict[str, list[int]]:
        """Return the ids of each node's contexts, one for each pipeline or run, by the node's name."""
        found: dict[str, list[int]] = {}
        for context in self._node_contexts:
            found.setdefault(context.node, []).append(context.id)
        return found

    @functools.cached_property
    def _node_contexts(self) -> list[NodeContext]:
        found = []
        for kind in _NODE_TYPES:
            contexts = self._client.get_contexts_by_type(kind)
            owners = {*self.pipelines, *(self.run_ids() if contexts and kind != NODE else ())}
            for context in contexts:
                # Names of pipelines and runs contain dots, and may begin with that of another: the longest counts.
                dots = [place for place, character in enumerate(context.name) if character == "."]
                owner = next((context.name[:dot] for dot in reversed(dots) if context.name[:dot] in owners), "")
                found.append(NodeContext(int(context.id), _node_of(context, [owner]), owner))
        return found

    @functools.cached_property
    def _node_contexts_by_owner(self) -> dict[str, list[NodeContext]]:
        found: dict[str, list[NodeContext]] = {}
        for context in self._node_contexts:
            found.setdefault(context.owner, []).append(context)
        return found

    def node_contexts(self, owner: str) -> list[NodeContext]:
        """Return the contexts of the nodes of a pipeline or, in early versions of TFX, of a run."""
        return self._node_contexts_by_owner.get(owner, [])

    def first_execution(self, context_id: int) -> int:
        """Return the id of the first execution in a context; 0 if there is none."""
        if context_id not in self._first_executions:
            found = self._client.get_executions_by_context(context_id, by_id_option(1, ascending=True))
            self._first_executions[context_id] = int(found[0].id) if found else 0
        return self._first_executions[context_id]

    def is_of_node(self, execution_id: int, node: str, owners: Collection[str]) -> bool:
        """Return whether an execution is one of a node of these pipelines or runs."""
        contexts = [one.id for owner in owners for one in self.node_contexts(owner) if one.node == node]
        for context in contexts:
            if context not in self._executions_in:
                found = self._client.get_executions_by_context(context)
                self._executions_in[context] = {int(one.id) for one in found}
        return any(execution_id in self._executions_in[context] for context in contexts)


def _node_of(context: pb.Context, owners: Iterable[str]) -> str:
    """Return the name of the node of a context, which TFX names `<pipeline>.<node>`, earlier `<run>.<node>`."""
    prefix = next((f"{one}." for one in owners if one and context.name.startswith(f"{one}.")), "")
    return _component(properties_of(context)) or str(context.name).removeprefix(prefix)


def _component(recorded: Properties) -> str:
    return str(recorded.get(COMPONENT_ID, ""))


def newest_first(limit: int | None) -> mlmd.ListOptions:
    """Return the options that list the rows with the highest ids first."""
    return by_id_option(limit, ascending=False)


def by_id_option(limit: int | None, ascending: bool) -> mlmd.ListOptions:
    """Return the options that list rows by their ids."""
    import ml_metadata as mlmd

    return mlmd.ListOptions(limit=limit, order_by=mlmd.OrderByField.ID, is_asc=ascending)


def in_pages(newest: Callable[..., list[Any]], by_id: Callable[..., list[Any]]) -> Iterator[Any]:
    """Yield all rows that `newest` lists, in pages of consecutive ids that `by_id` reads."""
    highest = [row.id for row in newest(newest_first(1))]
    for first in range(1, max(highest, default=0) + 1, _PAGE):
        yield from sorted(by_id(list(range(first, first + _PAGE))), key=lambda row: int(row.id))
