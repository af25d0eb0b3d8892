"""Reads and mends ML Metadata without TFX: states of executions, runs, and the end of a run that was cut off."""

from __future__ import annotations

import dataclasses
import datetime
import json
import logging
import pathlib
import re
import shutil
import sqlite3
import tempfile
import time
from collections.abc import Callable, Collection
from typing import Any, TypeVar

import ml_metadata as mlmd
from ml_metadata import errors as mlmd_errors
from ml_metadata.proto import metadata_store_pb2 as pb

from pipeline.core import file_digests
from pipeline.core.errors import NotFoundError, UnavailableError
from pipeline.core.events import NodeState
from pipeline.core.pipeline_root import Root, moved_path
from pipeline.metadata import deletion, node_key, references, run_properties, sqlite

logger = logging.getLogger(__name__)

# Names that TFX gives to its context types.
PIPELINE, PIPELINE_RUN, NODE, CACHE = "pipeline", "pipeline_run", "node", "execution_cache"
REASONS = "reasons"  # of an Execution: why it ran, as JSON
METRICS = "metrics"  # of a ModelEvaluation: its numbers as JSON
CANCEL_REASON = "sae_cancelled"
BREAK_REASON = "sae_broken_off"  # of an Execution whose process was killed: how that was found
RESULT = "__execution_result__"  # what TFX notes of an executor, not of a cached execution

_STATES = {
    pb.Execution.COMPLETE: NodeState.EXECUTED,
    pb.Execution.CACHED: NodeState.CACHED,
    pb.Execution.FAILED: NodeState.FAILED,
    pb.Execution.CANCELED: NodeState.CANCELLED,
}
# ML Metadata's refusal to open a store, in which it names both versions.
_OTHER_SCHEMA = re.compile(r"database version (\d+) is (?:older|greater) than library version (\d+)")
# Of many executions of a node, or with one key, the newest are looked at.
_CANDIDATES = 20
INPUT_EVENTS = (pb.Event.INPUT, pb.Event.DECLARED_INPUT)
OUTPUT_EVENTS = (pb.Event.OUTPUT, pb.Event.DECLARED_OUTPUT)
UNFINISHED = (pb.Execution.NEW, pb.Execution.RUNNING, pb.Execution.UNKNOWN)
Answer = TypeVar("Answer")
# Seconds for which a writer waits for programs that read the file: a look into it by hand may take minutes, and a run
# that gave up would have to be gone on with.
_PATIENCE = 600.0
_TRIES = 5  # at a copy of a file that writers change meanwhile
_PAUSE = 1.0  # seconds between two tries; SQLite lets no new reader in during one, which takes two seconds


@dataclasses.dataclass(frozen=True)
class NodeExecution:
    """One node's execution in one run.

    Attributes:
      id: in ML Metadata.
      state: None while it has not ended.
      reason: what the node said when it failed.
    """

    id: int
    node: str
    state: NodeState | None
    reason: str


@dataclasses.dataclass(frozen=True)
class Output:
    """An artifact that an execution wrote or read.

    Attributes:
      uri: where it lies now, also where the root was moved since it was written.
      properties: custom properties, and those of its type.
      id: in ML Metadata.
      type_name: TFX's name of its type.
      live: False once it was taken out of use, or deleted.
      deleted: that `sae gc` deleted its bytes, and when, in words; empty where it did not.
    """

    uri: str
    properties: dict[str, str | int | float]
    id: int = 0
    type_name: str = ""
    live: bool = True
    deleted: str = ""

    @property
    def content(self) -> str:
        """Digest of its canonical form; empty where it was published without one."""
        return str(self.properties.get(file_digests.CONTENT, ""))

    @property
    def files(self) -> file_digests.Files | None:
        """Its files as they were published; None where that was not noted."""
        try:
            return file_digests.from_text(str(self.properties[file_digests.FILES]))
        except (KeyError, ValueError):
            return None

    @property
    def files_over_time(self) -> list[file_digests.Files]:
        """Its files as they are, and as they were before it was restored with other bytes: copies may hold either."""
        earlier = json.loads(str(self.properties.get(file_digests.EARLIER, "[]")))
        return [*([] if self.files is None else [self.files]), *map(file_digests.from_text, earlier)]


