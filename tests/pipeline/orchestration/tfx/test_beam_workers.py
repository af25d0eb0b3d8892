"""Beam jobs in worker processes: a process that dies fails the job, and no proxy is used."""

from __future__ import annotations

import os
import pathlib
import subprocess
import sys

import pytest

from pipeline.core import text
from tests import PROJECT, lazy

pytestmark = pytest.mark.component

workers = lazy.module("pipeline.orchestration.tfx.beam_workers")

JOB = """
import os, pathlib, signal, sys, time
import apache_beam as beam
from pipeline.core.pipeline_root import Root
from pipeline.orchestration import process_setup
from pipeline_config import EngineConfig
if len(sys.argv) > 2:
    place = Root(pathlib.Path(sys.argv[2]))
    place.create()
    process_setup.set_environment(place, EngineConfig())
from pipeline.orchestration.tfx import beam_engine

END = sys.argv[1]

def bound(number, end=END):
    import os, signal, time
    if number == 3:
        exec(end)
    return number

with beam_engine.make_beam_pipeline(2, 10) as pipeline:
    _ = pipeline | beam.Create(range(6)) | beam.Map(bound) | beam.combiners.Count.Globally() | beam.Map(print)
"""


def job(end: str, *arguments: str, **variables: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-c", JOB, end, *arguments],
        capture_output=True,
        text=True,
        cwd=PROJECT,
        env={**os.environ, "PYTHONPATH": str(PROJECT), **variables},
        timeout=600,  # Beam would wait for ever
        check=False,
    )


@pytest.mark.parametrize(
    ("end", "words"),
    [
        ("os.kill(os.getpid(), signal.SIGKILL)", ["SIGKILL", "memory", "beam_workers"]),
        pytest.param("os.abort()", ["SIGABRT"], marks=pytest.mark.chaos),  # test_the_message_... has other signals
        pytest.param("os._exit(3)", ["exit code 3"], marks=pytest.mark.chaos),  # and other exit codes
        ("os._exit(0)", ["ended early"]),
    ],
)
def test_a_job_fails_if_one_of_its_processes_dies(end: str, words: list[str]) -> None:
    done = job(end)
    assert done.returncode == 1
    error = done.stderr.strip().splitlines()[-1]
    assert "WorkerDiedError" in error
    for word in words:
        assert word in error


def test_an_exception_in_a_worker_is_beam_s_own_error() -> None:
    done = job("raise ValueError('bad element')")
    assert done.returncode == 1
    assert "bad element" in done.stderr
    assert "WorkerDiedError" not in done.stderr


# gRPC uses the first that is set: grpc_proxy, https_proxy, http_proxy.
@pytest.mark.parametrize("names", ["grpc_proxy", "https_proxy", "http_proxy HTTP_PROXY all_proxy"])
def test_a_proxy_is_not_used_between_a_run_and_its_workers(names: str, tmp_path: pathlib.Path) -> None:
    done = job("pass", str(tmp_path / "root"), **dict.fromkeys(names.split(), "http://127.0.0.1:9"))
    assert done.returncode == 0, done.stderr


def test_the_message_says_how_the_process_ended() -> None:
    assert text.signal_name(11) in workers.death_text("worker_1", "Worker subprocess exited with return code -11")
    assert "exit code 127" in workers.death_text("worker_1", "Worker subprocess exited with return code 127")
