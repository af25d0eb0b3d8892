"""TFX's executor operators, with our Beam engine, digests of the outputs, and the exceptions of failed nodes.

Importing this module imports TFX; call `process_setup.set_environment` first.
"""

from __future__ import annotations

import logging
import traceback
from typing import Any

from tfx.orchestration.portable import (
    base_executor_operator,
    beam_executor_operator,
    data_types,
    python_executor_operator,
)
from tfx.proto.orchestration import executable_spec_pb2, execution_result_pb2

from pipeline.core import root_lock
from pipeline.definition.spec import Node
from pipeline.metadata.properties import CODE_CHANGED
from pipeline.orchestration.portable import attempts
from pipeline.orchestration.portable.cluster_job import ClusterJob
from pipeline.orchestration.tfx import publish
from pipeline.orchestration.tfx.beam_engine import make_beam_pipeline
from pipeline.orchestration.tfx.beside import Executions
from pipeline.provenance import cache_key, source_code
from pipeline_config import EngineConfig

logger = logging.getLogger(__name__)

_FAILED = 2  # gRPC's UNKNOWN; TFX takes any code but 0 for a failure


class Failures:
    """The exceptions of failed nodes, kept because TFX's launcher only passes on their text."""

    def __init__(self) -> None:
        self.last: Exception | None = None

    def record(self, error: Exception) -> execution_result_pb2.ExecutorOutput:
        """Log an exception, and return the ExecutorOutput of a node that failed with it."""
        root_lock.end_if_lost()
        self.last = error
        logger.error("%s", "".join(traceback.format_exception(error)))
        result = execution_result_pb2.ExecutionResult(code=_FAILED, result_message=f"{type(error).__name__}: {error}")
        return execution_result_pb2.ExecutorOutput(execution_result=result)


def executor_operators(
    node: Node, config: EngineConfig, failures: Failures, beside: Executions, job: ClusterJob | None = None
) -> dict[Any, type[base_executor_operator.BaseExecutorOperator]]:
    """Return the executor operators of a node, by the type of its executable spec.

    Beam's arguments are not passed by `beam_pipeline_args`, with which every node first builds a source distribution of
    TFX. A node runs on one worker of this machine unless it declares `any_workers`, because libraries may merge floats
    in the order of Beam's bundles.

    Args:
      node: the node.
      config: the settings of its engine.
      failures: receives the exceptions.
      beside: executions beside other nodes, of which this one may be one.
      job: its job on a cluster; None: its Beam job runs on this machine.
    """
    workers = config.beam_workers if node.any_workers else 1
    job = job if node.any_workers else None
    code = cache_key.code_of_nodes([node]).get(node.name, {})  # in `read_once`, as in its cache key

    def make_pipeline() -> Any:
        if job is None:
            return make_beam_pipeline(workers, config.beam_batch_size)
        from pipeline.orchestration.tfx import portable_runner

        return portable_runner.make_beam_pipeline(job)

    def describe(
        execution_info: data_types.ExecutionInfo, output: execution_result_pb2.ExecutorOutput
    ) -> execution_result_pb2.ExecutorOutput:
        if changed := source_code.changed_since(code):
            output.execution_properties[CODE_CHANGED].string_value = text = ", ".join(changed)
            message = "%s: %s changed while it ran, so its result is not reused by later runs"
            logger.warning(message, node.name, text, extra={"note": True})
        return publish.describe_outputs(execution_info, output)

    class BeamOperator(beam_executor_operator.BeamExecutorOperator):
        def run_executor(
            self, execution_info: data_types.ExecutionInfo, make_beam_pipeline_fn: Any = None
        ) -> execution_result_pb2.ExecutorOutput:
            try:
                output = super().run_executor(execution_info, make_pipeline)
                if job is not None:
                    attempts.remove(one.uri for planned in execution_info.output_dict.values() for one in planned)
                return describe(execution_info, output)
            except Exception as error:
                return failures.record(error)

    class PythonOperator(python_executor_operator.PythonExecutorOperator):
        def run_executor(self, execution_info: data_types.ExecutionInfo) -> execution_result_pb2.ExecutorOutput:
            try:
                output = beside.take(node.name, execution_info) or super().run_executor(execution_info)
                return describe(execution_info, output)
            except Exception as error:
                return failures.record(error)

    return {
        executable_spec_pb2.BeamExecutableSpec: BeamOperator,
        executable_spec_pb2.PythonClassExecutableSpec: PythonOperator,
    }
