"""Reads ML Metadata without TFX: runs, executions, artifacts and what connects them, as the dataclasses of `types`.

No `filter_query` (ML Metadata 1.18 and later has none) and no SQL: contexts and events are followed.
"""

from __future__ import annotations

import datetime
import functools
import pathlib
import re
from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from typing import Any

import ml_metadata as mlmd
from ml_metadata.proto import metadata_store_pb2 as pb

from pipeline.core.errors import NotFoundError
from pipeline.core.pipeline_root import Root, moved_path
from pipeline.metadata import client, node_key, references, run_properties
from pipeline.metadata.properties import CACHE, NODE, PIPELINE, PIPELINE_RUN
from pipeline.metadata.protobuf import artifact_of, event_of, execution_of, run_context_of
from pipeline.metadata.types import Artifact, Event, Execution, Maker, Owner, RunContext

# Types of contexts; the second ones are those of TFX before 0.25.
_RUN_TYPES = (PIPELINE_RUN, "run")
_NODE_TYPES = (NODE, "component_run")
_MOST_EARLIER = 20  # executions of a node, or with one key, that are looked at: the newest
_PAGE = 100  # rows read at once; larger pages are not faster
# TFX puts an output into `<node>/<key>/<execution>`, and `<execution>/<index>` where there are several.
_EXECUTION_IN_URI = re.compile(r"/(\d{1,18})(?:/\d+)?/?$")


