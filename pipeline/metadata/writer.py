"""Writes to ML Metadata without TFX, in TFX's own shapes: a hit as a cached execution, a run's context, what is out of
use, and the URIs of a root that was moved.
"""

from __future__ import annotations

import json
import pathlib
import uuid
from collections.abc import Mapping, MutableMapping, Sequence

from ml_metadata.proto import metadata_store_pb2 as pb

from pipeline.core import file_digests, pipeline_root
from pipeline.core.pipeline_root import Root, stamp
from pipeline.metadata import deletion, node_key, run_properties, sqlite
from pipeline.metadata import store as metadata
from pipeline.metadata.store import NODE, PIPELINE, PIPELINE_RUN, Output

OUT_OF_USE = "out_of_use"  # custom property: why an artifact is not to be used any more
RESTORED = "restored"  # custom property: when its bytes were made again
# Types of our own, of a verification and of its verdict. Executions of our own types begin so: they are no nodes.
_OWN = "sae."
VERIFY, VERIFICATION = "sae.Verify", "Verification"
PUSHED_MODEL = "PushedModel"  # TFX's name of the type

Property = str | int | float


def is_of_node(execution_type: str) -> bool:
    """Whether an execution in a run's context is one of a node, and no verification or decision."""
    return not execution_type.startswith(_OWN)


