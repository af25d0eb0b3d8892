"""The local orchestrator: runs the nodes one after the other through TFX's launcher.

`LocalRunner` is TFX's `IrBasedRunner`, so it takes the same pipeline as any TFX runner. What it adds to the stock
`LocalDagRunner`: a run id, events to show, our Beam engine, the code of each node in its cache key, and the state of
each node as ML Metadata holds it.
"""

from __future__ import annotations

import dataclasses
import logging
import pathlib
import re
import time
from collections.abc import Mapping

from tfx.dsl.compiler import constants
from tfx.orchestration import metadata as tfx_metadata
from tfx.orchestration.local import runner_utils
from tfx.orchestration.portable import launcher, partial_run_utils, runtime_parameter_utils, tfx_runner
from tfx.proto.orchestration import pipeline_pb2
from tfx.utils import path_utils

from components import errors as component_errors
from components import pusher
from pipeline import engine, lines, metadata, parts, provenance
from pipeline.errors import ExitCode
from pipeline.events import EpochEnded, Listener, NodeEnded, NodeStarted, NodeState, RunStarted
from pipeline.root import Root

logger = logging.getLogger(__name__)

# The module whose code, with what it imports, decides what a node does; nodes that are TFX's alone have none.
CODE_OF_NODE = {
    "ExampleGen": "components.example_gen",
    "DataGate": "components.data_gate",
    "Transform": "components.preprocessing",
    "Trainer": "components.trainer",
    "Evaluator": "components.metrics",
    "Report": "components.report",
    "Pusher": "components.pusher",
}
_CODE_DIGEST = "code_digest"
_LINE = "tfx_line"


@dataclasses.dataclass(frozen=True)
class RunResult:
    """How a run ended.

    Attributes:
      nodes: every node of the pipeline, in order.
      exit_code: DONE, NODE_FAILED or GATE_FAILED (the data's gate; the model's is judged by its metrics).
      error: the reason for the person who reads it; empty when all went well.
    """

    run_id: str
    nodes: tuple[NodeEnded, ...]
    exit_code: ExitCode
    error: str


