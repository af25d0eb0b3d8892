"""The local orchestrator: run the nodes one after the other through TFX's launcher.

`LocalRunner` extends TFX's `IrBasedRunner`, as the stock `LocalDagRunner` does, with a run id, events, our Beam engine,
our cache (orchestration/cache.py; TFX's is off), digests of outputs, and the state of each node read from ML Metadata.
"""

from __future__ import annotations

import contextlib
import dataclasses
import functools
import json
import logging
import pathlib
import re
import time
from collections.abc import Mapping
from typing import Any

from tfx.dsl.compiler import constants
from tfx.orchestration import metadata as tfx_metadata
from tfx.orchestration.local import runner_utils
from tfx.orchestration.portable import launcher, partial_run_utils, runtime_parameter_utils, tfx_runner
from tfx.proto.orchestration import pipeline_pb2

from components import errors as component_errors
from pipeline.core import events
from pipeline.core.errors import ExitCode, SaeError
from pipeline.core.events import Listener, NodeEnded, NodeStarted, NodeState, RunStarted
from pipeline.core.pipeline_root import Root
from pipeline.definition.spec import Node
from pipeline.metadata.properties import CACHE, REASONS
from pipeline.metadata.store import open_store
from pipeline.metadata.types import Artifact
from pipeline.metadata.writer import MetadataWriter
from pipeline.orchestration import checkpoints, replay
from pipeline.orchestration.cache import CacheDecision, CacheVerdict, Damage, NodeCache
from pipeline.orchestration.portable import cluster_job, worker_identity
from pipeline.orchestration.summary import RunResult
from pipeline.orchestration.tfx import beam_workers, beside, executors, metadata_view, partial_run

logger = logging.getLogger(__name__)


