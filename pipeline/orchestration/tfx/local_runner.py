"""The local orchestrator: runs the nodes one after the other through TFX's launcher.

`LocalRunner` is TFX's `IrBasedRunner`. What it adds to the stock `LocalDagRunner`: a run id, events to show, our Beam
engine, our own decision on what runs (orchestration/cache.py; TFX's cache is off), digests of what was made, and the
state of each node as ML Metadata holds it.
"""

from __future__ import annotations

import dataclasses
import json
import logging
import re
import time
from collections.abc import Mapping

from tfx.dsl.compiler import constants
from tfx.orchestration import metadata as tfx_metadata
from tfx.orchestration.local import runner_utils
from tfx.orchestration.portable import launcher, partial_run_utils, runtime_parameter_utils, tfx_runner
from tfx.proto.orchestration import pipeline_pb2

from components import errors as component_errors
from pipeline.core import events
from pipeline.core.errors import ExitCode, SaeError
from pipeline.core.events import EpochEnded, Listener, NodeEnded, NodeStarted, NodeState, Note, RunStarted
from pipeline.core.pipeline_root import Root
from pipeline.definition.spec import Node
from pipeline.metadata.properties import CACHE, REASONS
from pipeline.metadata.store import open_store
from pipeline.metadata.types import Artifact
from pipeline.metadata.writer import MetadataWriter
from pipeline.orchestration import checkpoints, replay
from pipeline.orchestration.cache import CacheDecision, CacheVerdict, Damage, NodeCache
from pipeline.orchestration.summary import RunResult
from pipeline.orchestration.tfx import executors, metadata_view, partial_run

logger = logging.getLogger(__name__)


class LocalRunner(tfx_runner.IrBasedRunner):
    """Runs the pipeline in this process."""

    def __init__(self, root: Root, run_id: str, cache: NodeCache, listener: Listener) -> None:
        self._root = root
        self._run_id = run_id
        self._cache = cache
        self._pipeline = cache.pipeline
        self._config = cache.configured.config.engine
        self._tell = listener
        self._store = open_store(root)
        self._recorder = MetadataWriter(root)

    def run_with_ir(
        self,
        pipeline: pipeline_pb2.Pipeline,
        run_options: pipeline_pb2.RunOptions | None = None,
    ) -> RunResult:
        """Runs a compiled pipeline, or the part of it that `run_options` names.

        A failed node ends the run; it is not an exception but part of the result.
        """
        runtime_parameter_utils.substitute_runtime_parameter(
            pipeline, {constants.PIPELINE_RUN_ID_PARAMETER_NAME: self._run_id}
        )
        if run_options:
            partial_run.mark(pipeline, run_options)
        nodes = [node.pipeline_node for node in pipeline.nodes]
        self._tell(RunStarted(self._run_id, tuple(node.node_info.id for node in nodes)))
        failures = executors.Failures()
        results: list[NodeEnded] = []
        failed: NodeEnded | None = None
        for node in nodes:
            name, options = node.node_info.id, node.execution_options
            if failed:
                result = NodeEnded(name, NodeState.SKIPPED, 0.0, f"{failed.node} did not succeed")
            elif options.HasField("skip"):
                state = NodeState.CACHED if partial_run.is_reused(node) else NodeState.SKIPPED
                result = NodeEnded(name, state, 0.0, "not in the part that was asked for")
            else:
                result = self._run_node(pipeline, node, failures)
                failed = result if result.state == NodeState.FAILED else None
            self._tell(result)
            results.append(result)
        return self._result(results, failed, failures)

    def _run_node(
        self, pipeline: pipeline_pb2.Pipeline, node: pipeline_pb2.PipelineNode, failures: executors.Failures
    ) -> NodeEnded:
        name = node.node_info.id
        begun = time.monotonic()
        deployment = runner_utils.extract_local_deployment_config(pipeline)
        config = deployment.metadata_connection_config
        connection = getattr(config, config.WhichOneof("connection_config"))
        if node.execution_options.run.perform_snapshot:
            with tfx_metadata.Metadata(connection) as handle:
                partial_run_utils.snapshot(handle, pipeline)
        declared = self._pipeline.by_name[name]
        inputs = self._inputs(declared)
        if (kept := self._kept(declared, inputs)) is not None:
            return kept
        decision = self._cache.decide(declared, inputs)
        replay.use_no_more(decision.damage, self._recorder, self._tell)
        if decision.verdict == CacheVerdict.CACHED:
            replay.record(self._pipeline, decision, inputs, self._recorder, self._run_id)
        else:
            self._tell(NodeStarted(name, decision.reasons))
            if damage := self._damaged(declared, inputs):
                replay.use_no_more([damage], self._recorder, self._tell)
                reason = f"{damage.output} is damaged: {damage.reason}; make it again with --from-node {damage.node}"
                return NodeEnded(name, NodeState.FAILED, 0.0, reason)
            self._set_key(node, decision)
            earlier = self._store.executions_of(self._run_id, name)
            afresh = not self._cache.use_cache and not earlier
            with checkpoints.offered(self._root, decision.key.digest, self._config.checkpoint_seconds, afresh):
                try:
                    launcher.Launcher(
                        pipeline_node=node,
                        mlmd_connection=metadata_view.RunMetadata(connection, self._run_id, earlier),
                        pipeline_info=pipeline.pipeline_info,
                        pipeline_runtime_spec=pipeline.runtime_spec,
                        executor_spec=runner_utils.extract_executor_spec(deployment, name),
                        custom_driver_spec=runner_utils.extract_custom_driver_spec(deployment, name),
                        custom_executor_operators=executors.executor_operators(declared, self._config, failures),
                    ).launch()
                except Exception as error:
                    failures.last = failures.last or error
                    logger.exception("%s failed", name)
        ended = self._read_back(declared, time.monotonic() - begun, failures)
        if ended.state == NodeState.EXECUTED:
            checkpoints.remove(self._root, decision.key.digest)
        return ended

    def _kept(self, node: Node, inputs: Mapping[str, Artifact]) -> NodeEnded | None:
        """How a node ended in an earlier attempt at this run; None where it has to run, or run again."""
        found = self._store.executions(self._run_id).get(node.name)
        if found is None or found.state not in (NodeState.EXECUTED, NodeState.CACHED):
            return None
        outputs = self._store.outputs(found.id)
        if not self._cache.holds(node, found, inputs, outputs):
            return None
        ended = replay.node_ended(node, found.state, outputs, 0.0)
        return dataclasses.replace(ended, reason=ended.reason or events.ENDED_EARLIER)

    def _inputs(self, node: Node) -> dict[str, Artifact]:
        """What a node reads in this run, by key."""
        executions = self._store.executions(self._run_id)
        return {
            key: self._store.outputs(executions[upstream].id)[output] for key, (upstream, output) in node.inputs.items()
        }

    def _damaged(self, node: Node, inputs: Mapping[str, Artifact]) -> Damage | None:
        """The first input that is no longer what was published."""
        for key, (upstream, output) in node.inputs.items():
            if reason := self._cache.damage(inputs[key]):
                return Damage(inputs[key].id, upstream, output, reason)
        return None

    def _set_key(self, node: pipeline_pb2.PipelineNode, decision: CacheDecision) -> None:
        """Tells the node what only now is known, has TFX store the key, and has it decide nothing by itself."""
        notes = {
            **decision.key.properties(),
            REASONS: json.dumps(decision.reasons),
            **decision.runtime_properties,
        }
        for name, text in notes.items():
            node.parameters.parameters[name].field_value.string_value = text
        context = node.contexts.contexts.add()
        context.type.name = CACHE
        context.name.field_value.string_value = decision.key.digest
        node.execution_options.caching_options.enable_cache = False

    def _read_back(self, node: Node, seconds: float, failures: executors.Failures) -> NodeEnded:
        """The node's state as ML Metadata holds it: `launch()` returns normally from some failures."""
        name = node.name
        execution = self._store.executions(self._run_id).get(name)
        if failures.last is not None:
            return NodeEnded(name, NodeState.FAILED, seconds, explain(failures.last))
        if execution is None or execution.state is None:
            return NodeEnded(name, NodeState.FAILED, seconds, "TFX recorded no end of it; the log has more")
        if execution.state == NodeState.FAILED:
            return NodeEnded(
                name, NodeState.FAILED, seconds, (execution.error.strip().splitlines() or ["the log has more"])[-1]
            )
        return replay.node_ended(node, execution.state, self._store.outputs(execution.id), seconds)

    def _result(self, results: list[NodeEnded], failed: NodeEnded | None, failures: executors.Failures) -> RunResult:
        if failed is None:
            return RunResult(self._run_id, tuple(results), ExitCode.DONE, "")
        gate = isinstance(failures.last, component_errors.AnomalyError)
        code = ExitCode.GATE_FAILED if gate else ExitCode.NODE_FAILED
        return RunResult(self._run_id, tuple(results), code, f"{failed.node}: {failed.reason}")