class Store:
    """An open store. Its client is not thread-safe: use one per thread."""

    def __init__(self, path: pathlib.Path, moved: tuple[str, str] | None = None, read_only: bool = False) -> None:
        """Opens the SQLite file, making it if need be and not `read_only`.

        Args:
          path: the file.
          moved: where the root was when URIs were written, and where it is now; None where it was not moved.
          read_only: nothing is written.

        Raises:
          UnavailableError: the file is damaged or has another version of ML Metadata's schema; it is left as it is.
        """
        self._open(client.connect(path, read_only), moved)

    @classmethod
    def of_client(cls, opened: mlmd.MetadataStore, moved: tuple[str, str] | None) -> Store:
        """The store that a client has open."""
        store = cls.__new__(cls)
        store._open(opened, moved)
        return store

    def _open(self, opened: mlmd.MetadataStore, moved: tuple[str, str] | None) -> None:
        self._client, self._moved = opened, moved
        self._owners: dict[int, Owner] = {}

    # Runs.

    def run_contexts(self) -> list[RunContext]:
        """The contexts of all runs, the newest first."""
        found = [run_context_of(one) for kind in _RUN_TYPES for one in self._client.get_contexts_by_type(kind)]
        return sorted(found, key=lambda context: context.id, reverse=True)

    def run_context(self, run_id: str) -> RunContext | None:
        """The context of a run; None where there is none of this id."""
        found = (self._client.get_context_by_type_and_name(kind, run_id) for kind in _RUN_TYPES)
        return next((run_context_of(context) for context in found if context is not None), None)

    def all_run_contexts(self) -> Iterator[RunContext]:
        """The contexts of all runs, page by page."""
        for context in _rows(self._client.get_contexts, self._client.get_contexts_by_id):
            if context.type in _RUN_TYPES:
                yield run_context_of(context)

    def run_ids(self) -> list[str]:
        """Every run, the newest first."""
        return [context.name for context in self.run_contexts()]

    def find_run(self, wanted: str) -> str:
        """The id of the run that `wanted` names, as `references.find_run` finds it. Raises `NotFoundError`."""
        return references.find_run(wanted, self.run_ids())

    def run_properties(self, run_id: str) -> dict[str, Any]:
        """The custom properties of a run's context; empty where there is no such run."""
        context = self.run_context(run_id)
        return dict(context.properties) if context else {}

    def run_began(self, run_id: str) -> datetime.datetime | None:
        """When a run's context was made; None where there is no such run."""
        context = self.run_context(run_id)
        return context.created if context else None

    def unended_runs(self) -> list[str]:
        """Runs of this pipeline whose end is not recorded, the newest first: in progress, or interrupted."""
        # Plain TFX records neither start nor end: a run of its own is not ours to close.
        start, end = run_properties.START_PROPERTY, run_properties.END_PROPERTY
        return [one.name for one in self.run_contexts() if start in one.properties and end not in one.properties]

    @functools.cached_property
    def _pipelines(self) -> list[str]:
        return [str(one.name) for one in self._client.get_contexts_by_type(PIPELINE)]

    def pipeline_of_run(self, context: RunContext) -> str:
        """Name of the pipeline that a run is of; empty where ML Metadata does not say."""
        if len(self._pipelines) == 1:  # a list of runs asks for each of them
            return self._pipelines[0]
        parents = self._client.get_parent_contexts_by_context(context.id)
        return next((str(one.name) for one in parents if one.type == PIPELINE), "")

    # Executions.

    def executions(self, run_id: str) -> dict[str, Execution]:
        """The executions of a run by node; of several of one node the newest."""
        context = self.run_context(run_id)
        found = ((self.owner(one.id).node, one) for one in (self.executions_of_run(context) if context else ()))
        # A verification is in the run's context, but of no node.
        return {node: execution for node, execution in found if node}

    def executions_of_run(self, context: RunContext) -> list[Execution]:
        """All executions in a run's context, of verifications and decisions as well; the oldest first."""
        return _by_id(map(execution_of, self._client.get_executions_by_context(context.id)))

    def executions_of(self, run_id: str, node: str) -> list[int]:
        """Ids of all executions of a node in a run, the oldest first; several where the run was resumed."""
        context = self.run_context(run_id)
        found = self.executions_of_run(context) if context else []
        return [one.id for one in found if self.owner(one.id).node == node]

    def execution(self, execution_id: int) -> Execution:
        """An execution."""
        return self.executions_by_id([execution_id])[execution_id]

    def executions_by_id(self, execution_ids: Collection[int]) -> dict[int, Execution]:
        """Executions by id, those that there are."""
        found = self._client.get_executions_by_id(list(execution_ids)) if execution_ids else []
        return {one.id: execution_of(one) for one in found}

    def executions_of_type(self, type_name: str) -> list[Execution]:
        """All executions of a type, the oldest first."""
        return _by_id(map(execution_of, self._client.get_executions_by_type(type_name)))

    def all_executions(self) -> Iterator[Execution]:
        """Every execution, page by page."""
        return map(execution_of, _rows(self._client.get_executions, self._client.get_executions_by_id))

    def executions_with_key(self, digest: str, before: int = 0) -> list[Execution]:
        """The newest executions that ran with a key of this digest, newest first; not those that were cached.

        Args:
          digest: of the key.
          before: the id of an execution: only those older than it; 0 for all.
        """
        return self._newest(CACHE, digest, before)

    def executions_of_node(self, pipeline: str, node: str, before: int = 0) -> list[Execution]:
        """The newest executions of a node, newest first; with `before` only those older than that execution."""
        return self._newest(NODE, f"{pipeline}.{node}", before)

    def _newest(self, context_type: str, name: str, before: int) -> list[Execution]:
        context = self._client.get_context_by_type_and_name(context_type, name)
        if context is None:
            return []
        newest = _newest_first(None if before else _MOST_EARLIER)
        found = self._client.get_executions_by_context(context.id, newest)
        if before:
            found = [execution for execution in found if execution.id < before][:_MOST_EARLIER]
        return [execution_of(execution) for execution in found]

    def newest_executions(self, context_id: int, limit: int) -> list[Execution]:
        """The newest executions in a context, the newest first."""
        return [execution_of(one) for one in self._client.get_executions_by_context(context_id, _newest_first(limit))]

    def owner(self, execution_id: int) -> Owner:
        """Run, node and pipeline of an execution."""
        if execution_id in self._owners:
            return self._owners[execution_id]
        by_type: dict[str, str] = {}
        for context in self._client.get_contexts_by_execution(execution_id):
            by_type.setdefault(context.type, context.name)
        pipeline = by_type.get(PIPELINE, "")
        owner = Owner(
            next((by_type[kind] for kind in _RUN_TYPES if kind in by_type), ""),
            # TFX names it `<pipeline>.<node>`.
            next((by_type[kind] for kind in _NODE_TYPES if kind in by_type), "").removeprefix(f"{pipeline}."),
            pipeline,
        )
        if owner.run:
            self._owners[execution_id] = owner
        return owner

    def nodes(self) -> dict[str, list[int]]:
        """Ids of the contexts of each node, by its name; one for each pipeline."""
        found: dict[str, list[int]] = {}
        for context in (one for kind in _NODE_TYPES for one in self._client.get_contexts_by_type(kind)):
            prefix = next((f"{one}." for one in self._pipelines if context.name.startswith(f"{one}.")), "")
            found.setdefault(context.name.removeprefix(prefix), []).append(context.id)
        return found

    # Artifacts.

    def outputs(self, execution_id: int) -> dict[str, Artifact]:
        """The first artifact under each output key of an execution."""
        return self._used(execution_id, wrote=True)

    def inputs(self, execution_id: int) -> dict[str, Artifact]:
        """The first artifact under each input key of an execution."""
        return self._used(execution_id, wrote=False)

    def _used(self, execution_id: int, wrote: bool) -> dict[str, Artifact]:
        events = self.events_of_executions([execution_id])
        events = [event for event in events if event.wrote == wrote and event.declared and event.key]
        artifacts = {artifact.id: artifact for artifact in self.artifacts_by_id([one.artifact for one in events])}
        found: dict[str, Artifact] = {}
        for event in events:
            found.setdefault(event.key, artifacts[event.artifact])
        return found

    def artifacts_by_id(self, artifact_ids: Collection[int]) -> list[Artifact]:
        """Artifacts, those of them that there are."""
        return self._artifacts(self._client.get_artifacts_by_id(list(artifact_ids)) if artifact_ids else [])

    def newest_artifacts(self, limit: int) -> list[Artifact]:
        """The newest artifacts, the newest first."""
        return self._artifacts(self._client.get_artifacts(_newest_first(limit)))

    def artifacts_of_type(self, type_name: str) -> list[Artifact]:
        """All artifacts of a type; none where the store does not know the type."""
        known = type_name in self.artifact_types()
        return self._artifacts(self._client.get_artifacts_by_type(type_name) if known else [])

    def artifacts_of_context(self, context_id: int, limit: int | None = None) -> list[Artifact]:
        """The artifacts in a context; the newest of them, where there is a limit."""
        newest = None if limit is None else _newest_first(limit)
        return self._artifacts(self._client.get_artifacts_by_context(context_id, newest))

    def artifacts_at(self, uri: str) -> list[Artifact]:
        """The artifacts at a place, also where their URIs were written before the root was moved."""
        # Correcting URIs may have been interrupted: both may be there.
        uris = [uri, moved_path(uri, *reversed(self._moved))] if self._moved else [uri]
        try:
            return self._artifacts(found for one in uris for found in self._client.get_artifacts_by_uri(one))
        except UnicodeEncodeError:  # a name that is no text: ML Metadata cannot hold it
            return []

    def all_artifacts(self) -> Iterator[Artifact]:
        """Every artifact, page by page."""
        for artifact in _rows(self._client.get_artifacts, self._client.get_artifacts_by_id):
            yield artifact_of(artifact, self._moved)

    def artifact_types(self) -> list[str]:
        """Names of the types of artifact, sorted."""
        return sorted(str(one.name) for one in self._client.get_artifact_types())

    def _artifacts(self, found: Iterable[pb.Artifact]) -> list[Artifact]:
        return [artifact_of(artifact, self._moved) for artifact in found]

    def current_path(self, path: str) -> str:
        """Where a path that ML Metadata names is now."""
        return moved_path(path, *self._moved) if self._moved else path

    # What connects them.

    def events_of_executions(self, execution_ids: Collection[int]) -> list[Event]:
        """What executions read and wrote."""
        found = self._client.get_events_by_execution_ids(list(execution_ids)) if execution_ids else []
        return [event_of(event) for event in found]

    def events_of_artifacts(self, artifact_ids: Collection[int]) -> list[Event]:
        """Which executions read and wrote artifacts."""
        found = self._client.get_events_by_artifact_ids(list(artifact_ids)) if artifact_ids else []
        return [event_of(event) for event in found]

    def makers(self, artifact_id: int) -> list[int]:
        """The executions that made an artifact, or used it again in a node's place; the oldest first."""
        events = self.events_of_artifacts([artifact_id])
        return sorted({event.execution for event in events if event.wrote and event.declared})

    def readers(self, artifact_id: int) -> list[int]:
        """The executions that read an artifact, the oldest first."""
        events = self.events_of_artifacts([artifact_id])
        return sorted({event.execution for event in events if not event.wrote and event.declared})

    def makers_of(self, artifacts: Sequence[Artifact]) -> dict[int, Maker]:
        """By the artifact's id, which execution made it: the first that wrote it; cached ones came later.

        The place of an artifact names that execution. Only where it does not, all events of the artifact are read:
        those of one that a thousand runs reused are thousands.
        """
        guesses = {one.id: int(match.group(1)) for one in artifacts if (match := _EXECUTION_IN_URI.search(one.uri))}
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
        return {
            artifact: Maker(event.execution, event.key, self.owner(event.execution))
            for artifact, event in found.items()
        }


