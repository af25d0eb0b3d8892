"""Write to ML Metadata as TFX does, but without TFX: contexts of runs, cached and interrupted executions, decisions,
verifications, states of artifacts, and the URIs of a root that was moved.
"""

from __future__ import annotations

import dataclasses
import datetime
import json
import pathlib
import shutil
import uuid
from collections.abc import Collection, Mapping, Sequence

import ml_metadata as mlmd
from ml_metadata.proto import metadata_store_pb2 as pb

from components import json_text
from pipeline.core import file_digests
from pipeline.core.events import NodeState
from pipeline.core.pipeline_root import Root, moved_path
from pipeline.metadata import node_key, root_store, run_properties
from pipeline.metadata import properties as names
from pipeline.metadata.protobuf import artifact_of, move_paths, properties_of, set_properties
from pipeline.metadata.run_properties import Scalar
from pipeline.metadata.store import Store
from pipeline.metadata.types import Artifact, Execution

_PAGE = 100  # artifacts written at once


@dataclasses.dataclass(frozen=True)
class CachedNode:
    """A node of a run that reuses the outputs of an earlier execution."""

    node: str  # its name
    key: node_key.CacheKey  # its cache key in this run
    execution_id: int  # the earlier execution
    inputs: Mapping[str, Artifact]  # the artifacts that the node would have read in this run, by key
    outputs: Mapping[str, Artifact]  # the artifacts of the earlier execution, by key
    # current values of properties that are no part of the key, such as paths
    parameters: Mapping[str, str] = dataclasses.field(default_factory=dict)

    @property
    def used(self) -> list[tuple[Artifact, pb.Event]]:
        """The artifacts of its events, with the events."""
        read = [(artifact, _event(key, pb.Event.INPUT)) for key, artifact in self.inputs.items()]
        return read + [(artifact, _event(key, pb.Event.OUTPUT)) for key, artifact in self.outputs.items()]


