"""Execute nodes in a thread beside an earlier node, and hand over their outputs when it is their turn.

So nodes are recorded one after the other, in the order of the pipeline. If an execution beside another one cannot
begin, fails, or cannot hand over its outputs, the node is executed when it is its turn, and ends as it would have
without this module.
"""

from __future__ import annotations

import contextlib
import dataclasses
import logging
import os
import shutil
import tempfile
import time
from collections.abc import Callable, Iterator
from concurrent import futures
from typing import Any

from tfx.orchestration import data_types_utils
from tfx.orchestration import metadata as tfx_metadata
from tfx.orchestration.portable import data_types, inputs_utils, outputs_utils, python_executor_operator
from tfx.proto.orchestration import executable_spec_pb2, execution_result_pb2, pipeline_pb2

from pipeline.core import abandoned

logger = logging.getLogger(__name__)


@dataclasses.dataclass(frozen=True)
class _Execution:
    """An execution whose outputs are in a temporary folder.

    Attributes:
      beside: the node that runs meanwhile.
      info: what TFX's operator executes.
      result: what it returns, and after how many seconds.
    """

    beside: str
    info: data_types.ExecutionInfo
    result: futures.Future[tuple[execution_result_pb2.ExecutorOutput, float]]


class Executions:
    """The executions beside other nodes of a run, one at a time. The end of its context waits for them."""

    def __init__(self) -> None:
        self._pool = futures.ThreadPoolExecutor(1, "beside")
        self._begun: dict[str, _Execution] = {}
        self._work: list[futures.Future[Any]] = []
        self._is_abandoned = False

    def __enter__(self) -> None:
        """Do nothing."""

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        """Begin no more, and wait for those that have begun, unless they are abandoned or the run is interrupted."""
        self._pool.shutdown(wait=kind is None and not self._is_abandoned, cancel_futures=True)

    def abandon(self) -> None:
        """Wait for nothing that has begun: a node failed, so no other one will take a result."""
        self._is_abandoned = True
        abandoned.add(self._work)

    def begin(self, node: pipeline_pb2.PipelineNode, beside: str, spec: Any, handle: tfx_metadata.Metadata) -> None:
        """Begin to execute a node whose inputs are published; if that fails, as on a full disk, log it.

        Args:
          node: the node.
          beside: the name of the node that runs meanwhile.
          spec: the executable spec of its executor; nothing is begun if it has a Beam job.
          handle: ML Metadata.
        """
        if not isinstance(spec, executable_spec_pb2.PythonClassExecutableSpec):
            return
        try:
            info = _planned(node, handle)
        except Exception:
            logger.info("%s cannot be executed beside %s", node.node_info.id, beside, exc_info=True)
            return
        operator = python_executor_operator.PythonExecutorOperator(spec)
        result = self._pool.submit(_execute, operator, info)
        self._work.append(result)
        self._begun[node.node_info.id] = _Execution(beside, info, result)

    @contextlib.contextmanager
    def doing(self, work: Callable[[], None], running: str) -> Iterator[None]:
        """Do work in this context, after the executions that have begun; do none if they last longer than the context.

        Args:
          work: saves time later; if it fails, that is logged.
          running: the name of the node that runs in the context.
        """
        future = self._pool.submit(_attempt, work, running)
        self._work.append(future)
        try:
            yield
        finally:
            future.cancel()  # unless it has begun

    def take(self, node: str, info: data_types.ExecutionInfo) -> execution_result_pb2.ExecutorOutput | None:
        """Wait for an execution, and move its outputs to their places; return None if there is none, or it failed.

        Args:
          node: the name of the node.
          info: its execution, as TFX's launcher registered it.
        """
        begun = self._begun.pop(node, None)
        if begun is None:
            return None
        try:
            output, seconds = begun.result.result()
            _hand_over(begun.info, output, info)
        except Exception:
            logger.info("%s failed beside %s, and is executed again", node, begun.beside, exc_info=True)
            outputs_utils.make_output_dirs(info.output_dict)  # some may be handed over
            return None
        logger.info("%s was executed beside %s in %.1f s", node, begun.beside, seconds)
        return output


def _planned(node: pipeline_pb2.PipelineNode, handle: tfx_metadata.Metadata) -> data_types.ExecutionInfo:
    """Return an execution of a node into a temporary folder."""
    with handle:
        [inputs] = inputs_utils.resolve_input_artifacts(pipeline_node=node, metadata_handle=handle)
    parameters = inputs_utils.resolve_parameters_with_schema(node_parameters=node.parameters)
    folder = tempfile.mkdtemp(prefix=f"{node.node_info.id}-")
    info = data_types.ExecutionInfo(
        input_dict={key: list(artifacts) for key, artifacts in inputs.items()},
        output_dict=outputs_utils.generate_output_artifacts(0, node.outputs.outputs, folder),
        exec_properties=data_types_utils.build_parsed_value_dict(parameters),
        execution_output_uri=os.path.join(folder, "executor_output"),
        tmp_dir=os.path.join(folder, "tmp"),
        pipeline_node=node,
    )
    outputs_utils.make_output_dirs(info.output_dict)
    return info


def _hand_over(
    begun: data_types.ExecutionInfo, output: execution_result_pb2.ExecutorOutput, info: data_types.ExecutionInfo
) -> None:
    """Move the outputs to the places of the execution that TFX registered."""
    for key, places in info.output_dict.items():
        for place, made in zip(places, begun.output_dict[key], strict=True):
            if os.path.isdir(place.uri):
                os.rmdir(place.uri)  # TFX made it; `move` would move into it
            shutil.move(made.uri, place.uri)  # the artifacts may be on another file system than temporary files
        for place, described in zip(places, output.output_artifacts[key].artifacts, strict=False):
            described.uri = place.uri


def _attempt(work: Callable[[], None], running: str) -> None:
    begun = time.monotonic()
    try:
        work()
    except Exception:
        logger.warning("what may be done beside %s failed", running, exc_info=True)
    else:
        logger.info("done beside %s in %.1f s", running, time.monotonic() - begun)


def _execute(
    operator: python_executor_operator.PythonExecutorOperator, info: data_types.ExecutionInfo
) -> tuple[execution_result_pb2.ExecutorOutput, float]:
    begun = time.monotonic()
    return operator.run_executor(info), time.monotonic() - begun
