"""Read runs, executions, artifacts and events from ML Metadata, without TFX, as the dataclasses of `types`.

Contexts and events are followed: ML Metadata 1.18 and later has no `filter_query`, and its tables are not an interface.
"""

from __future__ import annotations

import datetime
import functools
import pathlib
import re
from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from typing import TYPE_CHECKING, Any

from components import int64
from pipeline.core.errors import NotFoundError
from pipeline.core.pipeline_root import Root, moved_path
from pipeline.metadata import node_key, references, run_properties
from pipeline.metadata.properties import CACHE, COMPONENT_ID, NODE, PIPELINE, PIPELINE_NAME, PIPELINE_RUN
from pipeline.metadata.protobuf import artifact_of, event_of, execution_of, properties_of, run_context_of
from pipeline.metadata.types import Artifact, Event, Execution, Maker, NodeContext, Owner, Properties, RunContext

if TYPE_CHECKING:
    import ml_metadata as mlmd
    from ml_metadata.proto import metadata_store_pb2 as pb

# Types of contexts; TFX before 0.25 used the second ones.
_RUN_TYPES = (PIPELINE_RUN, "run")
_NODE_TYPES = (NODE, "component_run")
_MOST_EARLIER = 20  # the newest executions of a node, or with one key, that are considered
_PAGE = 100  # rows read at once; larger pages are not faster
# TFX puts an output into `<node>/<key>/<execution>`, and `<execution>/<index>` where there are several.
_EXECUTION_IN_URI = re.compile(r"/([0-9]+)(?:/[0-9]+)?/?$")


