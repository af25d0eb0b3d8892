"""A job of Flink is watched: what keeps it from going on fails it with one line, from answers of Flink 1.19."""

from __future__ import annotations

import dataclasses
import logging
import pathlib
from collections.abc import Iterator
from typing import Any

import pytest

from pipeline.core.events import JobProgress
from pipeline.core.pipeline_root import Root
from pipeline.definition.spec import DEFAULT_PIPELINE, load
from pipeline.orchestration.portable import cluster_job, flink_watch
from pipeline.orchestration.portable.flink import FlinkMaster
from pipeline.orchestration.portable.worker_identity import Identity
from pipeline_config import EngineConfig
from tests.pipeline.orchestration.portable import flink_server

PIPELINE = load(DEFAULT_PIPELINE)
WATCH = "pipeline.orchestration.portable.flink_watch"


@pytest.fixture
def answers() -> flink_server.Answers:
    return flink_server.Answers()


@pytest.fixture
def watch(answers: flink_server.Answers) -> Iterator[Any]:
    with flink_server.running(answers) as address:
        settings = EngineConfig(runner="flink", flink_master=address)
        identity = Identity("c", "l", "p", "k")
        found = cluster_job.of_node(PIPELINE.nodes[0], settings, Root(pathlib.Path("/none")), "r1", identity)
        yield flink_watch.FlinkWatch(dataclasses.replace(found, name="sae-1-ExampleGen-ab"))


def test_the_progress_is_shown_when_it_changes(
    watch: Any, answers: flink_server.Answers, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    watch.check()
    watch.check()
    answers["/jobs/86f0"] = flink_server.job(FINISHED=3, RUNNING=1)
    watch.check()
    shown: list[JobProgress] = [one.job for one in caplog.records if hasattr(one, "job")]
    assert [(one.state, one.done, one.tasks) for one in shown] == [("running", 0, 2), ("running", 6, 8)]
    assert shown[0].link.endswith("/#/job/running/86f0")


def test_a_job_without_a_slot_fails_after_a_time(
    watch: Any, answers: flink_server.Answers, monkeypatch: pytest.MonkeyPatch
) -> None:
    answers["/jobs/86f0"] = flink_server.job(FINISHED=1, SCHEDULED=2)
    watch.check()
    monkeypatch.setattr(f"{WATCH}._NO_SLOT_SECONDS", 0.0)
    with pytest.raises(flink_watch.JobFailedError, match="3 of 4 slots on 2 task managers"):
        watch.check()
    answers["/jobs/86f0"] = flink_server.job(RUNNING=1, SCHEDULED=2)
    watch.check()


def test_a_refusal_of_a_worker_fails_the_job_at_once(watch: Any, answers: flink_server.Answers) -> None:
    text = "java.lang.RuntimeException: worker refused the job: host h1 differs: code a there, b here\n\tat x"
    answers["/jobs/86f0"] = flink_server.job("RESTARTING", CREATED=2)
    answers["/jobs/86f0/exceptions"] = {"exceptionHistory": {"entries": [{"stacktrace": text}]}}
    with pytest.raises(flink_watch.JobFailedError) as raised:
        watch.check()
    assert "host h1 differs: code a there, b here" in str(raised.value)
    assert len(str(raised.value).splitlines()) == 1


def test_a_master_that_is_gone_for_a_while_is_waited_for(watch: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    watch.check()
    there = watch._master
    watch._master = FlinkMaster("127.0.0.1:9")
    watch.check()
    watch._master = there
    watch.check()
    watch._master = FlinkMaster("127.0.0.1:9")
    monkeypatch.setattr(f"{WATCH}._LOST_SECONDS", 0.0)
    with pytest.raises(flink_watch.JobFailedError, match=r"127\.0\.0\.1:9.*sae resume"):
        watch.check()


def test_a_master_that_forgot_the_job_fails_it_after_a_time(
    watch: Any, answers: flink_server.Answers, monkeypatch: pytest.MonkeyPatch
) -> None:
    del answers["/jobs/86f0"]
    answers["/jobs/overview"] = {"jobs": []}
    monkeypatch.setattr(f"{WATCH}._LOST_SECONDS", 0.0)
    watch.check()  # it may not have started yet
    answers["/jobs/overview"], answers["/jobs/86f0"] = flink_server.JOBS, flink_server.job(RUNNING=1)
    watch.check()
    del answers["/jobs/86f0"]
    answers["/jobs/overview"] = {"jobs": []}
    with pytest.raises(flink_watch.JobFailedError, match="does not know the job"):
        watch.check()


def test_only_its_own_job_is_cancelled(watch: Any, answers: flink_server.Answers) -> None:
    watch.cancel()
    assert answers.asked[-1] == "PATCH /jobs/86f0?mode=cancel"
    answers["/jobs/86f0"] = flink_server.job("FINISHED")
    asked = len(answers.asked)
    watch.cancel()
    assert not any(one.startswith("PATCH") for one in answers.asked[asked:])