def open_store(root: Root, read_only: bool = False) -> Store:
    """The store of a root, wherever that was moved to.

    Raises:
      NotFoundError: it must only be read, and there is none.
    """
    if read_only and not root.metadata.is_file():
        raise NotFoundError(f"no run in {root.path}: `sae run` makes the first one, --root names another folder")
    return Store(root.metadata, root.moved(), read_only)


def nearest_execution(earlier: Collection[Execution], key: node_key.CacheKey) -> Execution | None:
    """The execution whose key has the fewest fields unlike `key`; of several the first, the newest."""
    keys = [(one, one.key) for one in earlier if one.state is not None]
    with_key = [(one, old) for one, old in keys if old is not None]
    return min(with_key, key=lambda pair: len(key.changes_since(pair[1])), default=(None, None))[0]


def _newest_first(limit: int | None) -> mlmd.ListOptions:
    return mlmd.ListOptions(limit=limit, order_by=mlmd.OrderByField.ID, is_asc=False)


def _by_id(executions: Iterable[Execution]) -> list[Execution]:
    return sorted(executions, key=lambda execution: execution.id)


def _rows(newest: Callable[..., list[Any]], by_id: Callable[..., list[Any]]) -> Iterator[Any]:
    """All artifacts, contexts or executions, page by page, by their ids.

    Args:
      newest: lists them.
      by_id: gets those that exist among ids.
    """
    highest = [row.id for row in newest(_newest_first(1))]
    for first in range(1, max(highest, default=0) + 1, _PAGE):
        yield from sorted(by_id(list(range(first, first + _PAGE))), key=lambda row: int(row.id))