class Store:
    """An open store. Its client is not thread-safe: use one per thread."""

    def __init__(
        self,
        source: pathlib.Path | mlmd.MetadataStore,
        moved: tuple[str, str] | None = None,
        read_only: bool = False,
    ) -> None:
        """Open a store.

        Args:
          source: an SQLite file, which is created if it does not exist; or a client.
          moved: where the root was when URIs were written, and where it is now; None if it was not moved.
          read_only: open a file to read it only, and do not create it.

        Raises:
          UnavailableError: the file is damaged or has a schema of ML Metadata that this version does not support.
        """
        if not isinstance(source, pathlib.Path):
            self._client: mlmd.MetadataStore = source
        elif read_only:
            from pipeline.metadata import sources

            self._client = sources.connect_read_only(source)
        else:
            from pipeline.metadata import client

            self._client = client.connect(source)
        self._moved = moved
        self._owners: dict[int, Owner] = {}
        self._first_executions: dict[int, int] = {}  # by context
        self._executions_in: dict[int, set[int]] = {}  # by context

    # Runs.

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
        for context in _rows(self._client.get_contexts, self._client.get_contexts_by_id):
            if context.type in _RUN_TYPES:
                yield run_context_of(context)

    def run_ids(self) -> list[str]:
        """Return the ids of all runs, newest first."""
        return [context.name for context in self.run_contexts()]

    def find_run(self, wanted: str) -> str:
        """Return the id of the run that `wanted` names. Raises `NotFoundError` like `references.find_run`."""
        return references.find_run(wanted, self.run_ids())

    def run_properties(self, run_id: str) -> dict[str, Any]:
        """Return the properties of a run's context; empty if there is no such run."""
        context = self.run_context(run_id)
        return dict(context.properties) if context else {}

    def run_began(self, run_id: str) -> datetime.datetime | None:
        """Return when a run's context was created; None if there is no such run."""
        context = self.run_context(run_id)
        return context.created if context else None

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

    # Executions.

    def executions(self, run_id: str) -> dict[str, Execution]:
        """Return the newest execution of each node of a run, by node."""
        context = self.run_context(run_id)
        found = ((self.owner(one.id).node, one) for one in (self.executions_of_run(context) if context else ()))
        # Verifications and decisions are in the run's context, but belong to no node.
        return {node: execution for node, execution in found if node}

    def executions_of_run(self, context: RunContext) -> list[Execution]:
        """Return all executions in a run's context, oldest first, including verifications and decisions."""
        return _by_id(map(execution_of, self._client.get_executions_by_context(context.id)))

    def executions_of(self, run_id: str, node: str) -> list[int]:
        """Return the ids of a node's executions in a run, oldest first; several if the run was resumed."""
        context = self.run_context(run_id)
        found = self.executions_of_run(context) if context else []
        return [one.id for one in found if self.owner(one.id).node == node]

    def execution(self, execution_id: int) -> Execution:
        """Return an execution."""
        return self.executions_by_id([execution_id])[execution_id]

    def executions_by_id(self, execution_ids: Collection[int]) -> dict[int, Execution]:
        """Return those of the executions that exist, by id."""
        found = self._client.get_executions_by_id(list(execution_ids)) if execution_ids else []
        return {one.id: execution_of(one) for one in found}

    def executions_of_type(self, type_name: str) -> list[Execution]:
        """Return all executions of a type, oldest first."""
        return _by_id(map(execution_of, self._client.get_executions_by_type(type_name)))

    def all_executions(self) -> Iterator[Execution]:
        """Yield all executions, reading them in pages."""
        return map(execution_of, _rows(self._client.get_executions, self._client.get_executions_by_id))

    def newest_execution(self) -> int:
        """Return the highest id of an execution; 0 if there is none."""
        return max((int(one.id) for one in self._client.get_executions(list_options=_newest_first(1))), default=0)

    def executions_with_key(self, digest: str, before: int = 0) -> list[Execution]:
        """Return up to 20 executions that ran, not cached, with a key of this digest, newest first.

        Args:
          digest: the key's digest.
          before: id of an execution that the result must be older than; 0 for no limit.
        """
        return self._newest_of_context(CACHE, digest, before)

    def executions_of_node(self, pipeline: str, node: str, before: int = 0) -> list[Execution]:
        """Return up to 20 executions of a node, newest first; with `before`, only those older than that execution."""
        return self._newest_of_context(NODE, f"{pipeline}.{node}", before)

    def _newest_of_context(self, context_type: str, name: str, before: int) -> list[Execution]:
        context = self._client.get_context_by_type_and_name(context_type, name)
        if context is None:
            return []
        newest = _newest_first(None if before else _MOST_EARLIER)
        found = self._client.get_executions_by_context(context.id, newest)
        if before:
            found = [execution for execution in found if execution.id < before][:_MOST_EARLIER]
        return [execution_of(execution) for execution in found]

    def newest_executions(self, context_id: int, limit: int) -> list[Execution]:
        """Return the newest executions in a context, newest first."""
        return [execution_of(one) for one in self._client.get_executions_by_context(context_id, _newest_first(limit))]

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
                # The name of a pipeline or run may contain dots.
                dots = [place for place, character in enumerate(context.name) if character == "."]
                # A notebook's run starts with the name of its pipeline: the longest name is that of the run.
                order = dots if kind == NODE else reversed(dots)
                owner = next((context.name[:dot] for dot in order if context.name[:dot] in owners), "")
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
            found = self._client.get_executions_by_context(context_id, _by_id_option(1, ascending=True))
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

    # Artifacts.

    def outputs(self, execution_id: int) -> dict[str, Artifact]:
        """Return the first artifact of each output key of an execution."""
        return self._artifacts_of_execution(execution_id, wrote=True)

    def inputs(self, execution_id: int) -> dict[str, Artifact]:
        """Return the first artifact of each input key of an execution."""
        return self._artifacts_of_execution(execution_id, wrote=False)

    def outputs_of(self, execution_ids: Collection[int]) -> dict[int, dict[str, Artifact]]:
        """Return the first artifact of each output key of executions, by execution; two calls for all of them."""
        events = [one for one in self.events_of_executions(execution_ids) if one.wrote and one.declared and one.key]
        artifacts = {artifact.id: artifact for artifact in self.artifacts_of_events(events)}
        found: dict[int, dict[str, Artifact]] = {number: {} for number in execution_ids}
        for event in events:
            found[event.execution].setdefault(event.key, artifacts[event.artifact])
        return found

    def _artifacts_of_execution(self, execution_id: int, wrote: bool) -> dict[str, Artifact]:
        events = self.events_of_executions([execution_id])
        events = [event for event in events if event.wrote == wrote and event.declared and event.key]
        artifacts = {artifact.id: artifact for artifact in self.artifacts_of_events(events)}
        found: dict[str, Artifact] = {}
        for event in events:
            found.setdefault(event.key, artifacts[event.artifact])
        return found

    def artifacts_by_id(self, artifact_ids: Collection[int]) -> list[Artifact]:
        """Return those of the artifacts that exist."""
        return self._artifacts(self._client.get_artifacts_by_id(list(artifact_ids)) if artifact_ids else [])

    def artifacts_of_events(self, events: Iterable[Event]) -> list[Artifact]:
        """Return the artifacts of events; those that were deleted from ML Metadata are `removed`."""
        return self.named_artifacts({event.artifact for event in events})

    def named_artifacts(self, artifact_ids: Collection[int]) -> list[Artifact]:
        """Return artifacts that events name; those that were deleted from ML Metadata are `removed`."""
        found = self.artifacts_by_id(artifact_ids)
        missing = set(artifact_ids) - {artifact.id for artifact in found}
        return [*found, *map(Artifact.without_row, sorted(missing))]

    def newest_artifacts(self, limit: int) -> list[Artifact]:
        """Return the newest artifacts, newest first."""
        return self._artifacts(self._client.get_artifacts(_newest_first(limit)))

    def artifacts_of_type(self, type_name: str) -> list[Artifact]:
        """Return all artifacts of a type; none if the type is unknown."""
        known = type_name in self.artifact_types()
        return self._artifacts(self._client.get_artifacts_by_type(type_name) if known else [])

    def artifacts_of_context(self, context_id: int, limit: int | None = None) -> list[Artifact]:
        """Return the artifacts in a context; with a limit, the newest of them."""
        newest = None if limit is None else _newest_first(limit)
        return self._artifacts(self._client.get_artifacts_by_context(context_id, newest))

    def artifacts_at(self, uri: str) -> list[Artifact]:
        """Return the artifacts with a URI, also if it was written before the root was moved."""
        # If rewriting moved URIs was interrupted, both forms exist.
        uris = [uri, moved_path(uri, *reversed(self._moved))] if self._moved else [uri]
        try:
            return self._artifacts(found for one in uris for found in self._client.get_artifacts_by_uri(one))
        except UnicodeEncodeError:  # ML Metadata cannot store such a name
            return []

    def all_artifacts(self) -> Iterator[Artifact]:
        """Yield all artifacts, reading them in pages."""
        for artifact in _rows(self._client.get_artifacts, self._client.get_artifacts_by_id):
            yield artifact_of(artifact, self._moved)

    def artifact_types(self) -> list[str]:
        """Return the names of the artifact types, sorted."""
        return sorted(str(one.name) for one in self._client.get_artifact_types())

    def _artifacts(self, found: Iterable[pb.Artifact]) -> list[Artifact]:
        return [artifact_of(artifact, self._moved) for artifact in found]

    def current_path(self, path: str) -> str:
        """Return where a path that ML Metadata contains is now, if the root was moved."""
        return moved_path(path, *self._moved) if self._moved else path

    # Events.

    def events_of_executions(self, execution_ids: Collection[int]) -> list[Event]:
        """Return the events of executions: what they read and wrote."""
        found = self._client.get_events_by_execution_ids(list(execution_ids)) if execution_ids else []
        return [event_of(event) for event in found]

    def events_of_artifacts(self, artifact_ids: Collection[int]) -> list[Event]:
        """Return the events of artifacts: which executions read and wrote them."""
        found = self._client.get_events_by_artifact_ids(list(artifact_ids)) if artifact_ids else []
        return [event_of(event) for event in found]

    def makers(self, artifact_id: int) -> list[int]:
        """Return the ids of the executions that made or reused an artifact, oldest first."""
        events = self.events_of_artifacts([artifact_id])
        return sorted({event.execution for event in events if event.wrote and event.declared})

    def readers(self, artifact_id: int) -> list[int]:
        """Return the ids of the executions that read an artifact, oldest first."""
        events = self.events_of_artifacts([artifact_id])
        return sorted({event.execution for event in events if not event.wrote and event.declared})

    def makers_of(self, artifacts: Sequence[Artifact]) -> dict[int, Maker]:
        """Return the execution that made each artifact, with its owner, by the artifact's id."""
        return {
            artifact: Maker(event.execution, event.key, self.owner(event.execution))
            for artifact, event in self._making_events(artifacts).items()
        }

    def making_executions(self, artifacts: Sequence[Artifact]) -> dict[int, Execution]:
        """Return the execution that made each artifact, by the artifact's id."""
        makers = {artifact: event.execution for artifact, event in self._making_events(artifacts).items()}
        found = self.executions_by_id(set(makers.values()))
        return {artifact: found[maker] for artifact, maker in makers.items() if maker in found}

    def _making_events(self, artifacts: Sequence[Artifact]) -> dict[int, Event]:
        """Return the event of the execution that made each artifact, by the artifact's id: the first that wrote it.

        Its id is part of the artifact's URI. Only if it is not, all events of the artifact are read: an artifact that a
        thousand runs reused has thousands.
        """
        guesses = {one.id: guess for one in artifacts if (guess := _execution_in(one.uri)) is not None}
        wrote = {
            (event.artifact, event.execution): event
            for event in self.events_of_executions(set(guesses.values()))
            if event.wrote
        }
        found = {artifact: wrote[artifact, guess] for artifact, guess in guesses.items() if (artifact, guess) in wrote}
        rest = [one.id for one in artifacts if one.id not in found]
        events = [event for event in self.events_of_artifacts(rest) if event.wrote]
        for event in sorted(events, key=lambda event: event.execution, reverse=True):
            found[event.artifact] = event
        return found


