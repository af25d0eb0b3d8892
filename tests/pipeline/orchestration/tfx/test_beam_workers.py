"""Beam jobs in worker processes: a process that dies fails the job, and no proxy is used."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from typing import Any

import pytest

from pipeline.core import text
from tests import PROJECT, lazy

pytestmark = pytest.mark.component

workers = lazy.module("pipeline.orchestration.tfx.beam_workers")

PROGRAM = """
import json, pathlib, sys
import apache_beam as beam
from pipeline.core.pipeline_root import Root
from pipeline.orchestration import process_setup
from pipeline_config import EngineConfig
place = Root(pathlib.Path(sys.argv[1]))
place.create()
process_setup.set_environment(place, EngineConfig())
from pipeline.orchestration.tfx import beam_engine

for end in sys.argv[2:]:

    def bound(number, end=end):
        import os, signal
        if number == 3:
            exec(end)
        return number

    error = ["", ""]
    try:
        with beam_engine.make_beam_pipeline(2, 10) as pipeline:
            _ = pipeline | beam.Create(range(6)) | beam.Map(bound) | beam.combiners.Count.Globally() | beam.Map(print)
    except Exception as raised:
        error = [type(raised).__name__, str(raised)]
    print(json.dumps(error))
"""
KILLED = "os.kill(os.getpid(), signal.SIGKILL)"
ENDS = ["pass", KILLED, "os._exit(0)", "raise ValueError('bad element')"]


@pytest.fixture(scope="module")
def errors(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """Class and text of the error of jobs whose workers do something of `ENDS`, in one process that has proxies set."""
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
    lines = [json.loads(line) for line in done.stdout.splitlines() if line.startswith("[")]
    return dict(zip(ENDS, lines, strict=True))


def test_a_proxy_is_not_used_between_a_run_and_its_workers(errors: Any) -> None:
    assert errors["pass"] == ["", ""]


@pytest.mark.parametrize(
    ("end", "words"), [(KILLED, ["SIGKILL", "memory", "beam_workers"]), ("os._exit(0)", ["ended early"])]
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


def test_the_message_says_how_the_process_ended() -> None:
    assert text.signal_name(11) in workers.death_text("worker_1", "Worker subprocess exited with return code -11")
    assert "exit code 127" in workers.death_text("worker_1", "Worker subprocess exited with return code 127")