class Recorder:
    """Writes into one store. Its client is not thread-safe: use one per thread."""

    def __init__(self, root: Root) -> None:
        self._store = metadata.connect(root.metadata)

    def begin_run(self, pipeline: str, run_id: str, properties: Mapping[str, Property]) -> None:
        """Makes the run's context, with custom properties, below the pipeline's, as TFX does at a run's first node."""
        parent = self._context(PIPELINE, pipeline)
        child = self._context(PIPELINE_RUN, run_id, properties)
        if not self._store.get_parent_contexts_by_context(child.id):
            self._store.put_parent_contexts([pb.ParentContext(parent_id=parent.id, child_id=child.id)])

    def end_run(self, run_id: str, properties: Mapping[str, Property]) -> None:
        """Adds custom properties to a run's context; those that are there stay, or get a new value."""
        context = self._context(PIPELINE_RUN, run_id)
        _set(context.custom_properties, properties)
        self._store.put_contexts([context])

    def begin_attempt(self, run_id: str, properties: Mapping[str, Property]) -> None:
        """Makes a run's context that of a run which has not ended, and adds custom properties to it."""
        context = self._context(PIPELINE_RUN, run_id)
        for name in run_properties.of_end() & set(context.custom_properties):
            del context.custom_properties[name]
        _set(context.custom_properties, properties)
        self._store.put_contexts([context])

    def hit(
        self,
        pipeline: str,
        run_id: str,
        node: str,
        key: node_key.Key,
        execution_id: int,
        inputs: Mapping[str, Output],
        outputs: Mapping[str, Output],
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
        [source] = self._store.get_executions_by_id([execution_id])
        execution = pb.Execution(type_id=source.type_id, name=str(uuid.uuid4()), last_known_state=pb.Execution.CACHED)
        for name, value in source.properties.items():
            execution.properties[name].CopyFrom(value)
        for name, value in source.custom_properties.items():
            # When it publishes, TFX writes the declared properties a second time, as custom ones.
            if name not in source.properties and name not in (metadata.RESULT, metadata.REASONS):
                execution.custom_properties[name].CopyFrom(value)
        for name, text in (told or {}).items():
            of_type = execution.properties if name in execution.properties else execution.custom_properties
            if name in of_type:
                of_type[name].string_value = text
        for name, text in key.properties().items():
            execution.custom_properties[name].string_value = text
        used = [(key, output, pb.Event.INPUT) for key, output in inputs.items()]
        used += [(key, output, pb.Event.OUTPUT) for key, output in outputs.items()]
        artifacts = {artifact.id: artifact for artifact in self._store.get_artifacts_by_id([o.id for _, o, _ in used])}
        self._store.put_execution(
            execution,
            [(artifacts[output.id], _event(key, event_type)) for key, output, event_type in used],
            contexts,
            reuse_context_if_already_exist=True,
            force_reuse_context=True,
        )

    def take_out_of_use(self, artifact_id: int, reason: str) -> None:
        """Marks an artifact so that neither we nor TFX use it again; its lineage stays."""
        [artifact] = self._store.get_artifacts_by_id([artifact_id])
        artifact.state = pb.Artifact.MARKED_FOR_DELETION
        artifact.custom_properties[OUT_OF_USE].string_value = reason
        self._store.put_artifacts([artifact])

    def restored(self, artifact_id: int, made: Output) -> None:
        """Notes that an artifact is in its place again, with the files of `made`, which has the same content."""
        [artifact] = self._store.get_artifacts_by_id([artifact_id])
        artifact.state = pb.Artifact.LIVE
        notes = artifact.custom_properties
        for name in (deletion.DELETED, OUT_OF_USE):
            if name in notes:
                del notes[name]
        if notes[file_digests.RAW].string_value != made.properties[file_digests.RAW]:
            earlier = json.loads(notes[file_digests.EARLIER].string_value or "[]")
            notes[file_digests.EARLIER].string_value = json.dumps([notes[file_digests.FILES].string_value, *earlier])
        _set(notes, {name: made.properties[name] for name in (file_digests.RAW, file_digests.FILES)})
        notes[RESTORED].string_value = deletion.now()
        self._store.put_artifacts([artifact])

    def verification(
        self, run_id: str, folder: pathlib.Path, compared: Sequence[int], properties: Mapping[str, str | int]
    ) -> None:
        """Records that a run was verified.

        Args:
          run_id: the run.
          folder: where the verdict lies.
          compared: ids of the artifacts that were compared.
          properties: custom properties of the verdict.
        """
        files = file_digests.scan(folder)
        verdict = pb.Artifact(
            type_id=self._store.put_artifact_type(pb.ArtifactType(name=VERIFICATION)),
            uri=str(folder),
            state=pb.Artifact.LIVE,
        )
        notes = {
            **properties,
            file_digests.RAW: file_digests.of_files(files),
            file_digests.FILES: file_digests.to_text(files),
        }
        _set(verdict.custom_properties, notes)
        artifacts = self._store.get_artifacts_by_id(list(dict.fromkeys(compared)))
        pairs = [(artifact, _event("compared", pb.Event.INPUT, n)) for n, artifact in enumerate(artifacts)]
        self._put(VERIFY, run_id, {}, [*pairs, (verdict, _event("verdict", pb.Event.OUTPUT))])

    def decision(
        self, kind: str, run_id: str, notes: Mapping[str, Property], inputs: Mapping[str, int], ended: bool = True
    ) -> int:
        """Records what somebody decided about a run; returns the execution's id.

        Args:
          kind: name of the execution's type.
          run_id: the run.
          notes: custom properties of the execution.
          inputs: ids of the artifacts that it is about, by key.
          ended: False where it has yet to be carried out; `served` or `called_off` ends it.
        """
        by_id = {artifact.id: artifact for artifact in self._store.get_artifacts_by_id(list(inputs.values()))}
        pairs = [(by_id[one], _event(key, pb.Event.INPUT)) for key, one in inputs.items()]
        return self._put(kind, run_id, notes, pairs, pb.Execution.COMPLETE if ended else pb.Execution.RUNNING)

    def served(self, execution_id: int, folder: pathlib.Path, properties: Mapping[str, Property]) -> None:
        """Ends a decision that made a version in the serving folder, which is its output; all of it or nothing.

        Args:
          execution_id: of the decision.
          folder: the version.
          properties: custom properties of the pushed model, as a Pusher notes them.
        """
        [execution] = self._store.get_executions_by_id([execution_id])
        execution.last_known_state = pb.Execution.COMPLETE
        known = {one.name: one.id for one in self._store.get_artifact_types()}
        kind = known.get(PUSHED_MODEL) or self._store.put_artifact_type(pb.ArtifactType(name=PUSHED_MODEL))
        pushed = pb.Artifact(type_id=kind, uri=str(folder), state=pb.Artifact.LIVE)
        files = file_digests.scan(folder)
        notes = {
            **properties,
            file_digests.RAW: file_digests.of_files(files),
            file_digests.FILES: file_digests.to_text(files),
        }
        _set(pushed.custom_properties, notes)
        self._store.put_execution(execution, [(pushed, _event("pushed_model", pb.Event.OUTPUT))], [])

    def called_off(self, execution_id: int, reason: str) -> None:
        """Ends a decision that was not carried out."""
        [execution] = self._store.get_executions_by_id([execution_id])
        execution.last_known_state = pb.Execution.CANCELED
        execution.custom_properties[metadata.CANCEL_REASON].string_value = reason
        self._store.put_executions([execution])

    def _put(
        self,
        kind: str,
        run_id: str,
        notes: Mapping[str, Property],
        pairs: Sequence[tuple[pb.Artifact, pb.Event]],
        state: int = pb.Execution.COMPLETE,
    ) -> int:
        """An execution of a type of our own in a run's context."""
        execution = pb.Execution(
            type_id=self._store.put_execution_type(pb.ExecutionType(name=kind)),
            name=str(uuid.uuid4()),
            last_known_state=state,
        )
        _set(execution.custom_properties, notes)
        made, _, _ = self._store.put_execution(
            execution,
            pairs,
            [self._context(PIPELINE_RUN, run_id)],
            reuse_context_if_already_exist=True,
            force_reuse_context=True,
        )
        return int(made)

    def _context(self, kind: str, name: str, properties: Mapping[str, Property] | None = None) -> pb.Context:
        found = self._store.get_context_by_type_and_name(kind, name)
        if found is None:
            context = pb.Context(type_id=self._store.put_context_type(pb.ContextType(name=kind)), name=name)
            _set(context.custom_properties, properties or {})
            [context.id] = self._store.put_contexts([context])
            return context
        return found


def _set(held: MutableMapping[str, pb.Value], properties: Mapping[str, Property]) -> None:
    for name, value in properties.items():
        if isinstance(value, str):
            held[name].string_value = value
        elif isinstance(value, int):
            held[name].int_value = value
        else:
            held[name].double_value = value


def _event(key: str, event_type: int, index: int = 0) -> pb.Event:
    steps = [pb.Event.Path.Step(key=key), pb.Event.Path.Step(index=index)]
    return pb.Event(type=event_type, path=pb.Event.Path(steps=steps))


def mend_moved_root(root: Root) -> pathlib.Path | None:
    """Writes where a moved root's artifacts lie now into ML Metadata, after a copy of it.

    Breaking off does no harm: the next call goes on where this one stopped.

    Returns:
      The copy; None where the root was not moved, or holds no metadata yet.
    """
    moved = root.moved()
    if moved is None or not root.metadata.exists():
        root.note_place()
        return None
    when = stamp()
    copy = root.metadata.with_name(f"{root.metadata.name}.before-move-{when}")
    sqlite.copy(root.metadata, copy)  # with what a killed run left in the log beside it
    store = metadata.connect(root.metadata)
    changed = [artifact for artifact in store.get_artifacts() if _rewrite(artifact, *moved)]
    if changed:
        store.put_artifacts(changed)  # all or none
    root.note_place()
    return copy


def _rewrite(artifact: pb.Artifact, old: str, new: str) -> bool:
    """Whether anything in it named a place below the old root."""
    before = artifact.SerializeToString(deterministic=True)
    artifact.uri = pipeline_root.moved_path(artifact.uri, old, new)
    for value in artifact.custom_properties.values():
        if value.WhichOneof("value") == "string_value":
            value.string_value = pipeline_root.moved_path(value.string_value, old, new)
    return bool(artifact.SerializeToString(deterministic=True) != before)