@dataclasses.dataclass(frozen=True)
class Candidate:
    """An execution that may stand in for another one of the same node.

    Attributes:
      id: in ML Metadata.
      run_id: the run that it belongs to.
      state: None while it has not ended.
      key: what it depended on; None where that was not noted.
      reasons: why it ran, as noted then; empty when it was cached.
    """

    id: int
    run_id: str
    state: NodeState | None
    key: node_key.Key | None
    reasons: tuple[str, ...] = ()


class Store:
    """An open store. Its client is not thread-safe: use one per thread."""

    def __init__(self, path: pathlib.Path, moved: tuple[str, str] | None = None, read_only: bool = False) -> None:
        """Opens the SQLite file, making it if need be and not `read_only`.

        Args:
          path: the file.
          moved: where the root lay when URIs were written, and where it lies now; None where it was not moved.
          read_only: nothing is written, whatever is called.

        Raises:
          UnavailableError: the file is damaged or has another version of ML Metadata's schema; it is left as it is.
        """
        self._moved = moved
        self._store = connect(path, read_only)

    @classmethod
    def of_client(cls, client: mlmd.MetadataStore, moved: tuple[str, str] | None) -> Store:
        """The store that a client has open."""
        store = cls.__new__(cls)
        store._store, store._moved = client, moved
        return store

    def ask(self, question: Callable[[mlmd.MetadataStore], Answer]) -> Answer:
        """What a function that reads one kind of thing finds with this store's client."""
        return question(self._store)

    def run_ids(self) -> list[str]:
        """Every run, the newest first."""
        contexts = self._store.get_contexts_by_type(PIPELINE_RUN)
        return [context.name for context in sorted(contexts, key=lambda context: context.id, reverse=True)]

    def find_run(self, wanted: str) -> str:
        """The id of the run that `wanted` names, as `names.find_run` finds it. Raises `NotFoundError`."""
        return references.find_run(wanted, self.run_ids())

    def run_property(self, run_id: str, name: str) -> str:
        """A custom property, a text, of a run's context; empty where it was not noted."""
        context = self._store.get_context_by_type_and_name(PIPELINE_RUN, run_id)
        return (
            str(context.custom_properties[name].string_value) if context and name in context.custom_properties else ""
        )

    def candidate(self, execution_id: int) -> Candidate:
        """An execution with its run and its key."""
        [execution] = self._store.get_executions_by_id([execution_id])
        return self._candidate(execution)

    def executions(self, run_id: str) -> dict[str, NodeExecution]:
        """The executions of a run by node; of several of one node the newest."""
        found: dict[str, NodeExecution] = {}
        for execution in sorted(self._executions(run_id), key=lambda execution: execution.id):
            node = self._node_of(execution.id)
            if not node:  # a verification is in the run's context, but no node of it
                continue
            found[node] = NodeExecution(
                execution.id, node, _STATES.get(execution.last_known_state), reason_of(execution)
            )
        return found

    def executions_of(self, run_id: str, node: str) -> list[int]:
        """Ids of all executions of a node in a run, the oldest first; several where the run was resumed."""
        return [id_ for id_ in sorted(one.id for one in self._executions(run_id)) if self._node_of(id_) == node]

    def outputs(self, execution_id: int) -> dict[str, Output]:
        """The first artifact under each output key of an execution."""
        return self._artifacts(execution_id, OUTPUT_EVENTS)

    def inputs(self, execution_id: int) -> dict[str, Output]:
        """The first artifact under each input key of an execution."""
        return self._artifacts(execution_id, INPUT_EVENTS)

    def makers(self, artifact_id: int) -> list[int]:
        """The executions that made an artifact, or used it again in a node's place; the oldest first."""
        return sorted({event.execution_id for event in self._made_in(artifact_id)})

    def readers(self, artifact_id: int) -> list[int]:
        """The executions that read an artifact, the oldest first."""
        events = self._store.get_events_by_artifact_ids([artifact_id])
        return sorted({event.execution_id for event in events if event.type in INPUT_EVENTS})

    def _made_in(self, artifact_id: int) -> list[pb.Event]:
        events = self._store.get_events_by_artifact_ids([artifact_id])
        return [event for event in events if event.type in OUTPUT_EVENTS]

    def _artifacts(self, execution_id: int, event_types: Collection[int]) -> dict[str, Output]:
        events = [
            event
            for event in self._store.get_events_by_execution_ids([execution_id])
            if event.type in event_types and event.path.steps
        ]
        artifacts = {
            artifact.id: artifact
            for artifact in self._store.get_artifacts_by_id([event.artifact_id for event in events])
        }
        found: dict[str, Output] = {}
        for event in events:
            found.setdefault(event.path.steps[0].key, self._output(artifacts[event.artifact_id]))
        return found

    def _output(self, artifact: pb.Artifact) -> Output:
        state, properties = pb.Artifact.State.Name(artifact.state), properties_of(artifact)
        deleted = deletion.words(state, properties)
        return Output(self._here(artifact.uri), properties, artifact.id, artifact.type, state == "LIVE", deleted)

    def _here(self, uri: str) -> str:
        """Where an artifact lies now."""
        return moved_path(uri, *self._moved) if self._moved else uri

    def with_key(self, digest: str, before: int = 0) -> list[Candidate]:
        """The newest executions that ran with a key of this digest, newest first; not those that were cached.

        Args:
          digest: of the key.
          before: the id of an execution: only those older than it; 0 for all.
        """
        return self._newest(CACHE, digest, before)

    def of_node(self, pipeline: str, node: str, before: int = 0) -> list[Candidate]:
        """The newest executions of a node, newest first; with `before` only those older than that execution."""
        return self._newest(NODE, f"{pipeline}.{node}", before)

    def _newest(self, context_type: str, name: str, before: int) -> list[Candidate]:
        context = self._store.get_context_by_type_and_name(context_type, name)
        if context is None:
            return []
        # Not by filter_query: ML Metadata 1.18 and later has none.
        newest = mlmd.ListOptions(limit=None if before else _CANDIDATES, order_by=mlmd.OrderByField.ID, is_asc=False)
        found = self._store.get_executions_by_context(context.id, newest)
        if before:
            found = [execution for execution in found if execution.id < before][:_CANDIDATES]
        return [self._candidate(execution) for execution in found]

    def _candidate(self, execution: pb.Execution) -> Candidate:
        notes = {key: value_of(value) for key, value in execution.custom_properties.items()}
        return Candidate(
            execution.id,
            self._run_of(execution.id),
            _STATES.get(execution.last_known_state),
            node_key.of_properties(notes),
            tuple(json.loads(str(notes.get(REASONS, "[]")))),
        )

    def unended_runs(self) -> list[str]:
        """Runs of this pipeline whose end is not noted, the newest first: one in progress, or broken off."""
        contexts = self._store.get_contexts_by_type(PIPELINE_RUN)
        found = [
            context
            for context in contexts
            # Plain TFX notes neither: a run of its own is not ours to close.
            if run_properties.BEGUN in context.custom_properties
            and run_properties.ENDED not in context.custom_properties
        ]
        return [context.name for context in sorted(found, key=lambda context: context.id, reverse=True)]

    def run_properties(self, run_id: str) -> dict[str, str | int | float]:
        """The custom properties of a run's context; empty where there is no such run."""
        context = self._store.get_context_by_type_and_name(PIPELINE_RUN, run_id)
        return {name: value_of(value) for name, value in context.custom_properties.items()} if context else {}

    def run_began(self, run_id: str) -> datetime.datetime | None:
        """When a run's context was made, in UTC; None where there is no such run."""
        context = self._store.get_context_by_type_and_name(PIPELINE_RUN, run_id)
        if context is None:
            return None
        return moment(context.create_time_since_epoch)

    def close_unfinished(self, run_id: str, root: Root, reason: str, killed: bool = False) -> list[str]:
        """Records a run's executions that have not ended as over, and removes what they had written.

        Args:
          run_id: of the run.
          root: where it is.
          reason: why they are over.
          killed: True records them as failed, not as cancelled.

        Returns the nodes.
        """
        closed = []
        for execution in self._executions(run_id):
            if execution.last_known_state in UNFINISHED:
                execution.last_known_state = pb.Execution.FAILED if killed else pb.Execution.CANCELED
                execution.custom_properties[BREAK_REASON if killed else CANCEL_REASON].string_value = reason
                closed.append(self._node_of(execution.id))
                # First the files: if this is cut off in between, the execution is still to be closed.
                remove_outputs(root, closed[-1], execution.id)
                self._store.put_executions([execution])
        return closed

    def remove_unsuccessful_outputs(self, run_id: str, root: Root) -> None:
        """Removes what a run's failed and cancelled executions wrote; none of it was published."""
        for execution in self._executions(run_id):
            if execution.last_known_state in (pb.Execution.FAILED, pb.Execution.CANCELED):
                remove_outputs(root, self._node_of(execution.id), execution.id)

    def _executions(self, run_id: str) -> list[pb.Execution]:
        context = self._store.get_context_by_type_and_name(PIPELINE_RUN, run_id)
        return list(self._store.get_executions_by_context(context.id)) if context else []

    def _node_of(self, execution_id: int) -> str:
        # TFX names it `<pipeline>.<node>`.
        return self._context_of(execution_id, NODE).rpartition(".")[2]

    def _run_of(self, execution_id: int) -> str:
        return self._context_of(execution_id, PIPELINE_RUN)

    def _context_of(self, execution_id: int, kind: str) -> str:
        """Name of the context of this type; empty where there is none."""
        contexts = self._store.get_contexts_by_execution(execution_id)
        return next((str(context.name) for context in contexts if context.type == kind), "")