class LocalRunner(tfx_runner.IrBasedRunner):
    """Runs the pipeline in this process."""

    def __init__(self, root: Root, run_id: str, cache: NodeCache, listener: Listener) -> None:
        self._root = root
        self._run_id = run_id
        self._cache = cache
        self._pipeline = cache.configured.pipeline
        self._config = cache.configured.config.engine
        self._tell = listener
        self._store = open_store(root)
        self._writer = MetadataWriter(root)
        self._failures = executors.Failures()
        self._beside = beside.Executions()
        # Of the workers of a cluster.
        self._identity = None if self._config.is_local else worker_identity.here(self._pipeline)

    def run_with_ir(
        self, pipeline: pipeline_pb2.Pipeline, run_options: pipeline_pb2.RunOptions | None = None
    ) -> RunResult:
        """Run a compiled pipeline, or the part of it that `run_options` names.

        A failed node ends the run; its exception is not raised, but described in the result.
        """
        runtime_parameter_utils.substitute_runtime_parameter(
            pipeline, {constants.PIPELINE_RUN_ID_PARAMETER_NAME: self._run_id}
        )
        if run_options:
            partial_run.mark(pipeline, run_options)
        nodes = [node.pipeline_node for node in pipeline.nodes]
        self._tell(RunStarted(self._run_id, tuple(node.node_info.id for node in nodes)))
        results: list[NodeEnded] = []
        failed: NodeEnded | None = None
        with self._pipeline.around_nodes(), beam_workers.shared(), self._beside:
            for node in nodes:
                name = node.node_info.id
                if node.execution_options.HasField("skip"):
                    state = NodeState.CACHED if partial_run.is_reused(node) else NodeState.SKIPPED
                    result = NodeEnded(name, state, 0.0, events.NOT_IN_PART)
                elif failed:
                    result = NodeEnded(name, NodeState.SKIPPED, 0.0, f"{failed.node} did not succeed")
                else:
                    result = self._run_node(pipeline, node)
                    if result.state == NodeState.FAILED:
                        failed = result
                        self._beside.abandon()
                self._tell(result)
                results.append(result)
        if failed is None:
            return RunResult(self._run_id, tuple(results), ExitCode.DONE, "")
        gate = isinstance(self._failures.last, component_errors.AnomalyError)
        code = ExitCode.GATE_FAILED if gate else ExitCode.NODE_FAILED
        return RunResult(self._run_id, tuple(results), code, f"{failed.node}: {failed.reason}")

    def _run_node(self, pipeline: pipeline_pb2.Pipeline, pipeline_node: pipeline_pb2.PipelineNode) -> NodeEnded:
        begun = time.monotonic()
        node = self._pipeline.by_name[pipeline_node.node_info.id]
        if pipeline_node.execution_options.run.perform_snapshot:
            with tfx_metadata.Metadata(_connection(pipeline)) as handle:
                partial_run_utils.snapshot(handle, pipeline)
        inputs = self._inputs(node)
        if (ended := self._ended_before(node, inputs)) is not None:
            return ended
        decision = self._cache.decide(node, inputs)
        replay.mark_out_of_use(decision.damage, self._writer, self._tell)
        if decision.verdict == CacheVerdict.CACHED:
            self._writer.record_cached(self._pipeline.name, self._run_id, replay.cached_node(decision, inputs))
        else:
            self._tell(NodeStarted(node.name, decision.reasons))
            if damage := self._damaged_input(node, inputs):
                replay.mark_out_of_use([damage], self._writer, self._tell)
                reason = f"{damage.output} is damaged: {damage.reason}; regenerate it with --from-node {damage.node}"
                return NodeEnded(node.name, NodeState.FAILED, 0.0, reason)
            _set_parameters(pipeline_node, decision)
            self._begin_beside(pipeline, node.name)
            with self._doing_meanwhile(pipeline, node, inputs):
                self._launch(pipeline, pipeline_node, node, decision.key.digest)
        ended = self._read_state(node, time.monotonic() - begun)
        if ended.state == NodeState.EXECUTED:
            checkpoints.remove(self._root, decision.key.digest)
        return ended

    def _begin_beside(self, pipeline: pipeline_pb2.Pipeline, running: str) -> None:
        """Begin to execute the nodes that may run beside this one, if they are not cached."""
        for pipeline_node in (one.pipeline_node for one in pipeline.nodes):
            node = self._pipeline.by_name[pipeline_node.node_info.id]
            if node.beside != running or pipeline_node.execution_options.HasField("skip"):
                continue
            inputs = self._inputs(node)
            decided = self._ended_before(node, inputs) or self._cache.decide(node, inputs)
            if isinstance(decided, CacheDecision) and decided.verdict == CacheVerdict.RUN:
                handle = metadata_view.RunMetadata(_connection(pipeline), self._run_id)
                deployment = runner_utils.extract_local_deployment_config(pipeline)
                spec = runner_utils.extract_executor_spec(deployment, node.name)
                self._beside.begin(pipeline_node, running, spec, handle)

    def _doing_meanwhile(
        self, pipeline: pipeline_pb2.Pipeline, node: Node, inputs: Mapping[str, Artifact]
    ) -> contextlib.AbstractContextManager[None]:
        """Do what a node declares to be done while it is executed."""
        if node.meanwhile is None:
            return contextlib.nullcontext()
        nodes = [one.pipeline_node for one in pipeline.nodes]
        names = [one.node_info.id for one in nodes if not one.execution_options.HasField("skip")]
        later = names[names.index(node.name) + 1 :]
        return self._beside.doing(functools.partial(node.meanwhile, inputs, later), node.name)

    def _launch(
        self, pipeline: pipeline_pb2.Pipeline, pipeline_node: pipeline_pb2.PipelineNode, node: Node, key: str
    ) -> None:
        """Run a node with TFX's launcher; record its exception."""
        deployment = runner_utils.extract_local_deployment_config(pipeline)
        earlier = self._store.executions_of(self._run_id, node.name)
        engine = node.engine_for(self._config, self._cache.configured.dataset)
        job = cluster_job.of_node(node, engine, self._root, self._run_id, self._identity) if self._identity else None
        discard = not self._cache.use_cache and not earlier
        with checkpoints.environment(self._root, key, self._config.checkpoint_seconds, discard):
            try:
                launcher.Launcher(
                    pipeline_node=pipeline_node,
                    mlmd_connection=metadata_view.RunMetadata(_connection(pipeline), self._run_id, earlier),
                    pipeline_info=pipeline.pipeline_info,
                    pipeline_runtime_spec=pipeline.runtime_spec,
                    executor_spec=runner_utils.extract_executor_spec(deployment, node.name),
                    custom_driver_spec=runner_utils.extract_custom_driver_spec(deployment, node.name),
                    custom_executor_operators=executors.executor_operators(
                        node, engine, self._failures, self._beside, job
                    ),
                ).launch()
            except Exception as error:
                self._failures.last = self._failures.last or error
                logger.exception("%s failed", node.name)

    def _ended_before(self, node: Node, inputs: Mapping[str, Artifact]) -> NodeEnded | None:
        """Return how a node ended in an earlier attempt at this run, if that result is still valid."""
        found = self._store.executions(self._run_id).get(node.name)
        if found is None or found.state not in (NodeState.EXECUTED, NodeState.CACHED):
            return None
        outputs = self._store.outputs(found.id)
        if not self._cache.is_reusable(node, found, inputs, outputs):
            return None
        ended = replay.node_ended(node, found.state, outputs, 0.0)
        return dataclasses.replace(ended, reason=ended.reason or events.ENDED_EARLIER)

    def _inputs(self, node: Node) -> dict[str, Artifact]:
        """Return the artifacts that a node reads in this run, by key."""
        executions = self._store.executions(self._run_id)
        return {
            key: self._store.outputs(executions[upstream].id)[output] for key, (upstream, output) in node.inputs.items()
        }

    def _damaged_input(self, node: Node, inputs: Mapping[str, Artifact]) -> Damage | None:
        """Return the first input whose files are not as they were published."""
        for key, (upstream, output) in node.inputs.items():
            if reason := self._cache.damage(inputs[key]):
                return Damage(inputs[key].id, upstream, output, reason)
        return None

    def _read_state(self, node: Node, seconds: float) -> NodeEnded:
        """Read a node's state from ML Metadata: `launch()` returns normally from some failures."""
        execution = self._store.executions(self._run_id).get(node.name)
        if self._failures.last is not None:
            reason = explain(self._failures.last, self._root.path)
        elif execution is None or execution.state is None:
            reason = "TFX recorded no end of it; the log has more"
        elif execution.state == NodeState.FAILED:
            reason = (execution.error.strip().splitlines() or ["the log has more"])[-1]
        else:
            return replay.node_ended(node, execution.state, self._store.outputs(execution.id), seconds)
        return NodeEnded(node.name, NodeState.FAILED, seconds, reason)


