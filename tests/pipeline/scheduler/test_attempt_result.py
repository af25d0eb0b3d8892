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


def test_a_run_whose_model_missed_a_gate_is_called_succeeded_as_in_the_list_of_runs() -> None:
    run = {"state": "succeeded", "error": "the model is not blessed: a is 2; b is 3"}
    found = attempt_result.from_exit_code(4, run, "", "")
    assert (found.state, found.run_succeeded, found.reason) == ("failed", True, run["error"])
    assert str(found) == "succeeded, but the tick failed, the model is not blessed: a is 2, and more"
    anomalies = attempt_result.from_exit_code(4, {"state": "failed", "error": "anomalies"}, "", "")
    assert (anomalies.run_succeeded, str(anomalies)) == (False, "failed, anomalies")
    assert str(attempt_result.from_exit_code(1, {"error": "no file; bring it"}, "", "")) == "failed, no file; bring it"


def test_a_sweep_has_its_points_for_a_reason() -> None:
    assert str(attempt_result.from_exit_code(0, {"points": "6 of 6"}, "", "")) == "succeeded, 6 of 6"
    assert attempt_result.from_exit_code(1, {"points": "0 of 6"}, "", "").reason == "0 of 6"
    assert attempt_result.from_exit_code(5, {"points": "0 of 6"}, "error: locked", "").reason == "locked"


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
