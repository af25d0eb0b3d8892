"""`sae worker` with Beam's own job server on this machine: real processes, which it starts, refuses and ends."""

from __future__ import annotations

import contextlib
import dataclasses
import json
import os
import pathlib
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from typing import Any

import psutil
import pytest

from pipeline.core.pipeline_root import Root
from pipeline.definition.spec import DEFAULT_PIPELINE, load
from pipeline.orchestration.portable import cluster_job, worker_identity
from pipeline_config import EngineConfig
from tests import PROJECT, lazy

pytestmark = pytest.mark.component

beam = lazy.module("apache_beam")
api = lazy.module("apache_beam.portability.api")
grpc = lazy.module("grpc")
local_job_service = lazy.module("apache_beam.runners.portability.local_job_service")
portable_runner = lazy.module("pipeline.orchestration.tfx.portable_runner")
worker_pool = lazy.module("pipeline.orchestration.portable.worker_pool")

PIPELINE = load(DEFAULT_PIPELINE)


@pytest.fixture(scope="module")
def here() -> worker_identity.Identity:
    return worker_identity.here(PIPELINE)


@pytest.fixture(scope="module")
def engine() -> Iterator[EngineConfig]:
    """The settings of a job server and a worker, both of this process."""
    service = local_job_service.LocalJobServicer()
    with worker_pool.running(PIPELINE, "127.0.0.1", 0) as port:
        yield EngineConfig(
            runner="portable",
            job_endpoint=f"127.0.0.1:{service.start_grpc_server(0)}",
            worker_address=f"127.0.0.1:{port}",
        )
    service.stop()


def job(engine: EngineConfig, root: pathlib.Path, identity: worker_identity.Identity) -> cluster_job.ClusterJob:
    return cluster_job.of_node(PIPELINE.nodes[0], engine, Root(root), "r1", identity)


def run(found: cluster_job.ClusterJob, function: Any) -> None:
    with portable_runner.make_beam_pipeline(found) as pipeline:
        _ = pipeline | beam.Create(range(6)) | beam.Reshuffle() | "Act" >> beam.Map(function)


def children() -> list[psutil.Process]:
    return [
        one
        for one in psutil.Process().children()
        if "worker_process" in " ".join(one.as_dict(["cmdline"])["cmdline"] or ())
    ]


@dataclasses.dataclass(frozen=True)
class JobThatRan:
    """What a job left behind.

    Attributes:
      process, executable: of the worker that ran it.
      variables: of that process.
      log: the lines of its log.
    """

    process: int
    executable: str
    variables: dict[str, str]
    log: list[str]


@pytest.fixture(scope="module")
def ran(engine: EngineConfig, here: worker_identity.Identity, tmp_path_factory: pytest.TempPathFactory) -> JobThatRan:
    """A job of six elements, with a proxy where nothing listens; one for all tests, because a worker imports TFX."""
    folder = tmp_path_factory.mktemp("job")
    target = str(folder / "out")

    def act(number: int) -> None:
        import json  # here, because Beam sends the function to another process
        import logging
        import os
        import sys

        logging.warning("number %d", number)
        with open(f"{target}-{number}", "w") as file:
            json.dump([os.getpid(), sys.executable, dict(os.environ)], file)

    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("TF_XLA_FLAGS", "--of-the-worker")
        for name in ("TF_CPP_MIN_LOG_LEVEL", "no_proxy", "no_grpc_proxy"):
            patch.delenv(name, raising=False)
        found = job(dataclasses.replace(engine, intra_op_threads=5), folder, here)
        variables = {**found.parameters.variables, "http_proxy": "http://127.0.0.1:9"}
        run(dataclasses.replace(found, parameters=dataclasses.replace(found.parameters, variables=variables)), act)
    written = [path.read_text() for path in folder.glob("out-*")]
    assert len(written) == 6
    [log] = (folder / "logs" / "r1.workers" / "ExampleGen").iterdir()
    return JobThatRan(*json.loads(written[0]), log.read_text().splitlines())


def test_a_job_runs_in_a_process_with_the_variables_of_the_run(ran: JobThatRan) -> None:
    assert ran.process != os.getpid()
    assert ran.executable == sys.executable
    seen = [ran.variables.get(name) for name in ("TF_XLA_FLAGS", "TF_NUM_INTRAOP_THREADS", "OMP_NUM_THREADS")]
    assert seen == [None, "5", "1"]
    assert sum("WARNING root: number" in line for line in ran.log) == 6
    until = time.monotonic() + 20
    while children() and time.monotonic() < until:
        time.sleep(0.1)
    assert children() == []


