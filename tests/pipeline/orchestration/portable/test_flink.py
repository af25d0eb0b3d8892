"""Flink's REST API, with answers of Flink 1.19 from a real HTTP server."""

from __future__ import annotations

import socket
import threading

import pytest

from pipeline.core.errors import SaeError, UnavailableError
from pipeline.orchestration.portable import flink
from pipeline.orchestration.portable.flink import FlinkError, FlinkMaster
from tests.pipeline.orchestration.portable import flink_server

REFUSAL = "worker refused the job: host h1 differs from where `sae run` runs: python 3.9 there, 3.10 here"
JAVA = f"""org.apache.flink.runtime.JobException: Recovery is suppressed by FixedDelayRestartBackoffTimeStrategy
\tat org.apache.flink.runtime.executiongraph.failover.ExecutionFailureHandler.handleFailure
Caused by: java.lang.Exception: The user defined 'open()' method caused an exception
\tat org.apache.flink.runtime.operators.BatchTask.run(BatchTask.java:517)
Caused by: java.lang.RuntimeException: {REFUSAL}
\t... 2 more
"""
PYTHON = """java.lang.RuntimeException: Error received from SDK harness for instruction 4: \
Traceback (most recent call last):
  File "/x/sdk_worker.py", line 312, in _execute
    response = task()
  File "/x/example_gen.py", line 90, in process
    raise errors.DataError("record 7 is damaged")
components.errors.DataError: record 7 is damaged [while running 'Write']

\tat org.apache.beam.runners.fnexecution.control.FnApiControlClient$ResponseStreamObserver.onNext
"""


def test_what_a_cluster_has() -> None:
    with flink_server.running(flink_server.Answers()) as address:
        master = FlinkMaster(address)
        assert master.overview() == flink.Overview("1.19.0", 2, 4, 3)
        assert master.hosts() == ["127.0.0.1"]
        assert FlinkMaster(f"http://{address}/").overview().slots == 4


def test_the_newest_job_of_a_name_is_found() -> None:
    with flink_server.running(flink_server.Answers()) as address:
        assert FlinkMaster(address).find_job("sae-1-ExampleGen-ab") == "86f0"
        assert FlinkMaster(address).find_job("sae-1-ExampleGen") is None


def test_the_tasks_of_a_job_are_counted() -> None:
    answers = flink_server.Answers(**{"/jobs/86f0": flink_server.job(FINISHED=3, RUNNING=1, DEPLOYING=1, SCHEDULED=2)})
    with flink_server.running(answers) as address:
        found = FlinkMaster(address).job("86f0")
    assert (found.tasks, found.done, found.running, found.scheduled) == (14, 6, 4, 4)
    assert not found.ended


@pytest.mark.parametrize(("state", "ended"), [("RESTARTING", False), ("FAILED", True), ("CANCELED", True)])
def test_a_job_ends_in_few_states(state: str, ended: bool) -> None:
    answers = flink_server.Answers(**{"/jobs/86f0": flink_server.job(state)})
    with flink_server.running(answers) as address:
        assert FlinkMaster(address).job("86f0").ended is ended


def test_a_job_is_cancelled() -> None:
    answers = flink_server.Answers()
    with flink_server.running(answers) as address:
        FlinkMaster(address).cancel("86f0")
    assert answers.asked == ["PATCH /jobs/86f0?mode=cancel"]


def test_the_newest_reason_is_that_of_the_history() -> None:
    history = {"root-exception": "old", "exceptionHistory": {"entries": [{"stacktrace": JAVA}]}}
    with flink_server.running(flink_server.Answers(**{"/jobs/86f0/exceptions": history})) as address:
        assert FlinkMaster(address).reason("86f0") == JAVA
    without: dict[str, object] = {"root-exception": None, "exceptionHistory": {"entries": []}}
    with flink_server.running(flink_server.Answers(**{"/jobs/86f0/exceptions": without})) as address:
        assert FlinkMaster(address).reason("86f0") == ""


def test_an_unknown_job_is_an_error_and_no_missing_master() -> None:
    with flink_server.running(flink_server.Answers()) as address, pytest.raises(FlinkError, match="404"):
        FlinkMaster(address).job("none")


def test_a_master_that_is_gone() -> None:
    with socket.create_server(("127.0.0.1", 0)) as unused:
        port = unused.getsockname()[1]
    with pytest.raises(UnavailableError, match=f"127.0.0.1:{port}.*Connection refused"):
        FlinkMaster(f"127.0.0.1:{port}").overview()


@pytest.mark.parametrize("answer", [{}, [], "text", {"flink-version": "1.19.0"}])
def test_another_server_is_an_error(answer: object) -> None:
    answers = flink_server.Answers(**{"/overview": answer})
    with flink_server.running(answers) as address, pytest.raises(FlinkError, match="no job manager of Flink"):
        FlinkMaster(address).overview()


@pytest.mark.parametrize(
    "reply",
    [b"HTTP/1.1 200 OK\r\n\r\n<html>", b"HTTP/1.1 200 OK\r\n\r\n" + b"[" * 100_000, b"SSH-2.0-OpenSSH_9.2\r\n"],
    ids=["page", "brackets", "ssh"],
)
def test_a_server_that_is_no_flink_at_all_is_an_error(reply: bytes) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:

        def answer() -> None:
            connection, _ = server.accept()
            with connection:
                connection.recv(1000)
                connection.sendall(reply)

        thread = threading.Thread(target=answer)
        thread.start()
        with pytest.raises(SaeError, match=f"127.0.0.1:{server.getsockname()[1]}"):
            FlinkMaster(f"127.0.0.1:{server.getsockname()[1]}").overview()
        thread.join()


def test_no_proxy_is_used(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("http_proxy", "http://127.0.0.1:9")
    with flink_server.running(flink_server.Answers()) as address:
        assert FlinkMaster(address).overview().slots == 4


@pytest.mark.parametrize(
    ("text", "line"),
    [
        (JAVA, REFUSAL),
        (PYTHON, "record 7 is damaged [while running 'Write']"),
        ("", "no reason was given"),
        ("java.lang.OutOfMemoryError: Java heap space\n\tat x", "Java heap space"),
        (
            PYTHON.replace("components.errors.DataError", "ValueError"),
            "ValueError: record 7 is damaged [while running 'Write']",
        ),
    ],
)
def test_the_headline_of_a_trace_is_its_innermost_cause(text: str, line: str) -> None:
    assert flink.headline(text) == line
