"""Derive the result of an attempt from exit code, output and ML Metadata, and whether it is retried."""

from __future__ import annotations

import dataclasses
import signal
from collections.abc import Mapping

from pipeline.core.errors import ExitCode

# Failures that may be transient. Gates, wrong usage and missing things fail again.
_MAY_PASS = {ExitCode.NODE_FAILED, ExitCode.LOCKED, ExitCode.ENVIRONMENT}
_MOST = 500  # characters of a reason


@dataclasses.dataclass(frozen=True)
class AttemptResult:
    """The result of an attempt.

    Attributes:
      state: `succeeded`, `failed` or `interrupted`.
      exit_code: of `sae run`; minus the signal's number if a signal ended it; None if unknown.
      reason: why it failed, in one line.
      may_pass: whether the failure may be transient: retried.
      begun: False if the run did nothing.
      seen: whether the daemon observed the end.
    """

    state: str
    exit_code: int | None
    reason: str
    may_pass: bool
    begun: bool = True
    seen: bool = True

    def __str__(self) -> str:
        """Write `failed, another run holds the root`."""
        return f"{self.state}, {self.reason}" if self.reason else self.state


def never_started() -> AttemptResult:
    """Return the result of a run that never started, because the daemon ended first."""
    return AttemptResult(
        "failed", None, "the daemon ended before the run started", may_pass=True, begun=False, seen=False
    )


def from_exit_code(exit_code: int, run: Mapping[str, str], output: str, interrupted: str) -> AttemptResult:
    """Return the result of a process whose end was observed.

    Args:
      exit_code: minus the signal's number if a signal ended it.
      run: `state` and `error` of the run in ML Metadata; empty if it is unknown.
      output: output of the process.
      interrupted: why the daemon interrupted it; empty if it did not.
    """
    if exit_code == ExitCode.DONE:
        return AttemptResult("succeeded", exit_code, "", may_pass=False)
    if interrupted:
        return AttemptResult("interrupted", exit_code, interrupted, may_pass=False)
    if exit_code == ExitCode.INTERRUPTED:
        return AttemptResult("interrupted", exit_code, "the run was interrupted", may_pass=False)
    if exit_code < 0:
        return AttemptResult("failed", exit_code, f"the run was killed by {_name(-exit_code)}", may_pass=True)
    reason = run.get("error") or _said(output) or f"sae run ended with {exit_code}"
    return AttemptResult("failed", exit_code, _line(reason), may_pass=exit_code in _MAY_PASS)


def from_store(run: Mapping[str, str], interrupted: str) -> AttemptResult:
    """Return the result of a process of a previous daemon, whose exit code is unknown; arguments as above."""
    unseen = "no daemon saw the run end"
    state = run.get("state", "")
    if state == "succeeded":
        return AttemptResult("succeeded", None, "", may_pass=False, seen=False)
    if interrupted:
        return AttemptResult("interrupted", None, interrupted, may_pass=False, seen=False)
    if state == "failed":
        # ML Metadata does not distinguish a gate from a transient failure.
        return AttemptResult("failed", None, _line(run.get("error") or unseen), may_pass=False, seen=False)
    if state == "cancelled":
        return AttemptResult("interrupted", None, "the run was interrupted", may_pass=False, seen=False)
    return AttemptResult("failed", None, f"{unseen}, and it did not finish", may_pass=True, seen=False)


def _said(output: str) -> str:
    """Return the last error that the output names."""
    lines = [line for line in output.splitlines() if line.startswith("error: ")]
    return lines[-1].removeprefix("error: ") if lines else ""


def _line(text: str) -> str:
    line = " ".join(text.split())
    return line if len(line) <= _MOST else f"{line[:_MOST]}..."


def _name(number: int) -> str:
    try:
        return signal.Signals(number).name
    except ValueError:
        return f"signal {number}"
