"""Writes to ML Metadata without TFX, in TFX's own shapes: cached executions, a run's context, what is out of use, ends
of interrupted executions, and the URIs of a root that was moved.
"""

from __future__ import annotations

import datetime
import json
import pathlib
import shutil
import uuid
from collections.abc import Collection, Mapping, Sequence

from ml_metadata.proto import metadata_store_pb2 as pb

from pipeline.core import file_digests, pipeline_root
from pipeline.core.events import NodeState
from pipeline.core.pipeline_root import Root, stamp
from pipeline.metadata import client, node_key, run_properties, sqlite
from pipeline.metadata.properties import (
    CANCEL_REASON,
    DELETED,
    EARLIER_FILES,
    EXECUTION_RESULT,
    FILES,
    KILL_REASON,
    NODE,
    OUT_OF_USE,
    PIPELINE,
    PIPELINE_RUN,
    PUSHED_MODEL,
    RAW_DIGEST,
    REASONS,
    RESTORED,
    VERIFICATION,
    VERIFY,
)
from pipeline.metadata.protobuf import properties_of, set_properties
from pipeline.metadata.run_properties import Scalar
from pipeline.metadata.store import Store
from pipeline.metadata.types import Artifact, Execution

_PAGE = 100  # artifacts written at once


class MetadataWriter:
    """Writes to one store. Its client is not thread-safe: use one per thread."""

    def __init__(self, root: Root) -> None:
        self._root = root
        self._client = client.connect(root.metadata)
        self._store = Store.of_client(self._client, root.moved())

    def begin_run(self, pipeline: str, run_id: str, properties: Mapping[str, Scalar]) -> None:
        """Makes the run's context, with custom properties, below the pipeline's, as TFX does at a run's first node."""
        parent = self._context(PIPELINE, pipeline)
        child = self._context(PIPELINE_RUN, run_id, properties)
        if not self._client.get_parent_contexts_by_context(child.id):
            self._client.put_parent_contexts([pb.ParentContext(parent_id=parent.id, child_id=child.id)])

    def end_run(self, run_id: str, properties: Mapping[str, Scalar]) -> None:
        """Adds custom properties to a run's context; those that are there stay, or get a new value."""
        context = self._context(PIPELINE_RUN, run_id)
        set_properties(context.custom_properties, properties)
        self._client.put_contexts([context])

    def begin_attempt(self, run_id: str, properties: Mapping[str, Scalar]) -> None:
        """Makes a run's context that of a run which has not ended, and adds custom properties to it."""
        context = self._context(PIPELINE_RUN, run_id)
        for name in run_properties.end_properties(properties_of(context)):
            del context.custom_properties[name]
        set_properties(context.custom_properties, properties)
        self._client.put_contexts([context])

    def record_cached(
        self,
        pipeline: str,
        run_id: str,
        node: str,
        key: node_key.CacheKey,
        execution_id: int,
        inputs: Mapping[str, Artifact],
        outputs: Mapping[str, Artifact],
        told: Mapping[str, str] | None = None,
    ) -> None:
        """Records in a run that a node's outputs are those of an earlier execution.

        Args:
          pipeline, run_id, node: which.
          key: the node's, now.
          execution_id: the execution whose outputs they are.
          inputs: the artifacts that the node would have read in this run, by key.
          outputs: the artifacts of the earlier execution, by key.
          told: properties that are no part of the key, as they are now, such as places.
        """
        contexts = [
            self._context(PIPELINE, pipeline),
            self._context(PIPELINE_RUN, run_id),
            self._context(NODE, f"{pipeline}.{node}"),
        ]
        [source] = self._client.get_executions_by_id([execution_id])
        execution = pb.Execution(type_id=source.type_id, name=str(uuid.uuid4()), last_known_state=pb.Execution.CACHED)
        for name, value in source.properties.items():
            execution.properties[name].CopyFrom(value)
        for name, value in source.custom_properties.items():
            # When it publishes, TFX writes the declared properties a second time, as custom ones.
            if name not in source.properties and name not in (EXECUTION_RESULT, REASONS):
                execution.custom_properties[name].CopyFrom(value)
        for name, text in (told or {}).items():
            of_type = execution.properties if name in execution.properties else execution.custom_properties
            if name in of_type:
                of_type[name].string_value = text
        set_properties(execution.custom_properties, key.properties())
        used = [(key, output, pb.Event.INPUT) for key, output in inputs.items()]
        used += [(key, output, pb.Event.OUTPUT) for key, output in outputs.items()]
        artifacts = {artifact.id: artifact for artifact in self._client.get_artifacts_by_id([o.id for _, o, _ in used])}
        self._client.put_execution(
            execution,
            [(artifacts[output.id], _event(key, event_type)) for key, output, event_type in used],
            contexts,
            reuse_context_if_already_exist=True,
            force_reuse_context=True,
        )

    def close_unfinished(self, run_id: str, reason: str, killed: bool = False) -> list[str]:
        """Records a run's executions that have not ended as over, and removes what they had written.

        Args:
          run_id: of the run.
          reason: why they are over.
          killed: True records them as failed, not as cancelled.

        Returns the nodes.
        """
        unended = [one.id for one in self._executions_of(run_id) if one.state is None]
        closed = []
        for execution in self._client.get_executions_by_id(unended) if unended else []:
            execution.last_known_state = pb.Execution.FAILED if killed else pb.Execution.CANCELED
            execution.custom_properties[KILL_REASON if killed else CANCEL_REASON].string_value = reason
            closed.append(self._store.owner(execution.id).node)
            # First the files: if this is interrupted in between, the execution is still to be closed.
            remove_outputs(self._root, closed[-1], execution.id)
            self._client.put_executions([execution])
        return closed

    def remove_unsuccessful_outputs(self, run_id: str) -> None:
        """Removes what a run's failed and cancelled executions wrote; none of it was published."""
        for execution in self._executions_of(run_id):
            if execution.state in (NodeState.FAILED, NodeState.CANCELLED):
                remove_outputs(self._root, self._store.owner(execution.id).node, execution.id)

    def _executions_of(self, run_id: str) -> list[Execution]:
        context = self._store.run_context(run_id)
        return self._store.executions_of_run(context) if context else []

    def mark_deleted(self, artifact_ids: Collection[int]) -> None:
        """Records that the files of these artifacts are deleted: nothing uses them from now on."""
        when = _now()
        wanted = sorted(artifact_ids)
        for first in range(0, len(wanted), _PAGE):
            artifacts = self._client.get_artifacts_by_id(wanted[first : first + _PAGE])
            for artifact in artifacts:
                artifact.state = pb.Artifact.DELETED
                artifact.custom_properties[DELETED].string_value = when
            self._client.put_artifacts(artifacts)

    def mark_out_of_use(self, artifact_id: int, reason: str) -> None:
        """Marks an artifact so that neither we nor TFX use it again; its lineage stays."""
        [artifact] = self._client.get_artifacts_by_id([artifact_id])
        artifact.state = pb.Artifact.MARKED_FOR_DELETION
        artifact.custom_properties[OUT_OF_USE].string_value = reason
        self._client.put_artifacts([artifact])

    def record_restored(self, artifact_id: int, made: Artifact) -> None:
        """Notes that an artifact is in its place again, with the files of `made`, which has the same content."""
        [artifact] = self._client.get_artifacts_by_id([artifact_id])
        artifact.state = pb.Artifact.LIVE
        notes = artifact.custom_properties
        for name in (DELETED, OUT_OF_USE):
            if name in notes:
                del notes[name]
        if notes[RAW_DIGEST].string_value != made.properties[RAW_DIGEST]:
            earlier = json.loads(notes[EARLIER_FILES].string_value or "[]")
            notes[EARLIER_FILES].string_value = json.dumps([notes[FILES].string_value, *earlier])
        set_properties(notes, {name: made.properties[name] for name in (RAW_DIGEST, FILES)})
        notes[RESTORED].string_value = _now()
        self._client.put_artifacts([artifact])

    def record_verification(
        self, run_id: str, folder: pathlib.Path, compared: Sequence[int], properties: Mapping[str, Scalar]
    ) -> None:
        """Records that a run was verified.

        Args:
          run_id: the run.
          folder: of the verdict.
          compared: ids of the artifacts that were compared.
          properties: custom properties of the verdict.
        """
        verdict = pb.Artifact(
            type_id=self._client.put_artifact_type(pb.ArtifactType(name=VERIFICATION)),
            uri=str(folder),
            state=pb.Artifact.LIVE,
        )
        set_properties(verdict.custom_properties, {**properties, **_files_of(folder)})
        artifacts = self._client.get_artifacts_by_id(list(dict.fromkeys(compared)))
        pairs = [(artifact, _event("compared", pb.Event.INPUT, n)) for n, artifact in enumerate(artifacts)]
        self._put(VERIFY, run_id, {}, [*pairs, (verdict, _event("verdict", pb.Event.OUTPUT))])

    def record_decision(
        self, kind: str, run_id: str, notes: Mapping[str, Scalar], inputs: Mapping[str, int], ended: bool = True
    ) -> int:
        """Records a decision of an operator about a run; returns the execution's id.

        Args:
          kind: name of the execution's type.
          run_id: the run.
          notes: custom properties of the execution.
          inputs: ids of the artifacts that it is about, by key.
          ended: False where it has yet to be carried out; `complete_decision` or `cancel_decision` ends it.
        """
        by_id = {artifact.id: artifact for artifact in self._client.get_artifacts_by_id(list(inputs.values()))}
        pairs = [(by_id[one], _event(key, pb.Event.INPUT)) for key, one in inputs.items()]
        return self._put(kind, run_id, notes, pairs, pb.Execution.COMPLETE if ended else pb.Execution.RUNNING)

    def complete_decision(self, execution_id: int, folder: pathlib.Path, properties: Mapping[str, Scalar]) -> None:
        """Ends a decision that made a version in the serving folder, which is its output; all of it or nothing.

        Args:
          execution_id: of the decision.
          folder: the version.
          properties: custom properties of the pushed model, as a Pusher notes them.
        """
        [execution] = self._client.get_executions_by_id([execution_id])
        execution.last_known_state = pb.Execution.COMPLETE
        known = {one.name: one.id for one in self._client.get_artifact_types()}
        kind = known.get(PUSHED_MODEL) or self._client.put_artifact_type(pb.ArtifactType(name=PUSHED_MODEL))
        pushed = pb.Artifact(type_id=kind, uri=str(folder), state=pb.Artifact.LIVE)
        set_properties(pushed.custom_properties, {**properties, **_files_of(folder)})
        self._client.put_execution(execution, [(pushed, _event("pushed_model", pb.Event.OUTPUT))], [])

    def cancel_decision(self, execution_id: int, reason: str) -> None:
        """Ends a decision that was not carried out."""
        [execution] = self._client.get_executions_by_id([execution_id])
        execution.last_known_state = pb.Execution.CANCELED
        execution.custom_properties[CANCEL_REASON].string_value = reason
        self._client.put_executions([execution])

    def _put(
        self,
        kind: str,
        run_id: str,
        notes: Mapping[str, Scalar],
        pairs: Sequence[tuple[pb.Artifact, pb.Event]],
        state: int = pb.Execution.COMPLETE,
    ) -> int:
        """An execution of a type of our own in a run's context."""
        execution = pb.Execution(
            type_id=self._client.put_execution_type(pb.ExecutionType(name=kind)),
            name=str(uuid.uuid4()),
            last_known_state=state,
        )
        set_properties(execution.custom_properties, notes)
        made, _, _ = self._client.put_execution(
            execution,
            pairs,
            [self._context(PIPELINE_RUN, run_id)],
            reuse_context_if_already_exist=True,
            force_reuse_context=True,
        )
        return int(made)

    def _context(self, kind: str, name: str, properties: Mapping[str, Scalar] | None = None) -> pb.Context:
        found = self._client.get_context_by_type_and_name(kind, name)
        if found is None:
            context = pb.Context(type_id=self._client.put_context_type(pb.ContextType(name=kind)), name=name)
            set_properties(context.custom_properties, properties or {})
            [context.id] = self._client.put_contexts([context])
            return context
        return found


