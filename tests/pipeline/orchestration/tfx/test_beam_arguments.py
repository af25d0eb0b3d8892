"""Options of Beam are parsed by Beam's own parser."""

from __future__ import annotations

import concurrent.futures
from collections.abc import Iterator
from typing import Any

import pytest

from tests import lazy

pytestmark = pytest.mark.component

beam_arguments = lazy.module("pipeline.orchestration.tfx.beam_arguments")

grpc = lazy.module("grpc")
api = lazy.module("apache_beam.portability.api")


@pytest.fixture
def job_server() -> Iterator[str]:
    """The address of a job server that has one option."""

    def describe(request: Any, context: Any) -> Any:
        option = api.beam_job_api_pb2.PipelineOptionDescriptor(name="of_the_server")
        return api.beam_job_api_pb2.DescribePipelineOptionsResponse(options=[option])

    service = api.beam_job_api_pb2_grpc.JobServiceServicer()
    service.DescribePipelineOptions = describe
    server = grpc.server(concurrent.futures.ThreadPoolExecutor(1))
    api.beam_job_api_pb2_grpc.add_JobServiceServicer_to_server(service, server)
    port = server.add_insecure_port("127.0.0.1:0")
    server.start()
    yield f"127.0.0.1:{port}"
    server.stop(0).wait()


def test_a_job_server_is_asked_for_its_options_without_the_proxy_of_the_host(
    job_server: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("no_proxy", "no_grpc_proxy"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("http_proxy", "http://127.0.0.1:9")  # where nothing listens
    assert beam_arguments.refusal(job_server, ["--of_the_server=1"]) == ""
    assert "--of_the_serve=1" in beam_arguments.refusal(job_server, ["--of_the_serve=1"])


@pytest.mark.parametrize(
    "given",
    [
        (),
        ("--environment_cache_millis=30000", "--experiments=x"),
        ("--max_parallelism", "8"),
        ("--experiments=a b", "--save_main_session"),
    ],
)
def test_options_that_beam_knows(given: tuple[str, ...]) -> None:
    assert beam_arguments.refusal("", given) == ""


@pytest.mark.parametrize(
    ("given", "named"),
    [
        (("--paralelism=2",), "--paralelism"),
        (("--experiments=x", "stray word"), "'stray word'"),
        (("--max_parallelism=many",), "max_parallelism"),
        (("--environment_cache_millis",), "environment_cache_millis"),
        (("--max_parallelis=2",), "--max_parallelis"),  # no abbreviation
    ],
)
def test_options_that_beam_does_not_know(given: tuple[str, ...], named: str) -> None:
    found = beam_arguments.refusal("127.0.0.1:9", given)  # where no job server listens
    assert named in found
    assert len(found.splitlines()) == 1