class LocalRunner(tfx_runner.IrBasedRunner):
    """Runs a pipeline in this process."""

    def __init__(self, root: Root, run_id: str, beam_workers: int, listener: Listener, use_cache: bool = True) -> None:
        self._root = root
        self._run_id = run_id
        self._beam_workers = beam_workers
        self._tell = listener
        self._use_cache = use_cache

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
            parts.mark(pipeline, run_options)
        nodes = [node.pipeline_node for node in pipeline.nodes]
        self._tell(RunStarted(self._run_id, tuple(node.node_info.id for node in nodes)))
        failures = engine.Failures()
        results: list[NodeEnded] = []
        failed: NodeEnded | None = None
        for node in nodes:
            name, options = node.node_info.id, node.execution_options
            if failed:
                result = NodeEnded(name, NodeState.SKIPPED, 0.0, f"{failed.node} did not succeed")
            elif options.HasField("skip"):
                state = NodeState.CACHED if parts.is_reused(node) else NodeState.SKIPPED
                result = NodeEnded(name, state, 0.0, "not in the part that was asked for")
            else:
                result = self._run_node(pipeline, node, failures)
                failed = result if result.state == NodeState.FAILED else None
            self._tell(result)
            results.append(result)
        return self._result(results, failed, failures)

    def _run_node(
        self, pipeline: pipeline_pb2.Pipeline, node: pipeline_pb2.PipelineNode, failures: engine.Failures
    ) -> NodeEnded:
        name = node.node_info.id
        self._tell(NodeStarted(name))
        begun = time.monotonic()
        deployment = runner_utils.extract_local_deployment_config(pipeline)
        config = deployment.metadata_connection_config
        connection = getattr(config, config.WhichOneof("connection_config"))
        if node.execution_options.run.perform_snapshot:
            with tfx_metadata.Metadata(connection) as handle:
                partial_run_utils.snapshot(handle, pipeline)
        self._set_cache_key(node)
        try:
            launcher.Launcher(
                pipeline_node=node,
                mlmd_connection=tfx_metadata.Metadata(connection),
                pipeline_info=pipeline.pipeline_info,
                pipeline_runtime_spec=pipeline.runtime_spec,
                executor_spec=runner_utils.extract_executor_spec(deployment, name),
                custom_driver_spec=runner_utils.extract_custom_driver_spec(deployment, name),
                custom_executor_operators=engine.executor_operators(self._beam_workers, failures),
            ).launch()
        except Exception as error:
            failures.last = failures.last or error
            logger.exception("%s failed", name)
        return self._read_back(name, time.monotonic() - begun, failures)

    def _set_cache_key(self, node: pipeline_pb2.PipelineNode) -> None:
        """TFX's key knows a dotted path to our code, not the code: its digest becomes a parameter of the node.

        So does the TFX line: what one line wrote is no cache hit on the other.
        """
        name = node.node_info.id
        parameters = node.parameters.parameters
        parameters[_LINE].field_value.string_value = lines.here().name
        digest = provenance.code_digest(CODE_OF_NODE[name]) if name in CODE_OF_NODE else ""
        if schema_file := parameters["schema_file"].field_value.string_value if "schema_file" in parameters else "":
            digest += provenance.file_digest(pathlib.Path(schema_file))
        if digest:
            parameters[_CODE_DIGEST].field_value.string_value = digest
        caching = node.execution_options.caching_options
        if not self._use_cache:
            caching.enable_cache = False
        if name == "Pusher" and not self._model_is_served():
            # What was pushed before may not be what is served now: a blessed run ends with its model served.
            caching.enable_cache = False

    def _model_is_served(self) -> bool:
        model = self._outputs("Trainer").get("model")
        served = pusher.newest_version(self._root.serving) if self._root.serving.is_dir() else None
        return bool(
            model and served and pusher.same_files(pathlib.Path(path_utils.serving_model_path(model.uri)), served)
        )

    def _outputs(self, node: str) -> Mapping[str, metadata.Output]:
        store = metadata.Store(self._root.metadata)
        execution = store.executions(self._run_id).get(node)
        return store.outputs(execution.id) if execution else {}

    def _read_back(self, name: str, seconds: float, failures: engine.Failures) -> NodeEnded:
        """The node's state as ML Metadata holds it: `launch()` returns normally from some failures."""
        store = metadata.Store(self._root.metadata)
        execution = store.executions(self._run_id).get(name)
        if failures.last is not None:
            return NodeEnded(name, NodeState.FAILED, seconds, explain(failures.last))
        if execution is None or execution.state is None:
            return NodeEnded(name, NodeState.FAILED, seconds, "TFX recorded no end of it; the log has more")
        if execution.state == NodeState.FAILED:
            return NodeEnded(
                name, NodeState.FAILED, seconds, (execution.reason.strip().splitlines() or ["the log has more"])[-1]
            )
        if name == "Pusher":
            pushed = store.outputs(execution.id)["pushed_model"].properties
            if not pushed.get(pusher.PUSHED):
                return NodeEnded(name, NodeState.SKIPPED, seconds, "the model is not blessed")
        return NodeEnded(name, execution.state, seconds)

    def _result(self, results: list[NodeEnded], failed: NodeEnded | None, failures: engine.Failures) -> RunResult:
        if failed is None:
            return RunResult(self._run_id, tuple(results), ExitCode.DONE, "")
        gate = isinstance(failures.last, component_errors.AnomalyError)
        code = ExitCode.GATE_FAILED if gate else ExitCode.NODE_FAILED
        return RunResult(self._run_id, tuple(results), code, f"{failed.node}: {failed.reason}")


_OWN_ERRORS = (component_errors.DataError, component_errors.AnomalyError, component_errors.TrainingError)
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
        losses = getattr(record, "losses", None)
        if losses is not None:
            epochs: int = record.epochs  # type: ignore[attr-defined]
            self._tell(EpochEnded(losses.epoch, epochs, losses.loss, losses.val_loss))