_OWN_ERRORS = (component_errors.DataError, component_errors.AnomalyError, component_errors.TrainingError, SaeError)
# Beam reports an error of a worker as the text of its traceback.
_OWN_ERROR = re.compile(r"components\.errors\.\w+: (.*)")
# What Beam and TensorFlow put around a message, which helps nobody who did not write them.
_WRAPPING = re.compile(r" \[while running .*$|\{\{.*?\}\} | \[Op:.*$")
_DAMAGED_RECORD = re.compile(r"corrupted record|truncated record|Not a valid TFRecord")
_LONGEST_REASON = 200  # characters; some errors quote a whole record


def explain(error: BaseException) -> str:
    """One line on an exception: our own errors' message, wherever in the chain or the text it is."""
    seen: BaseException | None = error
    while seen is not None:
        if isinstance(seen, _OWN_ERRORS):
            return _WRAPPING.sub("", str(seen))
        if isinstance(seen, OSError) and seen.strerror:
            return f"{seen.strerror}" + (f": {seen.filename}" if seen.filename else "")
        seen = seen.__cause__ or seen.__context__
    if match := _OWN_ERROR.search(str(error)):
        return _WRAPPING.sub("", match.group(1))
    if match := _DAMAGED_RECORD.search(str(error)):
        return f"an artifact that it reads is damaged ({match.group(0)}): run with --no-cache to make it again"
    lines = [line for line in str(error).splitlines() if line.strip()] or [""]
    text = _WRAPPING.sub("", f"{type(error).__name__}: {lines[-1].strip()}")
    if len(text) <= _LONGEST_REASON:
        return text
    # The middle goes: some say what happened first, others end with it behind a long path.
    half = _LONGEST_REASON // 2
    return f"{text[:half]} ... {text[-half:]} (cut; the log has all of it)"


class EpochHandler(logging.Handler):
    """Turns the Trainer's log records into events."""

    def __init__(self, listener: Listener) -> None:
        super().__init__()
        self._tell = listener

    def emit(self, record: logging.LogRecord) -> None:
        if getattr(record, "note", False):
            self._tell(Note(record.getMessage(), warning=record.levelno >= logging.WARNING))
        losses = getattr(record, "losses", None)
        if losses is not None:
            epochs: int = record.epochs  # type: ignore[attr-defined]
            self._tell(EpochEnded(losses.epoch, epochs, losses.loss, losses.val_loss))