class PatientStore(mlmd.MetadataStore):
    """ML Metadata's client, which waits for those who read the file: by itself it gives up after some 20 seconds.

    In SQLite's rollback mode what was written is put into the file when nobody is reading it. A wait is said once a
    call, as a warning of this module's logger. A call that waited too long raises `UnavailableError`; it wrote nothing.
    """

    def _call_method(self, method_name: str, request: Any, response: Any) -> None:
        # What its public methods call, try by try.
        deadline: float | None = None
        while True:
            try:
                super()._call_method(method_name, request, response)
            except mlmd_errors.AbortedError as error:
                path = self._config.sqlite.filename_uri
                if deadline is None:
                    deadline = time.monotonic() + _PATIENCE
                    logger.warning("another program is reading %s: waiting until it has done so", path)
                if time.monotonic() >= deadline:
                    raise UnavailableError(
                        f"another program kept {path} from being written to for {_PATIENCE / 60:.0f} minutes: end what "
                        f"reads it (`fuser {path}` names its process)"
                    ) from error
                time.sleep(_PAUSE)
            else:
                return


def connect(path: pathlib.Path, read_only: bool = False) -> mlmd.MetadataStore:
    """ML Metadata's client on an SQLite file, which is made if need be and not `read_only`.

    Where a writer was killed in the middle, SQLite would have to write to the file to read it: with `read_only` a copy
    is read, which is gone when the client is.

    Raises:
      UnavailableError: the file is damaged or has another version of ML Metadata's schema; it is left as it is.
    """
    try:
        if not read_only:
            return PatientStore(_config(path))
        return _reading(path)
    except (mlmd_errors.StatusError, RuntimeError, sqlite3.Error) as error:
        raise UnavailableError(_why_not_opened(path, str(error))) from error


