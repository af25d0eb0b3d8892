"""Reads and mends ML Metadata without TFX: states of executions, runs, and the end of a run that was cut off."""

from __future__ import annotations

import dataclasses
import json
import pathlib
import re
import shutil

import ml_metadata as mlmd
from ml_metadata import errors as mlmd_errors
from ml_metadata.proto import metadata_store_pb2 as pb

from pipeline.errors import UnavailableError
from pipeline.events import NodeState
from pipeline.root import Root

# Names that TFX gives to its context types.
_PIPELINE_RUN, _NODE = "pipeline_run", "node"
_CANCEL_REASON = "sae_cancelled"
_RESULT = "__execution_result__"

_STATES = {
    pb.Execution.COMPLETE: NodeState.EXECUTED,
    pb.Execution.CACHED: NodeState.CACHED,
    pb.Execution.FAILED: NodeState.FAILED,
    pb.Execution.CANCELED: NodeState.CANCELLED,
}
# ML Metadata's refusal to open a store, in which it names both versions.
_OTHER_SCHEMA = re.compile(r"database version (\d+) is (older|greater) than library version (\d+)")
_UNFINISHED = (pb.Execution.NEW, pb.Execution.RUNNING, pb.Execution.UNKNOWN)


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
    """An output artifact: where it lies and its custom properties."""

    uri: str
    properties: dict[str, str | int | float]


class Store:
    """An open store. Its client is not thread-safe: use one per thread."""

    def __init__(self, path: pathlib.Path) -> None:
        """Opens the SQLite file, making it if need be.

        Raises:
          UnavailableError: the file is damaged or has another version of ML Metadata's schema; it is left as it is.
        """
        config = pb.ConnectionConfig()
        config.sqlite.filename_uri = str(path)
        try:
            self._store = mlmd.MetadataStore(config)
        except (mlmd_errors.StatusError, RuntimeError) as error:
            raise UnavailableError(_why_not_opened(path, str(error))) from error

    def run_ids(self) -> list[str]:
        """Every run, the newest first."""
        contexts = self._store.get_contexts_by_type(_PIPELINE_RUN)
        return [context.name for context in sorted(contexts, key=lambda context: context.id, reverse=True)]

    def executions(self, run_id: str) -> dict[str, NodeExecution]:
        """The executions of a run by node; of several of one node the newest."""
        found: dict[str, NodeExecution] = {}
        for execution in sorted(self._executions(run_id), key=lambda execution: execution.id):
            node = self._node_of(execution.id)
            found[node] = NodeExecution(execution.id, node, _STATES.get(execution.last_known_state), _reason(execution))
        return found

    def outputs(self, execution_id: int) -> dict[str, Output]:
        """The first artifact under each output key of an execution."""
        events = [
            event
            for event in self._store.get_events_by_execution_ids([execution_id])
            if event.type in (pb.Event.OUTPUT, pb.Event.DECLARED_OUTPUT)
        ]
        artifacts = {artifact.id: artifact for artifact in self._store.get_artifacts_by_id(
            [event.artifact_id for event in events]
        )}  # fmt: skip
        found: dict[str, Output] = {}
        for event in events:
            artifact = artifacts[event.artifact_id]
            properties = {key: _value(value) for key, value in artifact.custom_properties.items()}
            found.setdefault(event.path.steps[0].key, Output(artifact.uri, properties))
        return found

    def close_unfinished(self, run_id: str, root: Root, reason: str) -> list[str]:
        """Records a run's executions that have not ended as cancelled, and removes what they had written.

        Returns the nodes.
        """
        closed = []
        for execution in self._executions(run_id):
            if execution.last_known_state in _UNFINISHED:
                execution.last_known_state = pb.Execution.CANCELED
                execution.custom_properties[_CANCEL_REASON].string_value = reason
                self._store.put_executions([execution])
                closed.append(self._node_of(execution.id))
                remove_outputs(root.artifacts, closed[-1], execution.id)
        return closed

    def _executions(self, run_id: str) -> list[pb.Execution]:
        context = self._store.get_context_by_type_and_name(_PIPELINE_RUN, run_id)
        return list(self._store.get_executions_by_context(context.id)) if context else []

    def _node_of(self, execution_id: int) -> str:
        node_type = self._store.get_context_type(_NODE).id
        for context in self._store.get_contexts_by_execution(execution_id):
            if context.type_id == node_type:
                # TFX names it `<pipeline>.<node>`.
                return str(context.name.rpartition(".")[2])
        return ""


def _why_not_opened(path: pathlib.Path, error: str) -> str:
    # Not upgraded here: a migration that breaks off leaves a store that nothing opens.
    if match := _OTHER_SCHEMA.search(error):
        found, relation, known = match.groups()
        if relation == "older":
            advice = "upgrade a copy of it with ML Metadata's own migration (enable_upgrade_migration)"
        else:
            advice = "use it with the version that wrote it"
        return (
            f"{path} has schema {found} of ML Metadata, this version reads and writes schema {known}: it was left as "
            f"it is; {advice}, or choose another root with --root"
        )
    return (
        f"{path} cannot be opened as an ML Metadata store ({error.splitlines()[0]}): it was left as it is; restore a "
        "copy of it, or choose another root with --root"
    )


def remove_outputs(artifacts: pathlib.Path, node: str, execution_id: int) -> None:
    """Removes an execution's output folders and temporary files; artifacts of other executions stay."""
    for folder in (artifacts / node).glob(f"*/{execution_id}"):
        shutil.rmtree(folder, ignore_errors=True)
    system = artifacts / node / ".system"
    shutil.rmtree(system / "executor_execution" / str(execution_id), ignore_errors=True)
    shutil.rmtree(system / "stateful_working_dir", ignore_errors=True)


def _reason(execution: pb.Execution) -> str:
    if _CANCEL_REASON in execution.custom_properties:
        return str(execution.custom_properties[_CANCEL_REASON].string_value)
    if _RESULT in execution.custom_properties:
        text = execution.custom_properties[_RESULT].string_value
        try:
            return str(json.loads(text).get("resultMessage", text))
        except ValueError:
            return str(text)
    return ""


def _value(value: pb.Value) -> str | int | float:
    kind = value.WhichOneof("value")
    found: str | int | float = getattr(value, kind) if kind in ("int_value", "double_value", "string_value") else ""
    return found
