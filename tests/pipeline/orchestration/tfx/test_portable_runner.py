"""A job on a cluster is watched: what goes wrong fails it with one line, and nothing waits for ever.

The job server is Beam's own, with the steps in this process.
"""

from __future__ import annotations

import pathlib
import time
import types
from collections.abc import Iterator
from typing import Any

import pytest

from pipeline.core.pipeline_root import Root
from pipeline.definition.spec import DEFAULT_PIPELINE, load
from pipeline.orchestration.portable import cluster_job
from pipeline.orchestration.portable.worker_identity import Identity
from pipeline_config import EngineConfig
from tests import lazy

pytestmark = pytest.mark.component

beam = lazy.module("apache_beam")
local_job_service = lazy.module("apache_beam.runners.portability.local_job_service")
portable_runner = lazy.module("pipeline.orchestration.tfx.portable_runner")

PIPELINE = load(DEFAULT_PIPELINE)
RUNNER = "pipeline.orchestration.tfx.portable_runner"


@pytest.fixture
def service() -> Iterator[Any]:
    class Recording(local_job_service.LocalJobServicer):  # type: ignore[misc]
        def Cancel(self, request: Any, context: Any = None) -> Any:
            cancelled.append(request.job_id)
            return super().Cancel(request, context)

    cancelled: list[str] = []
    found = Recording()
    found.cancelled = cancelled
    found.port = found.start_grpc_server(0)
    yield found
    found.stop(timeout=0)


def job_of(service: Any, **engine: Any) -> cluster_job.ClusterJob:
    settings = EngineConfig(**{"runner": "portable", "job_endpoint": f"127.0.0.1:{service.port}", **engine})
    identity = Identity("c", "l", "p", "k")
    return cluster_job.of_node(PIPELINE.nodes[0], settings, Root(pathlib.Path("/none")), "r1", identity)


@pytest.fixture
def in_process(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let the job server run the steps itself: the workers have tests of their own."""
    flags = cluster_job.ClusterJob.flags

    def own(self: cluster_job.ClusterJob) -> list[str]:
        others = [one for one in flags.fget(self) if not one.startswith("--environment_")]  # type: ignore[attr-defined]
        return [*others, "--environment_type=beam:env:embedded_python:v1"]

    monkeypatch.setattr(cluster_job.ClusterJob, "flags", property(own))


def run(found: cluster_job.ClusterJob, *steps: Any) -> None:
    with portable_runner.make_beam_pipeline(found) as pipeline:
        collection = pipeline | beam.Create(range(7))
        for number, step in enumerate(steps):
            collection |= f"{number}" >> step


@pytest.mark.usefixtures("in_process")
class TestJobs:
    def test_batches_have_the_size_of_the_settings(self, service: Any, tmp_path: pathlib.Path) -> None:
        place = str(tmp_path)

        def write(batch: list[int]) -> None:
            import pathlib

            (pathlib.Path(place) / str(batch[0])).write_text(str(len(batch)))

        tuned = beam.BatchElements(min_batch_size=1, max_batch_size=1)
        run(job_of(service, beam_batch_size=3), tuned, beam.Map(write))
        assert sorted(int(path.read_text()) for path in tmp_path.iterdir()) == [1, 3, 3]

    def test_an_error_in_a_step_is_one_line(self, service: Any) -> None:
        def fail(number: int) -> None:
            from components import errors

            raise errors.DataError("record 7 is damaged")

        with pytest.raises(portable_runner.JobFailedError) as raised:
            run(job_of(service), beam.Map(fail))
        assert "record 7 is damaged" in str(raised.value)
        assert len(str(raised.value).splitlines()) == 1

    def test_a_job_server_that_dies_is_noticed(self, service: Any, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(f"{RUNNER}._LOST_SECONDS", 0.5)
        monkeypatch.setattr(f"{RUNNER}._POLL_SECONDS", 0.1)
        found = job_of(service)
        pipeline = portable_runner.make_beam_pipeline(found)
        _ = pipeline | beam.Create([1]) | beam.Map(lambda _: time.sleep(2))
        result = pipeline.run()
        service._server.stop(0)
        with pytest.raises(portable_runner.JobFailedError) as raised:
            result.wait_until_finish()
        assert found.engine.job_endpoint in str(raised.value)
        assert "sae resume" in str(raised.value)

    def test_an_interrupt_cancels_the_job(self, service: Any, monkeypatch: pytest.MonkeyPatch) -> None:
        pipeline = portable_runner.make_beam_pipeline(job_of(service))
        _ = pipeline | beam.Create([1]) | beam.Map(lambda _: time.sleep(2))
        result = pipeline.run()
        # Not `time.sleep` itself, which the step may call later.
        stopped = types.SimpleNamespace(sleep=interrupt, monotonic=time.monotonic)
        monkeypatch.setattr(f"{RUNNER}.time", stopped)
        with pytest.raises(KeyboardInterrupt):
            result.wait_until_finish()
        assert service.cancelled == [result._job_id]


def interrupt(_: float) -> None:
    raise KeyboardInterrupt


def test_no_job_server_is_one_line() -> None:
    settings = EngineConfig(runner="portable", job_endpoint="127.0.0.1:9", beam_options="--job_server_timeout=1")
    identity = Identity("c", "l", "p", "k")
    found = cluster_job.of_node(PIPELINE.nodes[0], settings, Root(pathlib.Path("/none")), "r1", identity)
    with pytest.raises(portable_runner.JobFailedError) as raised:
        run(found, beam.Map(print))
    assert "127.0.0.1:9" in str(raised.value)
    assert len(str(raised.value).splitlines()) == 1