def _node_of(context: pb.Context, owners: Iterable[str]) -> str:
    """Return the name of the node of a context, which TFX names `<pipeline>.<node>`, earlier `<run>.<node>`."""
    prefix = next((f"{one}." for one in owners if one and context.name.startswith(f"{one}.")), "")
    return _component(properties_of(context)) or str(context.name).removeprefix(prefix)


def _component(recorded: Properties) -> str:
    return str(recorded.get(COMPONENT_ID, ""))


def _execution_in(uri: str) -> int | None:
    match = _EXECUTION_IN_URI.search(uri)
    return int64.parsed(match.group(1)) if match else None


def open_store(root: Root, read_only: bool = False) -> Store:
    """Open the store of a root, also if the root was moved.

    Raises:
      NotFoundError: the store does not exist, and `read_only`.
      UnavailableError: the file is damaged or has a schema of ML Metadata that this version does not support.
    """
    if read_only and not root.metadata.is_file():
        raise no_run(root)
    return Store(root.metadata, root.moved(), read_only)


def no_run(root: Root) -> NotFoundError:
    """Return the error for a root without runs."""
    return NotFoundError(f"no run in {root.path}: `sae run` makes the first one, --root names another folder")


def nearest_execution(earlier: Collection[Execution], key: node_key.CacheKey) -> Execution | None:
    """Return the ended execution whose key differs from `key` in the fewest fields; the first of several, or None."""
    keys = [(one, one.key) for one in earlier if one.state is not None]
    with_key = [(one, old) for one, old in keys if old is not None]
    return min(with_key, key=lambda pair: len(key.changes_since(pair[1])), default=(None, None))[0]


def _newest_first(limit: int | None) -> mlmd.ListOptions:
    return _by_id_option(limit, ascending=False)


def _by_id_option(limit: int | None, ascending: bool) -> mlmd.ListOptions:
    import ml_metadata as mlmd

    return mlmd.ListOptions(limit=limit, order_by=mlmd.OrderByField.ID, is_asc=ascending)


def _by_id(executions: Iterable[Execution]) -> list[Execution]:
    return sorted(executions, key=lambda execution: execution.id)


def _rows(newest: Callable[..., list[Any]], by_id: Callable[..., list[Any]]) -> Iterator[Any]:
    """Yield all rows that `newest` lists, in pages of consecutive ids that `by_id` reads."""
    highest = [row.id for row in newest(_newest_first(1))]
    for first in range(1, max(highest, default=0) + 1, _PAGE):
        yield from sorted(by_id(list(range(first, first + _PAGE))), key=lambda row: int(row.id))
