"""What keeps a run from using its cluster is found before it runs, one line each."""

from __future__ import annotations

import contextlib
import dataclasses
import json
import pathlib
import socket
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from pipeline.core.errors import ExitCode, UnavailableError
from pipeline.core.pipeline_root import Root
from pipeline.definition.spec import DEFAULT_PIPELINE, load
from pipeline.orchestration.portable import checks, worker_identity
from pipeline_config import EngineConfig
from tests.pipeline.orchestration.portable import flink_server, worker_server

JOB_SERVICE = "org.apache.beam.model.job_management.v1.JobService"
PIPELINE = load(DEFAULT_PIPELINE)


def closed_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as unused:
        return int(unused.getsockname()[1])


def truthful(request: bytes) -> bytes:
    return worker_identity.describe(PIPELINE, request)


@contextlib.contextmanager
def cluster(answer: Callable[[bytes], bytes] = truthful, **answers: Any) -> Iterator[EngineConfig]:
    """Run the servers of a cluster on this machine; yield the settings that name them."""
    with contextlib.ExitStack() as stack:
        master = stack.enter_context(flink_server.running(flink_server.Answers(**answers)))
        job_port = stack.enter_context(worker_server.running(lambda _: b"", "DescribePipelineOptions", JOB_SERVICE))
        port = stack.enter_context(worker_server.running(answer))
        yield EngineConfig(
            runner="flink",
            flink_master=master,
            job_endpoint=f"127.0.0.1:{job_port}",
            worker_address=f"sae-worker:{port}",  # a name that only task managers know
        )


def wrong(engine: EngineConfig, root: Root, write: bool = True) -> checks.ClusterFinding:
    """Return the only finding with advice, which is the last one."""
    *good, last = checks.examine(engine, PIPELINE, root, write)
    assert not any(one.advice for one in good)
    assert last.advice
    with pytest.raises(UnavailableError) as raised:
        checks.require(engine, PIPELINE, root, write)
    assert str(raised.value) == f"{last.found}: {last.advice}"
    assert len(str(raised.value).splitlines()) == 1
    return last


def test_a_run_on_this_machine_asks_nobody(root: Root) -> None:
    assert list(checks.examine(EngineConfig(), PIPELINE, root, write=True)) == []


@pytest.mark.parametrize("write", [True, False])
def test_a_cluster_that_can_be_used(root: Root, write: bool) -> None:
    before = sorted(root.path.iterdir())
    with cluster() as engine:
        found = list(checks.examine(engine, PIPELINE, root, write))
        checks.require(engine, PIPELINE, root, write)
    assert [one.name for one in found] == ["Flink", "job server", "worker"]
    assert not any(one.advice for one in found)
    assert sorted(root.path.iterdir()) == before  # the token is gone


def test_nothing_is_written_without_a_root(tmp_path: pathlib.Path) -> None:
    with cluster() as engine:
        checks.require(engine, PIPELINE, Root(tmp_path / "none"), write=False)
    assert not (tmp_path / "none").exists()


def test_no_job_manager(root: Root) -> None:
    with cluster() as engine:
        gone = dataclasses.replace(engine, flink_master=f"127.0.0.1:{closed_port()}")
        assert wrong(gone, root).name == "Flink"


@pytest.mark.parametrize(
    ("overview", "parallelism"),
    [({"slots-available": 0}, 1), ({"slots-available": 2}, 3), ({}, 5), ({"slots-total": 0}, 1)],
)
def test_too_few_slots(root: Root, overview: dict[str, int], parallelism: int) -> None:
    with cluster(**{"/overview": {**flink_server.OVERVIEW, **overview}}) as engine:
        found = wrong(dataclasses.replace(engine, parallelism=parallelism), root)
    assert found.name == "Flink"
    assert "slots" in found.found


def test_no_job_server(root: Root) -> None:
    with cluster() as engine:
        gone = dataclasses.replace(engine, job_endpoint=f"127.0.0.1:{closed_port()}")
        found = wrong(gone, root)
    assert found.name == "job server"
    assert gone.job_endpoint in found.found


def test_another_program_is_no_job_server(root: Root, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(checks, "_ANSWER_SECONDS", 0.5)
    with cluster() as engine, socket.create_server(("127.0.0.1", 0)) as silent:
        for address in (f"127.0.0.1:{silent.getsockname()[1]}", engine.flink_master, engine.worker_address[11:]):
            port = address.rpartition(":")[2]
            found = wrong(dataclasses.replace(engine, job_endpoint=f"127.0.0.1:{port}"), root)
            assert found.name == "job server"
            assert port in found.found


def test_no_worker(root: Root) -> None:
    with cluster() as engine:
        found = wrong(dataclasses.replace(engine, worker_address=f"localhost:{closed_port()}"), root)
    assert (found.name, "sae worker --host 127.0.0.1" in found.advice) == ("worker", True)


def test_a_worker_with_other_code(root: Root) -> None:
    def other(request: bytes) -> bytes:
        answer = json.loads(truthful(request))
        return json.dumps({**answer, "host": "h7", "identity": {**answer["identity"], "code": "0" * 64}}).encode()

    with cluster(other) as engine:
        found = wrong(engine, root)
    assert "h7" in found.found
    assert "code 000000000000 there" in found.found


@pytest.mark.parametrize("write", [True, False])
@pytest.mark.parametrize("seen", [{"file": "", "reason": "No such file or directory"}, {"file": "f" * 64}])
def test_a_worker_that_does_not_see_the_root(root: Root, write: bool, seen: dict[str, str]) -> None:
    def blind(request: bytes) -> bytes:
        return json.dumps({**json.loads(truthful(request)), **seen}).encode()

    with cluster(blind) as engine:
        found = wrong(engine, root, write)
    assert str(root.path) in found.found
    assert "--root" in found.advice


def test_spark_has_workers_that_cannot_be_asked(root: Root) -> None:
    with cluster() as engine:
        spark = dataclasses.replace(engine, runner="spark", worker_address="localhost:50000")
        assert [one.name for one in checks.examine(spark, PIPELINE, root, True)] == ["job server", "worker"]
        address = f"127.0.0.1:{engine.worker_address.partition(':')[2]}"
        asked = list(checks.examine(dataclasses.replace(spark, worker_address=address), PIPELINE, root, True))
    assert "sees the root" in asked[-1].found


def test_an_option_that_a_setting_gives_is_refused_as_a_setting(root: Root) -> None:
    [found] = checks.examine(EngineConfig(runner="flink", beam_options="--parallelism=2"), PIPELINE, root, True)
    assert (found.name, found.exit_code) == ("Beam options", ExitCode.USAGE)
    assert "engine.parallelism" in found.advice
