"""What `sae gc` asks ML Metadata, and what it writes there."""

from __future__ import annotations

import dataclasses
import pathlib
from collections.abc import Collection

from ml_metadata.proto import metadata_store_pb2 as pb

from pipeline.core.pipeline_root import Root
from pipeline.definition import graph
from pipeline.maintenance.fsck import store as fsck_store
from pipeline.metadata import deletion, run_properties, store, writer

_ENDED = ("succeeded", "failed")
_PAGE = 100  # artifacts written at once


@dataclasses.dataclass(frozen=True)
class Stored:
    """An output of one of our nodes, in this root.

    Attributes:
      id: in ML Metadata.
      type: TFX's name of its type.
      place: below the root's `artifacts`: `Trainer/model/17`.
      node: that made it.
      deleted: whether its bytes were deleted, or are about to be.
    """

    id: int
    type: str
    place: pathlib.PurePath
    node: str
    deleted: bool


class Store(fsck_store.Store):
    """The store of a root."""

    def __init__(self, root: Root, read_only: bool) -> None:
        super().__init__(root, read_only)
        self._root = root

    def outputs_of_nodes(self) -> list[Stored]:
        """Every published artifact in its own place below `artifacts`."""
        unpublished = (pb.Artifact.PENDING, pb.Artifact.ABANDONED)
        found = (self._stored(one) for one in self._store.get_artifacts() if one.state not in unpublished)
        return [one for one in found if one is not None]

    def _stored(self, artifact: pb.Artifact) -> Stored | None:
        path = pathlib.PurePath(self._here(artifact.uri))
        if not path.is_relative_to(self._root.artifacts):
            return None
        place = path.relative_to(self._root.artifacts)
        # Anything else below `artifacts` is not of this pipeline's making.
        if len(place.parts) != 3 or place.parts[0] not in graph.BY_NAME or ".." in place.parts:
            return None
        deleted = artifact.state == pb.Artifact.DELETED
        return Stored(int(artifact.id), str(artifact.type), place, place.parts[0], deleted)

    def unfinished(self) -> list[str]:
        """Runs that did not come to their end: killed, interrupted, or at work now; the newest first."""
        contexts = sorted(self._store.get_contexts_by_type(store.PIPELINE_RUN), key=lambda one: -int(one.id))
        return [str(context.name) for context in contexts if self._is_unfinished(context)]

    def _is_unfinished(self, context: pb.Context) -> bool:
        notes = {name: store.value_of(value) for name, value in context.custom_properties.items()}
        noted = run_properties.from_properties(notes)
        if noted.state is not None or noted.trigger is not None:  # a run of this pipeline notes its end as well
            return noted.state not in _ENDED
        executions = self._store.get_executions_by_context(context.id)
        states = {one.last_known_state for one in executions if writer.is_of_node(one.type)}
        return not states or bool(states & {*store.UNFINISHED, pb.Execution.CANCELED})

    def run_that_made(self, artifact_id: int, place: pathlib.PurePath | None = None) -> str:
        """The run that made an artifact; empty where ML Metadata does not say.

        Its place names the execution, as TFX chooses it. Only without one all its events are read: those of one that a
        thousand runs took over are thousands.
        """
        named = int(place.name) if place and fsck_store.is_number(place.name) else 0
        known = self._store.get_executions_by_id([named]) if named else []
        makers = [named] if known else self.makers(artifact_id)
        return next((run for one in makers if (run := self.run_of(one))), "")

    def artifacts_of_run(self, run_id: str) -> set[int]:
        """Ids of all artifacts that a run's executions read, made or took over."""
        executions = [execution.id for execution in self._executions(run_id)]
        events = self._store.get_events_by_execution_ids(executions) if executions else []
        return {int(event.artifact_id) for event in events}

    def mark_deleted(self, artifact_ids: Collection[int]) -> None:
        """Notes that the bytes of these artifacts are deleted: nobody uses them from now on."""
        when = deletion.now()
        wanted = sorted(artifact_ids)
        for first in range(0, len(wanted), _PAGE):
            artifacts = self._store.get_artifacts_by_id(wanted[first : first + _PAGE])
            for artifact in artifacts:
                artifact.state = pb.Artifact.DELETED
                artifact.custom_properties[deletion.DELETED].string_value = when
            self._store.put_artifacts(artifacts)