def test_a_worker_process_reaches_its_runner_without_the_proxy_of_the_host_and_logs_only_what_matters(
    ran: JobThatRan,
) -> None:
    assert ran.variables["http_proxy"] == "http://127.0.0.1:9"
    assert ran.variables["TF_CPP_MIN_LOG_LEVEL"] == "1"


def test_other_code_is_refused_with_the_name_of_the_host(
    engine: EngineConfig, here: worker_identity.Identity, tmp_path: pathlib.Path
) -> None:
    other = dataclasses.replace(here, code="0" * 64, python="2.7")
    with pytest.raises(Exception, match="refused") as raised:
        run(job(engine, tmp_path, other), print)
    text = str(raised.value)
    assert socket.gethostname() in text
    assert f"code {here.code[:12]} there, 000000000000 here, python {here.python} there, 2.7 here" in text
    assert len(text.splitlines()) == 1
    assert children() == []


@pytest.fixture(scope="module")
def stub(engine: EngineConfig) -> Iterator[Any]:
    with grpc.insecure_channel(engine.worker_address) as channel:
        yield api.beam_fn_api_pb2_grpc.BeamFnExternalWorkerPoolStub(channel)


def test_a_process_that_dies_while_it_starts_is_reported(
    stub: Any, engine: EngineConfig, here: worker_identity.Identity, tmp_path: pathlib.Path
) -> None:
    # Nobody listens at the address of the runner: the process gives up, or is killed before.
    request = api.beam_fn_api_pb2.StartWorkerRequest(worker_id="1-1")
    request.control_endpoint.url = "127.0.0.1:9"
    request.params["sae"] = job(engine, tmp_path, here).parameters.to_text()
    answer = stub.StartWorker.future(request)
    until = time.monotonic() + 100
    while not children() and time.monotonic() < until:
        time.sleep(0.05)
    [process] = children()
    process.kill()
    error = answer.result(30).error
    assert "SIGKILL" in error
    assert socket.gethostname() in error
    assert len(error.splitlines()) == 1


def test_a_root_that_cannot_be_written_is_reported(
    stub: Any, engine: EngineConfig, here: worker_identity.Identity, tmp_path: pathlib.Path
) -> None:
    (tmp_path / "file").write_bytes(b"")
    request = api.beam_fn_api_pb2.StartWorkerRequest(worker_id="1-1")
    request.params["sae"] = job(engine, tmp_path / "file", here).parameters.to_text()
    error = stub.StartWorker(request, timeout=30).error
    assert str(tmp_path / "file") in error
    assert "pipeline root" in error


def test_a_port_that_is_in_use_is_one_line(engine: EngineConfig) -> None:
    host, _, port = engine.worker_address.partition(":")
    with pytest.raises(Exception, match=rf"{host}:{port}.*--port"), worker_pool.running(PIPELINE, host, int(port)):
        pass


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP, signal.SIGKILL])
def test_the_command_ends_its_processes(number: signal.Signals, tmp_path: pathlib.Path) -> None:
    process = subprocess.Popen(
        [sys.executable, "-m", "pipeline", "worker", "--port", "0"],
        cwd=PROJECT,
        env={**os.environ, "PYTHONPATH": str(PROJECT), "TMPDIR": str(tmp_path)},
        stderr=subprocess.PIPE,
        text=True,
    )
    try:
        assert process.stderr is not None
        line = next(line for line in process.stderr if "listens on" in line)
        port = line.split("127.0.0.1:")[1].partition(";")[0]
        with grpc.insecure_channel(f"127.0.0.1:{port}") as channel:
            request = api.beam_fn_api_pb2.StartWorkerRequest(worker_id="1-1")
            request.control_endpoint.url = "127.0.0.1:9"  # where nobody listens: it tries for a minute
            # gRPC cancels a call that nobody holds.
            call = api.beam_fn_api_pb2_grpc.BeamFnExternalWorkerPoolStub(channel).StartWorker.future(request)
            until = time.monotonic() + 100
            while not (workers := psutil.Process(process.pid).children()) and time.monotonic() < until:
                time.sleep(0.05)
            call.cancel()
        assert len(workers) == 1
        process.send_signal(number)
        process.wait(30)
        gone, alive = psutil.wait_procs(workers, 10)
        assert (len(gone), alive) == (1, [])
    finally:
        with contextlib.suppress(ProcessLookupError):
            process.kill()
        process.communicate()
    killed = number == signal.SIGKILL
    assert process.returncode == (-signal.SIGKILL if killed else 0)
    assert bool(list(tmp_path.glob("sae-worker-*"))) == killed