class MetadataWriter:
    """Writes to the store of a root. It is not thread-safe: use one per thread."""

    def __init__(self, root: Root) -> None:
        self._root = root
        self._client = root_store.of(root).connect()
        self._store = Store(self._client, root.moved())

    def begin_run(self, pipeline: str, run_id: str, properties: Mapping[str, Scalar]) -> None:
        """Create the run's context with custom properties, as a child of the pipeline's, like TFX at the first node."""
        parent = self._context(names.PIPELINE, pipeline)
        child = self._context(names.PIPELINE_RUN, run_id, properties)
        if not self._client.get_parent_contexts_by_context(child.id):
            self._client.put_parent_contexts([pb.ParentContext(parent_id=parent.id, child_id=child.id)])

    def end_run(self, run_id: str, properties: Mapping[str, Scalar]) -> None:
        """Add custom properties to a run's context, or change their values."""
        context = self._context(names.PIPELINE_RUN, run_id)
        set_properties(context.custom_properties, properties)
        self._client.put_contexts([context])

    def begin_attempt(self, run_id: str, properties: Mapping[str, Scalar]) -> None:
        """Remove the properties of the run's end from its context, and add custom properties."""
        context = self._context(names.PIPELINE_RUN, run_id)
        for name in run_properties.end_properties(properties_of(context)):
            del context.custom_properties[name]
        set_properties(context.custom_properties, properties)
        self._client.put_contexts([context])

    def record_cached(self, pipeline: str, run_id: str, cached: CachedNode) -> None:
        """Record a cached execution in a run, in one transaction."""
        contexts = [self._context(kind, name) for kind, name in _contexts_of(pipeline, run_id, cached.node)]
        [source] = self._client.get_executions_by_id([cached.execution_id])
        execution = _cached_execution(source, cached)
        execution.last_known_state = pb.Execution.CACHED
        used = cached.used
        by_id = {artifact.id: artifact for artifact in self._client.get_artifacts_by_id([one.id for one, _ in used])}
        put_execution(self._client, execution, [(by_id[one.id], event) for one, event in used], contexts)

    def record_all_cached(self, pipeline: str, run_id: str, nodes: Sequence[CachedNode]) -> dict[str, int]:
        """Record cached executions of several nodes in a run, in three transactions, and return their ids by node.

        Until the last one they are running, so `close_unfinished` closes them if this is interrupted.
        """
        if not nodes:
            return {}
        wanted = [_contexts_of(pipeline, run_id, cached.node) for cached in nodes]
        of_nodes = {(names.NODE, str(one.name)): one for one in self._client.get_contexts_by_type(names.NODE)}
        asked = dict.fromkeys(one for each in wanted for one in each)
        known = {one: of_nodes[one] if one in of_nodes else self._context(*one) for one in asked}
        of_node = [[known[one] for one in each] for each in wanted]
        of_all = of_node[0][:2]  # the pipeline's and the run's
        sources = {one.id: one for one in self._client.get_executions_by_id([one.execution_id for one in nodes])}
        executions = [_cached_execution(sources[one.execution_id], one) for one in nodes]
        for execution, one in zip(executions, nodes, strict=True):
            execution.last_known_state = pb.Execution.RUNNING
            execution.custom_properties[names.COMPONENT_ID].string_value = one.node  # until it is in its node's context
        artifacts = self._client.get_artifacts_by_id(sorted({used.id for one in nodes for used, _ in one.used}))
        places = {artifact.id: place for place, artifact in enumerate(artifacts)}
        events = [(number, places[used.id], event) for number, one in enumerate(nodes) for used, event in one.used]
        ids, _, _ = self._client.put_lineage_subgraph(
            executions, artifacts, of_all, events, reuse_context_if_already_exist=True
        )
        # That call puts all executions into the same contexts, but each has its own node.
        self._client.put_attributions_and_associations(
            [
                pb.Attribution(context_id=contexts[-1].id, artifact_id=used.id)
                for contexts, one in zip(of_node, nodes, strict=True)
                for used, _ in one.used
            ],
            [
                pb.Association(context_id=contexts[-1].id, execution_id=number)
                for contexts, number in zip(of_node, ids, strict=True)
            ],
        )
        for execution, number in zip(executions, ids, strict=True):
            execution.id = number
            del execution.custom_properties[names.COMPONENT_ID]
            execution.last_known_state = pb.Execution.CACHED
        self._client.put_executions(executions)
        return {one.node: int(number) for one, number in zip(nodes, ids, strict=True)}

    def close_unfinished(self, run_id: str, reason: str, killed: bool = False) -> list[str]:
        """End a run's executions that have not ended, remove their outputs, and return their nodes.

        Args:
          run_id: the run.
          reason: why they ended.
          killed: record them as failed instead of cancelled.
        """
        unended = [one.id for one in self._executions_of(run_id) if one.state is None]
        closed = []
        for execution in self._client.get_executions_by_id(unended) if unended else []:
            execution.last_known_state = pb.Execution.FAILED if killed else pb.Execution.CANCELED
            execution.custom_properties[names.KILL_REASON if killed else names.CANCEL_REASON].string_value = reason
            if node := self._store.owner(execution.id).node:  # else a decision
                closed.append(node)
                # The files first: if this is interrupted, the next call finds the execution again.
                remove_outputs(self._root, node, execution.id)
            self._client.put_executions([execution])
        return closed

    def remove_unsuccessful_outputs(self, run_id: str) -> None:
        """Remove the unpublished outputs of a run's failed and cancelled executions."""
        for execution in self._executions_of(run_id):
            if execution.state in (NodeState.FAILED, NodeState.CANCELLED):
                remove_outputs(self._root, self._store.owner(execution.id).node, execution.id)

    def _executions_of(self, run_id: str) -> list[Execution]:
        return self._store.executions_of_run(self._store.run_context(run_id))

    def mark_deleted(self, artifact_ids: Collection[int]) -> None:
        """Record that the files of these artifacts are deleted, so that nothing uses them."""
        when = _now()
        wanted = sorted(artifact_ids)
        for first in range(0, len(wanted), _PAGE):
            artifacts = self._client.get_artifacts_by_id(wanted[first : first + _PAGE])
            for artifact in artifacts:
                artifact.state = pb.Artifact.DELETED
                artifact.custom_properties[names.DELETED].string_value = when
            self._client.put_artifacts(artifacts)

    def carry_over(self, others: Collection[Artifact]) -> None:
        """Record what became of artifacts since they were published: deleted, out of use, restored with other bytes.

        Args:
          others: the same artifacts from another store of this root; those with another place or content are skipped.
        """
        by_id = {one.id: one for one in others}
        wanted = sorted(by_id)
        for first in range(0, len(wanted), _PAGE):
            changed = []
            for artifact in self._client.get_artifacts_by_id(wanted[first : first + _PAGE]):
                here, other = artifact_of(artifact, self._root.moved()), by_id[artifact.id]
                if (here.uri, here.type, here.content) != (other.uri, other.type, other.content):
                    continue
                artifact.state = pb.Artifact.State.Value(other.state)
                for name in names.SINCE_PUBLISHED:
                    if name in artifact.custom_properties:
                        del artifact.custom_properties[name]
                    if name in other.properties:
                        set_properties(artifact.custom_properties, {name: other.properties[name]})
                changed.append(artifact)
            self._client.put_artifacts(changed)

    def mark_out_of_use(self, artifact_id: int, reason: str) -> None:
        """Mark an artifact so that neither this pipeline nor TFX uses it again; its lineage stays."""
        [artifact] = self._client.get_artifacts_by_id([artifact_id])
        artifact.state = pb.Artifact.MARKED_FOR_DELETION
        artifact.custom_properties[names.OUT_OF_USE].string_value = reason
        self._client.put_artifacts([artifact])

    def record_restored(self, artifact_id: int, regenerated: Artifact) -> None:
        """Record that an artifact has files again: those of `regenerated`, which has the same content."""
        [artifact] = self._client.get_artifacts_by_id([artifact_id])
        artifact.state = pb.Artifact.LIVE
        custom = artifact.custom_properties
        for name in (names.DELETED, names.OUT_OF_USE):
            if name in custom:
                del custom[name]
        if custom[names.RAW_DIGEST].string_value != regenerated.properties[names.RAW_DIGEST]:
            earlier = json_text.parse(custom[names.EARLIER_FILES].string_value or "[]")
            custom[names.EARLIER_FILES].string_value = json.dumps([custom[names.FILES].string_value, *earlier])
        set_properties(custom, {name: regenerated.properties[name] for name in (names.RAW_DIGEST, names.FILES)})
        custom[names.RESTORED].string_value = _now()
        self._client.put_artifacts([artifact])

    def record_verification(
        self, run_id: str, folder: pathlib.Path, compared: Sequence[int], properties: Mapping[str, Scalar]
    ) -> None:
        """Record the verification of a run.

        Args:
          run_id: the run.
          folder: folder of the verdict, an artifact.
          compared: ids of the artifacts that were compared.
          properties: custom properties of the verdict.
        """
        context = self._context(names.PIPELINE_RUN, run_id)
        verdict = self._result(names.VERIFICATION, folder, properties)
        self._put_result(names.VERIFY, context, ("compared", compared), ("verdict", verdict))

    def record_sweep(
        self, sweep: str, folder: pathlib.Path, inputs: Sequence[int], properties: Mapping[str, Scalar]
    ) -> None:
        """Record the result of a sweep, in a context of its own.

        Args:
          sweep: its name.
          folder: folder of the result, an artifact.
          inputs: ids of the artifacts of its points.
          properties: custom properties of the result.
        """
        context = self._context(names.SWEEP_CONTEXT, sweep)
        result = self._result(names.SWEEP, folder, {"sweep": sweep, **properties})
        self._put_result(names.RUN_SWEEP, context, ("points", inputs), ("sweep", result))

    def _result(self, type_name: str, folder: pathlib.Path, properties: Mapping[str, Scalar]) -> pb.Artifact:
        """Return an artifact, not in the store yet, with the digests of the files in its folder."""
        made = pb.Artifact(
            type_id=self._client.put_artifact_type(pb.ArtifactType(name=type_name)),
            uri=str(folder),
            state=pb.Artifact.LIVE,
        )
        set_properties(made.custom_properties, {**properties, **_files_of(folder)})
        return made

    def _put_result(
        self, execution: str, context: pb.Context, read: tuple[str, Sequence[int]], wrote: tuple[str, pb.Artifact]
    ) -> None:
        """Store an execution of ours that read artifacts, given by key and ids, and wrote one, given by key."""
        key, ids = read
        artifacts = self._client.get_artifacts_by_id(list(dict.fromkeys(ids)))
        pairs = [(artifact, _event(key, pb.Event.INPUT, n)) for n, artifact in enumerate(artifacts)]
        output = (wrote[1], _event(wrote[0], pb.Event.OUTPUT))
        self._put_own_execution(execution, context, {}, [*pairs, output])

    def record_decision(
        self,
        kind: str,
        run_id: str,
        properties: Mapping[str, Scalar],
        inputs: Mapping[str, int],
        ended: bool = True,
        name: str = "",
    ) -> int:
        """Record an operator's decision about a run as an execution, and return the execution's id.

        Args:
          kind: name of the execution's type.
          run_id: the run.
          properties: custom properties of the execution.
          inputs: ids of the artifacts that the decision is about, by key.
          ended: False if it must still be carried out; `complete_decision` or `cancel_decision` ends it.
          name: of the execution; empty for a new one.
        """
        by_id = {artifact.id: artifact for artifact in self._client.get_artifacts_by_id(list(inputs.values()))}
        pairs = [(by_id[one], _event(key, pb.Event.INPUT)) for key, one in inputs.items()]
        state = pb.Execution.COMPLETE if ended else pb.Execution.RUNNING
        context = self._context(names.PIPELINE_RUN, run_id)
        return self._put_own_execution(kind, context, properties, pairs, state, name)

    def complete_decision(self, execution_id: int, folder: pathlib.Path, properties: Mapping[str, Scalar]) -> None:
        """End a decision whose output is a version in the serving folder, in one transaction.

        Args:
          execution_id: the decision.
          folder: the version's folder; if it does not exist, the pushed model is recorded as deleted.
          properties: custom properties of the pushed model, as the Pusher records them; with the files, if known.
        """
        [execution] = self._client.get_executions_by_id([execution_id])
        execution.last_known_state = pb.Execution.COMPLETE
        # A type that is there may have more properties.
        kind = self._client.put_artifact_type(pb.ArtifactType(name=names.PUSHED_MODEL), can_omit_fields=True)
        exists = folder.is_dir()
        pushed = pb.Artifact(type_id=kind, uri=str(folder), state=pb.Artifact.LIVE if exists else pb.Artifact.DELETED)
        files = {} if names.FILES in properties else _files_of(folder)
        set_properties(pushed.custom_properties, {**properties, **files, **({} if exists else {names.DELETED: _now()})})
        self._client.put_execution(execution, [(pushed, _event("pushed_model", pb.Event.OUTPUT))], [])

    def cancel_decision(self, execution_id: int, reason: str) -> None:
        """End a decision that was not carried out."""
        [execution] = self._client.get_executions_by_id([execution_id])
        execution.last_known_state = pb.Execution.CANCELED
        execution.custom_properties[names.CANCEL_REASON].string_value = reason
        self._client.put_executions([execution])

    def _put_own_execution(
        self,
        kind: str,
        context: pb.Context,
        properties: Mapping[str, Scalar],
        pairs: Sequence[tuple[pb.Artifact, pb.Event]],
        state: int = pb.Execution.COMPLETE,
        name: str = "",
    ) -> int:
        """Record an execution of a type of this project in a context, and return its id."""
        execution = pb.Execution(
            type_id=self._client.put_execution_type(pb.ExecutionType(name=kind)),
            name=name or str(uuid.uuid4()),
            last_known_state=state,
        )
        set_properties(execution.custom_properties, properties)
        return put_execution(self._client, execution, pairs, [context])[0]

    def _context(self, kind: str, name: str, properties: Mapping[str, Scalar] | None = None) -> pb.Context:
        context = self._client.get_context_by_type_and_name(kind, name)
        if context is None:
            context = pb.Context(type_id=self._client.put_context_type(pb.ContextType(name=kind)), name=name)
            set_properties(context.custom_properties, properties or {})
            [context.id] = self._client.put_contexts([context])
        return context