def _reading(path: pathlib.Path) -> mlmd.MetadataStore:
    for _ in range(_TRIES):
        try:
            return mlmd.MetadataStore(_config(path, read_only=True))
        except RuntimeError:
            if not sqlite.cut_off(path):
                raise
        with tempfile.TemporaryDirectory(prefix="sae-store-") as folder:  # what is open is read also when it is removed
            copy = pathlib.Path(folder) / "copy.sqlite"
            if sqlite.copy_rolled_back(path, copy):
                return mlmd.MetadataStore(_config(copy, read_only=True))
    raise RuntimeError("a writer holds it; try again")


def _config(path: pathlib.Path, read_only: bool = False) -> pb.ConnectionConfig:
    config = pb.ConnectionConfig()
    config.sqlite.filename_uri = str(path)
    if read_only:
        config.sqlite.connection_mode = pb.SqliteMetadataSourceConfig.READONLY
    return config


def open_store(root: Root, read_only: bool = False) -> Store:
    """The store of a root, wherever that was moved to.

    Raises:
      NotFoundError: it shall only be read, and there is none.
    """
    if read_only and not root.metadata.is_file():
        raise NotFoundError(f"no run in {root.path}: `sae run` makes the first one, --root names another folder")
    return Store(root.metadata, root.moved(), read_only)


