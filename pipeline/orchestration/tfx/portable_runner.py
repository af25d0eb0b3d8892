"""Beam jobs on a cluster, through Beam's Job API: the same steps as on this machine, watched until they end.

Beam's PortableRunner waits for ever for a job server that died, and for a cluster without slots or workers. Here the
state of the job is polled, and a job that cannot go on is cancelled and fails with one line about the cause.

Importing this module imports Beam.
"""

from __future__ import annotations

import contextlib
import logging
import re
import threading
import time
from typing import Any

import apache_beam as beam
import grpc
from apache_beam.options.pipeline_options import PipelineOptions
from apache_beam.portability.api import beam_job_api_pb2
from apache_beam.runners.portability import portable_runner
from apache_beam.runners.runner import PipelineState

from pipeline.core.errors import SaeError
from pipeline.orchestration.portable import flink
from pipeline.orchestration.portable.cluster_job import ClusterJob
from pipeline.orchestration.portable.flink_watch import FlinkWatch, JobFailedError
from pipeline.orchestration.tfx import beam_engine

logger = logging.getLogger(__name__)

_POLL_SECONDS = 1.0
_CALL_SECONDS = 10.0  # for one answer of the job server
_CANCEL_SECONDS = 3.0  # Ctrl-C is to end a run within 10 s
_LOST_SECONDS = 60.0  # without an answer of the job server
_LAST_MESSAGES_SECONDS = 10.0


def make_beam_pipeline(job: ClusterJob) -> beam.Pipeline:
    """Return a Beam pipeline that runs on the cluster of the job's settings."""
    beam_engine.set_up()
    options = beam_engine.CachedOptions(flags=job.flags)
    if job.engine.runner == "dataflow":
        from apache_beam.runners.dataflow import dataflow_runner  # needs Google's packages

        runner = dataflow_runner.DataflowRunner()
    else:
        runner = _Runner(job)
    return beam_engine.ReplacingPipeline(job.engine.beam_batch_size, runner, options)


class _Runner(portable_runner.PortableRunner):
    def __init__(self, job: ClusterJob) -> None:
        super().__init__()
        self._job = job

    def run_pipeline(self, pipeline: beam.Pipeline, options: PipelineOptions) -> Any:
        endpoint = self._job.engine.job_endpoint
        try:
            submitted = super().run_pipeline(pipeline, options)
        except (grpc.RpcError, grpc.FutureTimeoutError) as error:
            raise JobFailedError(
                f"Beam's job server at {endpoint} did not take the job: {_rpc_text(error)}; check it, then `sae resume`"
            ) from error
        except KeyboardInterrupt:  # the job may have started
            if self._job.engine.runner == "flink":
                with contextlib.suppress(SaeError):
                    FlinkWatch(self._job).cancel()
            raise
        return _Result(submitted, self._job)


class _Result(portable_runner.PipelineResult):
    """A job that was submitted."""

    def __init__(self, submitted: Any, job: ClusterJob) -> None:
        super().__init__(
            submitted._job_service,
            submitted._job_id,
            submitted._message_stream,
            submitted._state_stream,
            submitted._cleanup_callbacks,
        )
        self._job = job
        self._errors: list[str] = []
        self._flink = FlinkWatch(job) if job.engine.runner == "flink" else None

    def wait_until_finish(self, duration: Any = None) -> Any:
        """Wait for the end of the job. Raises `JobFailedError` if it fails, or cannot go on."""
        del duration  # only for streams
        messages = threading.Thread(target=self._read_messages, name="messages of the job", daemon=True)
        messages.start()
        try:
            ended = self._wait()
        except BaseException:
            self._cancel()
            raise
        finally:
            self._cleanup()
        if ended != PipelineState.DONE:
            messages.join(_LAST_MESSAGES_SECONDS)
            raise JobFailedError(f"the job failed on the cluster: {self._reason()}")
        return ended

    def _wait(self) -> Any:
        answered = time.monotonic()
        while True:
            try:
                request = beam_job_api_pb2.GetJobStateRequest(job_id=self._job_id)
                found = self._job_service.GetState(request, timeout=_CALL_SECONDS).state
            except grpc.RpcError as error:
                if error.code() == grpc.StatusCode.NOT_FOUND:
                    raise JobFailedError(
                        f"Beam's job server at {self._job.engine.job_endpoint} was restarted and does not know the job "
                        "any more; `sae resume` repeats the node"
                    ) from error
                if time.monotonic() - answered > _LOST_SECONDS:
                    raise JobFailedError(
                        f"Beam's job server at {self._job.engine.job_endpoint} has not answered for "
                        f"{_LOST_SECONDS:.0f} s ({_rpc_text(error)}); start it, then `sae resume`"
                    ) from error
            else:
                answered = time.monotonic()
                if found in portable_runner.TERMINAL_STATES:
                    return self.runner_api_state_to_pipeline_state(found)
            if self._flink:
                self._flink.check()
            time.sleep(_POLL_SECONDS)

    def _read_messages(self) -> None:
        with contextlib.suppress(grpc.RpcError):  # the job server died: noticed above
            for message in self._message_stream:
                if message.HasField("message_response"):
                    response = message.message_response
                    level = portable_runner.MESSAGE_LOG_LEVELS[response.importance]
                    logger.log(level, "%s", response.message_text)
                    if level >= logging.ERROR:
                        self._errors.append(response.message_text)

    def _reason(self) -> str:
        text = self._flink.reason() if self._flink else ""
        return flink.headline(text or (self._errors or [""])[-1])

    def _cancel(self) -> None:
        with contextlib.suppress(SaeError):
            if self._flink:
                self._flink.cancel()
        with contextlib.suppress(grpc.RpcError):
            self._job_service.Cancel(beam_job_api_pb2.CancelJobRequest(job_id=self._job_id), timeout=_CANCEL_SECONDS)
        logger.info("job %s was cancelled", self._job.name)


def _rpc_text(error: Exception) -> str:
    if isinstance(error, grpc.FutureTimeoutError):
        return "nothing answers there"
    details = str(error.details() or "") if isinstance(error, grpc.Call) else str(error)
    return re.sub(r"\s+", " ", details).strip() or type(error).__name__