def put_execution(
    client: mlmd.MetadataStore,
    execution: pb.Execution,
    pairs: Sequence[tuple[pb.Artifact, pb.Event]],
    contexts: Sequence[pb.Context],
) -> tuple[int, list[int]]:
    """Store an execution, with its artifacts and their events, in contexts that exist; return its id and theirs."""
    number, artifacts, _ = client.put_execution(
        execution, pairs, contexts, reuse_context_if_already_exist=True, force_reuse_context=True
    )
    return int(number), list(artifacts)


def _contexts_of(pipeline: str, run_id: str, node: str) -> list[tuple[str, str]]:
    """Return type and name of the contexts of an execution."""
    return [(names.PIPELINE, pipeline), (names.PIPELINE_RUN, run_id), (names.NODE, f"{pipeline}.{node}")]


def _cached_execution(source: pb.Execution, cached: CachedNode) -> pb.Execution:
    """Return an execution, not in the store yet, with the properties of the earlier one; its state is not set."""
    execution = pb.Execution(type_id=source.type_id, name=str(uuid.uuid4()))
    for name, value in source.properties.items():
        execution.properties[name].CopyFrom(value)
    for name, value in source.custom_properties.items():
        # TFX publishes the declared properties a second time, as custom ones.
        if name not in source.properties and name not in (names.EXECUTION_RESULT, names.REASONS):
            execution.custom_properties[name].CopyFrom(value)
    for name, text in cached.parameters.items():
        target = execution.properties if name in execution.properties else execution.custom_properties
        if name in target:
            target[name].string_value = text
    set_properties(execution.custom_properties, cached.key.properties())
    return execution