def _connection(pipeline: pipeline_pb2.Pipeline) -> Any:
    config = runner_utils.extract_local_deployment_config(pipeline).metadata_connection_config
    return getattr(config, config.WhichOneof("connection_config"))


def _set_parameters(pipeline_node: pipeline_pb2.PipelineNode, decision: CacheDecision) -> None:
    """Set a node's runtime properties, have TFX record its cache key and reasons, and turn TFX's cache off."""
    properties = {**decision.key.properties(), REASONS: json.dumps(decision.reasons), **decision.runtime_properties}
    for name, text in properties.items():
        pipeline_node.parameters.parameters[name].field_value.string_value = text
    context = pipeline_node.contexts.contexts.add()
    context.type.name = CACHE
    context.name.field_value.string_value = decision.key.digest
    pipeline_node.execution_options.caching_options.enable_cache = False


_OWN_ERRORS = (component_errors.DataError, component_errors.AnomalyError, component_errors.TrainingError, SaeError)
# Beam reports an error of a worker as the text of its traceback.
_OWN_ERROR = re.compile(r"components\.errors\.\w+: (.*)")
# What Beam and TensorFlow add around a message. Of Beam's, a quote after it stays: the text of a KeyError is in quotes.
_WRAPPING = re.compile(r" \[while running .*\]|\{\{.*?\}\} | \[Op:.*$")
_DAMAGED_RECORD = re.compile(r"corrupted record|truncated record|Not a valid TFRecord")
_MAX_REASON = 200  # characters; some errors quote a whole record


def explain(error: BaseException, folder: pathlib.Path) -> str:
    """Return one line about an exception: the message of our own error if the chain or the text contains one.

    `folder` is named with an error of the file system that names no file, as on a full disk.
    """
    cause: BaseException | None = error
    while cause is not None:
        if isinstance(cause, _OWN_ERRORS):
            return _WRAPPING.sub("", str(cause))
        if isinstance(cause, OSError) and cause.strerror:
            return f"{cause.strerror}: {cause.filename2 or cause.filename or folder}"
        cause = cause.__cause__ or cause.__context__
    if match := _OWN_ERROR.search(str(error)):
        return _WRAPPING.sub("", match.group(1))
    if match := _DAMAGED_RECORD.search(str(error)):
        return f"an artifact that it reads is damaged ({match.group(0)}): run with --no-cache to regenerate it"
    lines = [line for line in str(error).splitlines() if line.strip()] or [""]
    text = _WRAPPING.sub("", f"{type(error).__name__}: {lines[-1].strip()}")
    if len(text) <= _MAX_REASON:
        return text
    # Cut the middle: some messages begin with the cause, others end with it after a long path.
    half = _MAX_REASON // 2
    return f"{text[:half]} ... {text[-half:]} (cut; the log has all of it)"
