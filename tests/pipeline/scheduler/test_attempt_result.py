from __future__ import annotations

import signal

import pytest

from pipeline.core.errors import ExitCode
from pipeline.scheduler import attempt_result

FAILED = {"state": "failed", "error": "Trainer: it  does\nnot learn"}


@pytest.mark.parametrize(
    ("code", "transient"),
    [
        (ExitCode.NODE_FAILED, True),
        (ExitCode.USAGE, False),
        (ExitCode.NOT_FOUND, False),
        (ExitCode.GATE_FAILED, False),
        (ExitCode.LOCKED, True),
        (ExitCode.ENVIRONMENT, True),
        (-signal.SIGKILL, True),
        (-200, True),
        (77, False),
    ],
)
def test_which_failures_are_transient(code: int, transient: bool) -> None:
    found = attempt_result.from_exit_code(code, {}, "", "")
    assert (found.state, found.exit_code, found.transient) == ("failed", code, transient)
    assert found.reason


def test_successes_and_interrupts_are_not_retried() -> None:
    assert attempt_result.from_exit_code(0, {}, "", "").state == "succeeded"
    by_hand = attempt_result.from_exit_code(130, {}, "", "")
    assert (by_hand.state, by_hand.transient) == ("interrupted", False)
    for code in (130, -9, 1):  # a run that was interrupted may end in any way
        timeout = attempt_result.from_exit_code(code, FAILED, "", "its time was over")
        assert (timeout.state, timeout.reason, timeout.transient) == ("interrupted", "its time was over", False)
    assert attempt_result.from_exit_code(0, {}, "", "its time was over").state == "succeeded"  # it was quicker


def test_the_reason_is_that_of_ml_metadata_or_else_of_the_output() -> None:
    said = "loading\nerror: one\nerror: another run holds it\nbye\n"
    assert attempt_result.from_exit_code(1, FAILED, said, "").reason == "Trainer: it does not learn"
    assert attempt_result.from_exit_code(5, {}, said, "").reason == "another run holds it"
    assert attempt_result.from_exit_code(5, {}, "", "").reason == "sae run ended with 5"
    assert str(attempt_result.from_exit_code(5, {}, said, "")) == "failed, another run holds it"
    assert str(attempt_result.from_exit_code(0, {}, said, "")) == "succeeded"
    assert attempt_result.from_exit_code(-9, FAILED, said, "").reason == "the run was killed by SIGKILL"
    assert len(attempt_result.from_exit_code(1, {"error": "x" * 10_000}, "", "").reason) == 503


@pytest.mark.parametrize(
    ("run", "state", "transient"),
    [
        ({"state": "succeeded", "error": ""}, "succeeded", False),
        (FAILED, "failed", False),
        ({"state": "cancelled", "error": ""}, "interrupted", False),
        ({"state": "unfinished", "error": ""}, "failed", True),
        ({}, "failed", True),
    ],
)
def test_results_without_an_exit_code(run: dict[str, str], state: str, transient: bool) -> None:
    found = attempt_result.from_store(run, "")
    assert (found.state, found.transient, found.exit_code, found.observed) == (state, transient, None, False)
    assert bool(found.reason) is (state != "succeeded")


def test_an_interrupted_run_without_an_exit_code() -> None:
    found = attempt_result.from_store({"state": "cancelled", "error": ""}, "its time was over")
    assert (found.state, found.reason) == ("interrupted", "its time was over")