def _event(key: str, event_type: int, index: int = 0) -> pb.Event:
    steps = [pb.Event.Path.Step(key=key), pb.Event.Path.Step(index=index)]
    return pb.Event(type=event_type, path=pb.Event.Path(steps=steps))


def remove_outputs(root: Root, node: str, execution_id: int) -> None:
    """Remove the outputs, previews and temporary files of an execution."""
    for outputs in (root.artifacts, root.previews):
        for folder in (outputs / node).glob(f"*/{execution_id}"):
            shutil.rmtree(folder, ignore_errors=True)
    system = root.artifacts / node / ".system"
    shutil.rmtree(system / "executor_execution" / str(execution_id), ignore_errors=True)
    shutil.rmtree(system / "stateful_working_dir", ignore_errors=True)


def _files_of(folder: pathlib.Path) -> dict[str, str]:
    """Return the properties that record the files of an artifact."""
    files = file_digests.scan(folder)
    return {names.RAW_DIGEST: file_digests.of_files(files), names.FILES: file_digests.to_text(files)}


def _now() -> str:
    return datetime.datetime.now(datetime.timezone.utc).strftime("%Y-%m-%dT%H:%M:%SZ")


def rewrite_moved_uris(root: Root) -> pathlib.Path | None:
    """Copy the store of a root that was moved, rewrite the URIs in it, and return the copy.

    Returns None if the root was not moved or has no store yet. After an interrupt, the next call continues.
    """
    moved = root.moved()
    found = root_store.of(root)
    if moved is None or not found.exists():
        root.record_location()
        return None
    copy = found.set_aside_before_move()
    store = found.connect()
    changed = [artifact for artifact in store.get_artifacts() if _rewrite_uris(artifact, *moved)]
    if changed:
        store.put_artifacts(changed)  # in one transaction
    root.record_location()
    return copy


def _rewrite_uris(artifact: pb.Artifact, old: str, new: str) -> bool:
    """Replace paths below the old root, and return whether there were any."""
    before = artifact.SerializeToString(deterministic=True)
    artifact.uri = moved_path(artifact.uri, old, new)
    move_paths(artifact.custom_properties, old, new)
    return bool(artifact.SerializeToString(deterministic=True) != before)
