"""Take a run over from another root: its record, its results, its log; for runs of a sweep that ran beside each other.

The other root began as a copy of this one, so it used results of this root. Results that this root does not have are
linked into it under the ids that they get here. If the process is killed meanwhile, the run has no recorded end here,
and the next command that writes closes it like any killed run.
"""

from __future__ import annotations

import json
import os
import pathlib
import shutil

from ml_metadata.proto import metadata_store_pb2 as pb

from components import atomic_file
from pipeline.core import event_log, file_digests
from pipeline.core.pipeline_root import Root
from pipeline.metadata import execution_ids, root_store, run_properties
from pipeline.metadata import properties as names
from pipeline.metadata.protobuf import artifact_of, move_paths, properties_of
from pipeline.metadata.store import Store
from pipeline.metadata.writer import put_execution

_OUTPUT = (pb.Event.OUTPUT, pb.Event.DECLARED_OUTPUT)


def adopt_run(source: Root, target: Root, run_id: str) -> bool:
    """Take over a run that ended. Return False if the target has a run of this id already.

    Args:
      source: the other root; no process may write to it.
      target: the root, whose lock this process holds.
      run_id: of the run.
    """
    return _Adoption(source, target, run_id).run()


class _Adoption:
    def __init__(self, source: Root, target: Root, run_id: str) -> None:
        self._source, self._target, self._run_id = source, target, run_id
        self._from, self._to = root_store.of(source).connect(), root_store.of(target).connect()
        self._artifacts: dict[int, int] = {}  # ids in the target by those in the source

    def run(self) -> bool:
        if self._to.get_context_by_type_and_name(names.PIPELINE_RUN, self._run_id) is not None:
            return False
        execution_ids.reserve(self._target, Store(self._to))
        context = self._from.get_context_by_type_and_name(names.PIPELINE_RUN, self._run_id)
        self._copy_files()
        adopted = self._context(context, run_properties.end_properties(properties_of(context)))
        parents = [self._context(one) for one in self._from.get_parent_contexts_by_context(context.id)]
        if parents:
            self._to.put_parent_contexts([pb.ParentContext(parent_id=one.id, child_id=adopted.id) for one in parents])
        executions = self._from.get_executions_by_context(context.id)
        for execution in sorted(executions, key=lambda one: int(one.id)):
            self._adopt(execution)
        for name, value in context.custom_properties.items():
            adopted.custom_properties[name].CopyFrom(value)
        manifest = self._target.manifests / f"{self._run_id}.json"
        if manifest.is_file() and names.MANIFEST_DIGEST in adopted.custom_properties:
            adopted.custom_properties[names.MANIFEST_DIGEST].string_value = file_digests.of_file(manifest)
        adopted.custom_properties[run_properties.ADOPTED_FROM].string_value = str(self._source.path)
        self._to.put_contexts([adopted])
        return True

    def _copy_files(self) -> None:
        """Copy the log and the events of the run, and its manifest, which names the root that it belongs to now."""
        source, target = self._source, self._target
        for old, new in (
            (source.logs / f"{self._run_id}.log", target.logs / f"{self._run_id}.log"),
            (event_log.path_of(source.path, self._run_id), event_log.path_of(target.path, self._run_id)),
        ):
            if old.is_file():
                new.parent.mkdir(exist_ok=True)
                shutil.copy2(old, new)
        if (workers := source.worker_logs(self._run_id)).is_dir():
            shutil.copytree(workers, target.worker_logs(self._run_id), dirs_exist_ok=True)
        manifest = source.manifests / f"{self._run_id}.json"
        if manifest.is_file():
            target.manifests.mkdir(exist_ok=True)
            here, there = (json.dumps(str(root.path))[1:-1] for root in (source, target))
            text = manifest.read_text(encoding="utf-8").replace(here, there)
            atomic_file.write(target.manifests / manifest.name, text)

    def _adopt(self, execution: pb.Execution) -> None:
        """Record an execution with its events; results that the target lacks are linked into it."""
        events = self._from.get_events_by_execution_ids([execution.id])
        used = {one.id: one for one in self._from.get_artifacts_by_id([event.artifact_id for event in events])}
        is_cached = execution.last_known_state == pb.Execution.CACHED
        known, new = [], []
        for event in events:
            artifact = used[event.artifact_id]
            is_new = event.type in _OUTPUT and event.artifact_id not in self._artifacts and not is_cached
            here = None if is_new else self._find(artifact)
            if here is not None:
                known.append((here, _event(event)))
            elif event.type in _OUTPUT:
                new.append((artifact, _event(event)))
        adopted = pb.Execution()
        adopted.CopyFrom(execution)
        adopted.ClearField("id")
        adopted.type_id = self._type("execution", execution.type_id)
        for properties in (adopted.properties, adopted.custom_properties):
            move_paths(properties, str(self._source.path), str(self._target.path))
        contexts = [self._context(one) for one in self._from.get_contexts_by_execution(execution.id)]
        if not new:
            put_execution(self._to, adopted, known, contexts)
            return
        adopted.last_known_state = pb.Execution.RUNNING  # its outputs are removed if this is interrupted
        adopted.id, _ = put_execution(self._to, adopted, known, contexts)
        outputs = [(self._link(artifact, adopted.id), event) for artifact, event in new]
        adopted.last_known_state = pb.Execution.COMPLETE if is_cached else execution.last_known_state
        _, made = put_execution(self._to, adopted, outputs, contexts)
        self._artifacts.update(zip([artifact.id for artifact, _ in new], made, strict=True))

    def _find(self, artifact: pb.Artifact) -> pb.Artifact | None:
        """Return the artifact of the target with the same content; None if it has none that is in use."""
        known = self._artifacts.get(artifact.id, artifact.id)
        candidates = list(self._to.get_artifacts_by_id([known]))
        if not any(_is_same(one, artifact) for one in candidates):
            candidates = self._to.get_artifacts_by_type(artifact.type)
        return next((one for one in reversed(candidates) if _is_same(one, artifact)), None)

    def _link(self, artifact: pb.Artifact, execution: int) -> pb.Artifact:
        """Link the files of an artifact and its preview into the target, and return it as a new one."""
        node, key, _, *rest = pathlib.Path(artifact.uri).relative_to(self._source.artifacts).parts
        place = pathlib.Path(node, key, str(execution), *rest)
        source, target = self._source, self._target
        for old, new in ((source.artifacts, target.artifacts), (source.previews, target.previews)):
            folder = old / pathlib.Path(artifact.uri).relative_to(source.artifacts)
            if folder.is_dir():
                (new / place).parent.mkdir(parents=True, exist_ok=True)
                link_tree(folder, new / place)
        made = pb.Artifact()
        made.CopyFrom(artifact)
        for field in ("id", "create_time_since_epoch", "last_update_time_since_epoch"):
            made.ClearField(field)
        made.type_id = self._type("artifact", artifact.type_id)
        made.uri = str(self._target.artifacts / place)
        return made

    def _type(self, kind: str, number: int) -> int:
        """Return the id in the target of a type of the source; `kind`: `artifact`, `execution` or `context`."""
        [found] = getattr(self._from, f"get_{kind}_types_by_id")([number])
        found.ClearField("id")
        return int(getattr(self._to, f"put_{kind}_type")(found, can_add_fields=True, can_omit_fields=True))  # as TFX

    def _context(self, context: pb.Context, without: set[str] | None = None) -> pb.Context:
        """Return the context of the target of the same type and name; make it, without some custom properties."""
        found = self._to.get_context_by_type_and_name(context.type, context.name)
        if found is not None:
            return found
        made = pb.Context()
        made.CopyFrom(context)
        made.ClearField("id")
        made.type_id = self._type("context", context.type_id)
        for name in without or ():
            del made.custom_properties[name]
        [made.id] = self._to.put_contexts([made])
        return made


def link_tree(source: pathlib.Path, target: pathlib.Path) -> None:
    """Copy a folder by hard links; by copies where the file system has none."""
    shutil.copytree(source, target, copy_function=_link, symlinks=True, dirs_exist_ok=True)


def _link(source: str, target: str) -> None:
    try:
        os.link(source, target)
    except OSError:
        shutil.copy2(source, target)


def _event(event: pb.Event) -> pb.Event:
    return pb.Event(type=event.type, path=event.path)


def _is_same(one: pb.Artifact, other: pb.Artifact) -> bool:
    """Whether two artifacts have the same type and content, and the first is in use."""
    here, there = artifact_of(one), artifact_of(other)
    return bool(here.live and here.type == there.type and there.content and here.content == there.content)
