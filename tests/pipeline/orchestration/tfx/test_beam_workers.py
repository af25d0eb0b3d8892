"""Beam jobs in worker processes: a process that dies fails the job, and no proxy is used."""

from __future__ import annotations

import contextlib
import errno
import json
import os
import subprocess
import sys
import threading
from typing import Any

import pytest

from pipeline.core import text
from tests import PROJECT, lazy

pytestmark = pytest.mark.component

workers = lazy.module("pipeline.orchestration.tfx.beam_workers")

PROGRAM = """
import errno, json, os, pathlib, sys, types
import apache_beam as beam
import psutil
from pipeline.core.pipeline_root import Root
from pipeline.orchestration import process_setup
from pipeline_config import EngineConfig
place = Root(pathlib.Path(sys.argv[1]))
place.create()
process_setup.set_environment(place, EngineConfig())
from pipeline.orchestration.tfx import beam_engine, beam_workers

def seen(number):
    import numpy, os, psutil, time
    time.sleep(0.2)  # the other worker takes some
    run = psutil.Process(os.getppid()).parent()
    listening = [one.laddr.ip for one in run.net_connections("inet") if one.status == psutil.CONN_LISTEN]
    drawn = float(numpy.random.random())
    return dict(worker=os.getpid(), parent=os.getppid(), job=os.environ["JOB"], drawn=drawn, listening=listening)

jobs = []
with beam_workers.shared():
    for end in sys.argv[2:]:

        def bound(number, end=end):
            import os, signal
            if number == 3:
                exec(end)
            return number

        error = ["", ""]
        try:
            with beam_engine.make_beam_pipeline(2, 10) as pipeline:
                count = pipeline | beam.Create(range(6)) | beam.Map(bound) | beam.combiners.Count.Globally()
                _ = count | beam.Map(print)
        except Exception as raised:
            error = [type(raised).__name__, str(raised)]
        print(json.dumps(error))
        if len(jobs) == 3:
            break
        os.environ["JOB"] = end
        folder = place.path / f"job {len(jobs)}"
        with beam_engine.make_beam_pipeline(2, 10) as pipeline:
            lines = pipeline | beam.Create(range(20)) | beam.Reshuffle() | beam.Map(seen) | beam.Map(json.dumps)
            _ = lines | beam.io.WriteToText(str(folder / "seen"))
        jobs.append([json.loads(line) for path in folder.iterdir() for line in path.open()])

    def pipe():
        raise OSError(errno.EMFILE, os.strerror(errno.EMFILE))

    beam_workers.os = types.SimpleNamespace(pipe=pipe, environ=os.environ)
    try:
        with beam_engine.make_beam_pipeline(2, 10) as pipeline:
            _ = pipeline | beam.Create(range(6)) | beam.Map(print)
    except Exception as raised:
        print(json.dumps([type(raised).__name__, str(raised)]))
print(json.dumps({"jobs": jobs, "left": len(psutil.Process().children())}))
"""
KILLED = "os.kill(os.getpid(), signal.SIGKILL)"
ENDS = ["pass", "raise ValueError('bad element')", KILLED, "os._exit(0)"]
NOT_STARTED = "no file can be opened"


@pytest.fixture(scope="module")
def printed(tmp_path_factory: pytest.TempPathFactory) -> list[Any]:
    """What `PROGRAM` prints, in one process that has proxies set."""
    proxies = ("grpc_proxy", "https_proxy", "http_proxy", "HTTP_PROXY", "all_proxy")  # gRPC uses the first that is set
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM, str(tmp_path_factory.mktemp("beam") / "root"), *ENDS],
        capture_output=True,
        text=True,
        cwd=PROJECT,
        # Where nothing listens.
        env={**os.environ, "PYTHONPATH": str(PROJECT), **dict.fromkeys(proxies, "http://127.0.0.1:9")},
        timeout=600,  # Beam would wait for ever
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return [json.loads(line) for line in done.stdout.splitlines() if line[:1] in "[{"]


@pytest.fixture(scope="module")
def errors(printed: list[Any]) -> dict[str, Any]:
    """Class and text of the errors of jobs, by what their workers do."""
    return dict(zip([*ENDS, NOT_STARTED], printed[:-1], strict=True))


def test_a_proxy_is_not_used_between_a_run_and_its_workers(errors: Any) -> None:
    assert errors["pass"] == ["", ""]


@pytest.mark.parametrize(
    ("end", "words"),
    [
        (KILLED, ["SIGKILL", "memory", "beam_workers"]),
        ("os._exit(0)", ["ended early"]),
        (NOT_STARTED, ["not started", os.strerror(errno.EMFILE)]),
    ],
)
def test_a_job_fails_if_one_of_its_processes_dies(errors: Any, end: str, words: list[str]) -> None:
    kind, message = errors[end]
    assert kind == "WorkerDiedError"
    for word in words:
        assert word in message


def test_an_exception_in_a_worker_is_beam_s_own_error(errors: Any) -> None:
    kind, message = errors["raise ValueError('bad element')"]
    assert kind != "WorkerDiedError"
    assert "bad element" in message


def test_jobs_share_the_process_that_forks_their_workers(printed: list[Any]) -> None:
    """Each job has workers of its own, with its variables. After the death of a worker, another process forks them."""
    jobs, left = printed[-1]["jobs"], printed[-1]["left"]
    workers = [{one["worker"] for one in job} for job in jobs]
    assert [len(found) for found in workers] == [2, 2, 2]
    assert len(set.union(*workers)) == 6
    parents = [{one["parent"] for one in job} for job in jobs]
    assert parents[0] == parents[1] != parents[2]
    assert [len(found) for found in parents] == [1, 1, 1]
    assert [{one["job"] for one in job} for job in jobs] == [{end} for end in ENDS[:3]]
    assert left == 0


def test_workers_draw_random_numbers_of_their_own(printed: list[Any]) -> None:
    for job in printed[-1]["jobs"]:
        assert len({one["drawn"] for one in job}) == len(job) == 20


def test_beam_listens_to_this_machine_only(printed: list[Any]) -> None:
    addresses = {address for job in printed[-1]["jobs"] for one in job for address in one["listening"]}
    assert addresses
    assert addresses <= {"127.0.0.1", "::ffff:127.0.0.1", "::1"}


@pytest.mark.parametrize(("allowed", "has_room"), [(79, False), (80, True)])
def test_no_worker_is_started_where_too_few_processes_are_allowed(
    allowed: int, has_room: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    start, before = threading.Thread.start, threading.active_count()

    def limited(thread: threading.Thread) -> None:
        if threading.active_count() >= before + allowed:
            raise RuntimeError("can't start new thread")
        start(thread)

    parents: list[None] = []
    monkeypatch.setattr(threading.Thread, "start", limited)
    module = "pipeline.orchestration.tfx.beam_workers"
    monkeypatch.setattr(f"{module}._Parent", lambda: parents.append(None))
    monkeypatch.setattr(f"{module}._close", lambda: None)
    monkeypatch.setattr(f"{module}._parent", None)
    refused = contextlib.nullcontext() if has_room else pytest.raises(workers.NoRoomError, match=r"79 more.*ulimit -u")
    with refused, workers.supervised(2):
        assert has_room
    assert len(parents) == has_room
    assert threading.active_count() == before


def test_the_message_says_how_the_process_ended() -> None:
    assert text.signal_name(11) in workers.death_text("worker_1", -11)
    assert "exit code 127" in workers.death_text("worker_1", 127)