def other_schema(error: str) -> tuple[int, int] | None:
    """The schema of a store that ML Metadata refused to open with `error`, and the one that it knows."""
    match = _OTHER_SCHEMA.search(error)
    return (int(match.group(1)), int(match.group(2))) if match else None


def said(error: str) -> str:
    """The first line of what ML Metadata says, without the statement that failed."""
    line = error.strip().partition("\n")[0]
    return line.removeprefix("Error when executing query: ").partition(" query: ")[0].strip()


def _why_not_opened(path: pathlib.Path, error: str) -> str:
    # Not upgraded here: a migration that breaks off leaves a store that nothing opens.
    if schemas := other_schema(error):
        found, known = schemas
        if found < known:
            advice = "upgrade a copy of it with ML Metadata's own migration (enable_upgrade_migration)"
        else:
            advice = "use it with the version that wrote it"
        return (
            f"{path} has schema {found} of ML Metadata, this version reads and writes schema {known}: it was left as "
            f"it is; {advice}, or choose another root with --root"
        )
    return (
        f"{path} cannot be opened as an ML Metadata store ({said(error)}): it was left as it is; restore a "
        "copy of it, or choose another root with --root"
    )


def moment(milliseconds: int) -> datetime.datetime:
    """A time of ML Metadata, in UTC."""
    return datetime.datetime.fromtimestamp(milliseconds / 1000, datetime.timezone.utc)


def remove_outputs(root: Root, node: str, execution_id: int) -> None:
    """Removes an execution's output folders, their previews and temporary files; those of other executions stay."""
    for outputs in (root.artifacts, root.previews):
        for folder in (outputs / node).glob(f"*/{execution_id}"):
            shutil.rmtree(folder, ignore_errors=True)
    system = root.artifacts / node / ".system"
    shutil.rmtree(system / "executor_execution" / str(execution_id), ignore_errors=True)
    shutil.rmtree(system / "stateful_working_dir", ignore_errors=True)


def reason_of(execution: pb.Execution) -> str:
    """Why an execution failed or was cancelled; empty when neither, or nothing was noted."""
    for own in (CANCEL_REASON, BREAK_REASON):
        if own in execution.custom_properties:
            return str(execution.custom_properties[own].string_value)
    if RESULT in execution.custom_properties:
        text = execution.custom_properties[RESULT].string_value
        try:
            return str(json.loads(text).get("resultMessage", text))
        except ValueError:
            return str(text)
    return ""


def properties_of(artifact: pb.Artifact) -> dict[str, str | int | float]:
    """The properties of its type and the custom ones."""
    return {
        name: value_of(value)
        for values in (artifact.properties, artifact.custom_properties)
        for name, value in values.items()
    }


def value_of(value: pb.Value) -> str | int | float:
    """A property's value; empty for what is no text and no number."""
    kind = value.WhichOneof("value")
    found: str | int | float = getattr(value, kind) if kind in ("int_value", "double_value", "string_value") else ""
    return found


def nearest(earlier: Collection[Candidate], key: node_key.Key) -> Candidate | None:
    """The execution whose key has the fewest fields unlike `key`; of several the first, the newest."""
    with_key = [candidate for candidate in earlier if candidate.key is not None and candidate.state is not None]
    return min(with_key, key=lambda candidate: len(key.changes_since(candidate.key)), default=None)  # type: ignore[arg-type]