def _event(key: str, event_type: int, index: int = 0) -> pb.Event:
    steps = [pb.Event.Path.Step(key=key), pb.Event.Path.Step(index=index)]
    return pb.Event(type=event_type, path=pb.Event.Path(steps=steps))


def remove_outputs(root: Root, node: str, execution_id: int) -> None:
    """Removes an execution's output folders, their previews and temporary files; those of other executions stay."""
    for outputs in (root.artifacts, root.previews):
        for folder in (outputs / node).glob(f"*/{execution_id}"):
            shutil.rmtree(folder, ignore_errors=True)
    system = root.artifacts / node / ".system"
    shutil.rmtree(system / "executor_execution" / str(execution_id), ignore_errors=True)
    shutil.rmtree(system / "stateful_working_dir", ignore_errors=True)


def _files_of(folder: pathlib.Path) -> dict[str, str]:
    """The properties that record the files of an artifact."""
    files = file_digests.scan(folder)
    return {RAW_DIGEST: file_digests.of_files(files), FILES: file_digests.to_text(files)}


def _now() -> str:
    return datetime.datetime.now(datetime.timezone.utc).strftime("%Y-%m-%dT%H:%M:%SZ")


def rewrite_moved_uris(root: Root) -> pathlib.Path | None:
    """Corrects the places of artifacts in ML Metadata after the root was moved; copies the store first.

    An interrupt does no harm: the next call continues where this one stopped.

    Returns:
      The copy; None where the root was not moved, or holds no metadata yet.
    """
    moved = root.moved()
    if moved is None or not root.metadata.exists():
        root.record_location()
        return None
    when = stamp()
    copy = root.metadata.with_name(f"{root.metadata.name}.before-move-{when}")
    sqlite.copy(root.metadata, copy)  # with what a killed run left in the log beside it
    opened = client.connect(root.metadata)
    changed = [artifact for artifact in opened.get_artifacts() if _rewrite(artifact, *moved)]
    if changed:
        opened.put_artifacts(changed)  # all or none
    root.record_location()
    return copy


def _rewrite(artifact: pb.Artifact, old: str, new: str) -> bool:
    """Whether anything in it named a place below the old root."""
    before = artifact.SerializeToString(deterministic=True)
    artifact.uri = pipeline_root.moved_path(artifact.uri, old, new)
    for value in artifact.custom_properties.values():
        if value.WhichOneof("value") == "string_value":
            value.string_value = pipeline_root.moved_path(value.string_value, old, new)
    return bool(artifact.SerializeToString(deterministic=True) != before)
