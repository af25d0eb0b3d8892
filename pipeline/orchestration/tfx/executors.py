"""How nodes are executed: the process's environment, Beam's engine, and TFX's executor operators.

Importing this module imports TFX; call `process_setup.set_environment` first.
"""

from __future__ import annotations

import logging
import traceback
from typing import Any

import apache_beam as beam
from apache_beam.options.pipeline_options import PipelineOptions
from apache_beam.pipeline import PTransformOverride
from apache_beam.runners.portability.fn_api_runner import FnApiRunner
from tfx.orchestration.portable import (
    base_executor_operator,
    beam_executor_operator,
    data_types,
    python_executor_operator,
)
from tfx.proto.orchestration import executable_spec_pb2, execution_result_pb2

from pipeline.definition.spec import Node
from pipeline.orchestration.tfx import beam_patches, publish
from pipeline_config import EngineConfig

logger = logging.getLogger(__name__)

# Any code but 0 marks an execution as failed; this is gRPC's UNKNOWN.
_FAILED = 2


class _BatchesOf(beam.BatchElements):
    """Batches of one size. A class of its own, so that they are not replaced once more."""

    def __init__(self, size: int) -> None:
        super().__init__(min_batch_size=size, max_batch_size=size)


class _FixedBatches(PTransformOverride):
    """Puts batches of one size in the place of those whose size Beam would tune by the clock."""

    def __init__(self, size: int) -> None:
        self._size = size

    def matches(self, applied_ptransform: Any) -> bool:
        transform = applied_ptransform.transform
        return isinstance(transform, beam.BatchElements) and not isinstance(transform, _BatchesOf)

    def get_replacement_transform_for_applied_ptransform(self, applied_ptransform: Any) -> beam.PTransform:
        return _BatchesOf(self._size)


class _Runner(FnApiRunner):
    """The FnApiRunner, with batches of one size."""

    def __init__(self, batch_size: int) -> None:
        super().__init__()
        self._batch_size = batch_size

    def run_pipeline(self, pipeline: beam.Pipeline, options: PipelineOptions) -> Any:
        pipeline.replace_all([_FixedBatches(self._batch_size)])
        return super().run_pipeline(pipeline, options)


def make_beam_pipeline(workers: int, batch_size: int) -> beam.Pipeline:
    """A Beam pipeline on the FnApiRunner: in this process, or in `workers` processes.

    The engine is named: what Beam calls DirectRunner first looks for a Go binary that it would download.

    Args:
      workers: processes.
      batch_size: elements in whatever the job handles in batches.
    """
    beam_patches.remember_signatures()
    options = {"direct_num_workers": workers}
    if workers > 1:
        options["direct_running_mode"] = "multi_processing"  # type: ignore[assignment]
    # flags=[]: Beam parses this process's own command line otherwise.
    return beam.Pipeline(runner=_Runner(batch_size), options=beam_patches.Options(flags=[], **options))


class Failures:
    """The exceptions of failed nodes, kept because TFX's launcher hands on their text alone."""

    def __init__(self) -> None:
        self.last: Exception | None = None

    def record(self, error: Exception) -> execution_result_pb2.ExecutorOutput:
        """Logs `error` and says in an ExecutorOutput that, and why, the node failed."""
        self.last = error
        logger.error("%s", "".join(traceback.format_exception(error)))
        result = execution_result_pb2.ExecutionResult(code=_FAILED, result_message=f"{type(error).__name__}: {error}")
        return execution_result_pb2.ExecutorOutput(execution_result=result)


def executor_operators(
    node: Node, config: EngineConfig, failures: Failures
) -> dict[Any, type[base_executor_operator.BaseExecutorOperator]]:
    """TFX's own operators, with our Beam engine, with digests of what they made, and with the reasons of failures.

    Beam's arguments do not go through `beam_pipeline_args`: with any of those, every node builds a source
    distribution of TFX first. TFDV and TFMA merge floats in the order of Beam's bundles, and a batch of another size
    may give a model's last bits another value, so a node runs on one worker unless it declares `any_workers`.
    """
    workers = config.beam_workers if node.any_workers else 1

    class BeamOperator(beam_executor_operator.BeamExecutorOperator):
        def run_executor(
            self, execution_info: data_types.ExecutionInfo, make_beam_pipeline_fn: Any = None
        ) -> execution_result_pb2.ExecutorOutput:
            try:
                output = super().run_executor(
                    execution_info, lambda: make_beam_pipeline(workers, config.beam_batch_size)
                )
                return publish.describe_outputs(execution_info, output)
            except Exception as error:
                return failures.record(error)

    class PythonOperator(python_executor_operator.PythonExecutorOperator):
        def run_executor(self, execution_info: data_types.ExecutionInfo) -> execution_result_pb2.ExecutorOutput:
            try:
                return publish.describe_outputs(execution_info, super().run_executor(execution_info))
            except Exception as error:
                return failures.record(error)

    return {
        executable_spec_pb2.BeamExecutableSpec: BeamOperator,
        executable_spec_pb2.PythonClassExecutableSpec: PythonOperator,
    }
