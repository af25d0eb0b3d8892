"""Derive the result of an attempt from exit code, output and ML Metadata, and whether it is retried."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping

from pipeline.core.errors import ExitCode
from pipeline.core.text import beginning, signal_name

# Failures that may be transient. Gates, wrong usage and missing things fail again.
TRANSIENT = {ExitCode.NODE_FAILED, ExitCode.LOCKED, ExitCode.ENVIRONMENT}
_MAX_REASON = 500  # characters of a reason
_SEPARATOR = "; "  # of the reasons of a gate


@dataclasses.dataclass(frozen=True)
class AttemptResult:
    """The result of an attempt.

    Attributes:
      state: `succeeded`, `failed` or `interrupted`.
      exit_code: of `sae run`; minus the signal's number if a signal ended it; None if unknown.
      reason: why it failed, in one line; of a sweep that succeeded, its points.
      transient: whether the failure may be transient: retried.
      started: False if the run did nothing.
      observed: whether the daemon observed the end.
      run_succeeded: whether the run itself succeeded, as `sae runs` says, though its model did not pass a gate.
    """

    state: str
    exit_code: int | None = None
    reason: str = ""
    transient: bool = False
    started: bool = True
    observed: bool = True
    run_succeeded: bool = False

    def __str__(self) -> str:
        """Write `failed, another run holds the root`; of a gate, only the first reason."""
        state = f"succeeded, but the tick {self.state}" if self.run_succeeded else self.state
        reason = first_reason(self.exit_code, self.reason)
        return f"{state}, {reason}" if reason else state


def never_started() -> AttemptResult:
    """Return the result of a run that never started, because the daemon ended first."""
    return AttemptResult(
        "failed", None, "the daemon ended before the run started", transient=True, started=False, observed=False
    )


def from_exit_code(exit_code: int, run: Mapping[str, str], output: str, interrupted: str) -> AttemptResult:
    """Return the result of a process whose end was observed.

    Args:
      exit_code: minus the signal's number if a signal ended it.
      run: `state` and `error` of the run in ML Metadata, or `points` of the sweep; empty if it is unknown.
      output: output of the process.
      interrupted: why the daemon interrupted it; empty if it did not.
    """
    if exit_code == ExitCode.DONE:
        return AttemptResult("succeeded", exit_code, run.get("points", ""))
    if interrupted or exit_code == ExitCode.INTERRUPTED:
        return AttemptResult("interrupted", exit_code, interrupted or "the run was interrupted")
    if exit_code < 0:
        return AttemptResult("failed", exit_code, f"the run was killed by {signal_name(-exit_code)}", transient=True)
    reason = run.get("error") or last_error(output) or run.get("points") or f"sae run ended with {exit_code}"
    return AttemptResult(
        "failed",
        exit_code,
        _one_line(reason),
        transient=exit_code in TRANSIENT,
        run_succeeded=exit_code == ExitCode.GATE_FAILED and run.get("state") == "succeeded",
    )


def from_store(run: Mapping[str, str], interrupted: str) -> AttemptResult:
    """Return the result of a process of a previous daemon, whose exit code is unknown; arguments as above."""
    state = run.get("state", "")
    if state == "succeeded":
        return AttemptResult("succeeded", observed=False)
    if interrupted or state == "cancelled":
        return AttemptResult("interrupted", None, interrupted or "the run was interrupted", observed=False)
    reason = "the run ended without a daemon"
    if state == "failed":  # ML Metadata does not distinguish a gate from a transient failure
        return AttemptResult("failed", None, _one_line(run.get("error") or reason), observed=False)
    return AttemptResult("failed", None, f"{reason}, and did not finish", transient=True, observed=False)


def last_error(output: str) -> str:
    """Return the last line of an output that begins with `error: `, without that; empty if there is none."""
    lines = [line for line in output.splitlines() if line.startswith("error: ")]
    return lines[-1].removeprefix("error: ") if lines else ""


def first_reason(exit_code: int | None, reason: str) -> str:
    """Return a reason as tables show it: of a model or data that did not pass a gate, the first of all that it missed.

    They are the same in most runs of a schedule, and can take several lines.
    """
    first, *others = reason.split(_SEPARATOR)
    return f"{first}, and more" if exit_code == ExitCode.GATE_FAILED and others else reason


def _one_line(text: str) -> str:
    return beginning(" ".join(text.split()), _MAX_REASON)
