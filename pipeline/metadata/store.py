"""Read runs, executions, artifacts and events from ML Metadata, without TFX, as the dataclasses of `types`.

Contexts and events are followed: ML Metadata 1.18 and later has no `filter_query`, and its tables are not an interface.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING

from components import int64
from pipeline.core.errors import NotFoundError
from pipeline.core.pipeline_root import Root, moved_path
from pipeline.metadata import node_key, root_store
from pipeline.metadata.contexts import Contexts, in_pages, newest_first
from pipeline.metadata.properties import CACHE, NODE
from pipeline.metadata.protobuf import artifact_of, event_of, execution_of
from pipeline.metadata.types import Artifact, Event, Execution, Maker, RunContext

if TYPE_CHECKING:
    import ml_metadata as mlmd
    from ml_metadata.proto import metadata_store_pb2 as pb

_MOST_EARLIER = 20  # the newest executions of a node, or with one key, that are considered
# TFX puts an output into `<node>/<key>/<execution>`, and `<execution>/<index>` where there are several.
_EXECUTION_IN_URI = re.compile(r"/([0-9]+)(?:/[0-9]+)?/?$")


class Store(Contexts):
    """An open store. Its client is not thread-safe: use one per thread."""

    def __init__(self, client: mlmd.MetadataStore, moved: tuple[str, str] | None = None) -> None:
        """Read with a client; `moved`: where the root was when URIs were written, and where it is now."""
        super().__init__(client)
        self._moved = moved

    # Executions.

    def executions(self, run_id: str) -> dict[str, Execution]:
        """Return the newest execution of each node of a run, by node."""
        found = ((self.owner(one.id).node, one) for one in self.executions_of_run(self.run_context(run_id)))
        # Verifications and decisions are in the run's context, but belong to no node.
        return {node: execution for node, execution in found if node}

    def executions_of_run(self, context: RunContext | None) -> list[Execution]:
        """Return all executions in a run's context, oldest first, including verifications and decisions."""
        return _by_id(map(execution_of, self._client.get_executions_by_context(context.id))) if context else []

    def executions_of(self, run_id: str, node: str) -> list[int]:
        """Return the ids of a node's executions in a run, oldest first; several if the run was resumed."""
        found = self.executions_of_run(self.run_context(run_id))
        return [one.id for one in found if self.owner(one.id).node == node]

    def execution(self, execution_id: int) -> Execution:
        """Return an execution."""
        return self.executions_by_id([execution_id])[execution_id]

    def executions_of_type(self, type_name: str) -> list[Execution]:
        """Return all executions of a type, oldest first."""
        return _by_id(map(execution_of, self._client.get_executions_by_type(type_name)))

    def all_executions(self) -> Iterator[Execution]:
        """Yield all executions, reading them in pages."""
        return map(execution_of, in_pages(self._client.get_executions, self._client.get_executions_by_id))

    def newest_execution(self) -> int:
        """Return the highest id of an execution; 0 if there is none."""
        return max((int(one.id) for one in self._client.get_executions(list_options=newest_first(1))), default=0)

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
        newest = newest_first(None if before else _MOST_EARLIER)
        found = self._client.get_executions_by_context(context.id, newest)
        if before:
            found = [execution for execution in found if execution.id < before][:_MOST_EARLIER]
        return [execution_of(execution) for execution in found]

    # Artifacts.

    def outputs(self, execution_id: int) -> dict[str, Artifact]:
        """Return the first artifact of each output key of an execution."""
        return self._artifacts_of_executions([execution_id], wrote=True)[execution_id]

    def inputs(self, execution_id: int) -> dict[str, Artifact]:
        """Return the first artifact of each input key of an execution."""
        return self._artifacts_of_executions([execution_id], wrote=False)[execution_id]

    def outputs_of(self, execution_ids: Collection[int]) -> dict[int, dict[str, Artifact]]:
        """Return the first artifact of each output key of executions, by execution; two calls for all of them."""
        return self._artifacts_of_executions(execution_ids, wrote=True)

    def outputs_by_name(self, executions: Mapping[str, int]) -> dict[tuple[str, str], Artifact]:
        """Return the outputs of executions, which are given by node, by node and output key."""
        found = self.outputs_of(executions.values())
        return {(node, key): one for node, number in executions.items() for key, one in found[number].items()}

    def outputs_of_run(self, run_id: str) -> dict[tuple[str, str], Artifact]:
        """Return all outputs of a run, by node and output key."""
        return self.outputs_by_name({node: one.id for node, one in self.executions(run_id).items()})

    def _artifacts_of_executions(self, execution_ids: Collection[int], wrote: bool) -> dict[int, dict[str, Artifact]]:
        events = self.events_of_executions(execution_ids)
        events = [event for event in events if event.wrote == wrote and event.declared and event.key]
        artifacts = {artifact.id: artifact for artifact in self.artifacts_of_events(events)}
        found: dict[int, dict[str, Artifact]] = {number: {} for number in execution_ids}
        for event in events:
            found[event.execution].setdefault(event.key, artifacts[event.artifact])
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
        return self._artifacts(self._client.get_artifacts(newest_first(limit)))

    def artifacts_of_type(self, type_name: str) -> list[Artifact]:
        """Return all artifacts of a type, oldest first; none if the type is unknown."""
        found = self._artifacts(self._client.get_artifacts_by_type(type_name))
        return sorted(found, key=lambda one: one.id)  # PostgreSQL returns a row that was changed last

    def artifacts_of_context(self, context_id: int, limit: int | None = None) -> list[Artifact]:
        """Return the artifacts in a context; with a limit, the newest of them."""
        newest = None if limit is None else newest_first(limit)
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
        for artifact in in_pages(self._client.get_artifacts, self._client.get_artifacts_by_id):
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


def _execution_in(uri: str) -> int | None:
    match = _EXECUTION_IN_URI.search(uri)
    return int64.parsed(match.group(1)) if match else None


def open_store(root: Root, read_only: bool = False) -> Store:
    """Open the store of a root, also if the root was moved.

    Raises:
      NotFoundError: the store does not exist, and `read_only`.
      UnavailableError: the store is damaged or has a schema of ML Metadata that this version does not support.
    """
    found = root_store.of(root)
    if read_only and not found.exists():
        raise no_run(root)
    return Store(found.connect_read_only() if read_only else found.connect(), root.moved())


def no_run(root: Root) -> NotFoundError:
    """Return the error for a root without runs."""
    return NotFoundError(f"no run in {root.path}: `sae run` makes the first one, --root names another folder")


def nearest_execution(earlier: Collection[Execution], key: node_key.CacheKey) -> Execution | None:
    """Return the ended execution whose key differs from `key` in the fewest fields; the first of several, or None."""
    keys = [(one, one.key) for one in earlier if one.state is not None]
    with_key = [(one, old) for one, old in keys if old is not None]
    return min(with_key, key=lambda pair: len(key.changes_since(pair[1])), default=(None, None))[0]


def _by_id(executions: Iterable[Execution]) -> list[Execution]:
    return sorted(executions, key=lambda execution: execution.id)
