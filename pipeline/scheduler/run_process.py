"""The process of a run: begun behind a gate, watched, interrupted, killed with all that it started.

Each has a session of its own, so that what stops the daemon does not stop the run, and one signal reaches all of it.
"""

from __future__ import annotations

import contextlib
import os
import pathlib
import signal
import subprocess
import time
from collections.abc import Mapping, Sequence
from typing import Protocol

from pipeline.scheduler import process_identity, times

# Waits for a line on standard input, then becomes the command. When the daemon is killed before it sent the line, the
# other end closes and nothing is run: no run begins of which the schedule database does not know the process.
_GATE = 'read -r go && exec "$@" < /dev/null'


class Process(Protocol):
    """A run's process, of this daemon or of the one before.

    Attributes:
      id: its number, which is that of its session as well.
      identity: tells it from later ones of this number.
    """

    id: int
    identity: str

    def ended(self) -> bool:
        """Whether it is over; what it left running is killed then."""

    def exit_code(self) -> int | None:
        """Of one that ended: minus the signal's number where one ended it; None where that cannot be known."""


class Child:
    """A process that this daemon began."""

    def __init__(
        self, command: Sequence[str], output: pathlib.Path, folder: pathlib.Path, environment: Mapping[str, str]
    ) -> None:
        """Begins it behind the gate.

        Args:
          command: what it becomes.
          output: file for all that it prints.
          folder: it works there.
          environment: all of its environment.

        Raises:
          OSError: it cannot be begun.
        """
        with open(output, "wb") as file:
            self._process = subprocess.Popen(
                ["/bin/sh", "-c", _GATE, "sae", *command],
                stdin=subprocess.PIPE,
                stdout=file,
                stderr=file,
                cwd=folder,
                env=dict(environment),
                start_new_session=True,
                bufsize=0,
            )
        self.id = self._process.pid
        self.identity = process_identity.identity(self.id)

    def go(self) -> None:
        """Opens the gate."""
        assert self._process.stdin is not None
        with contextlib.suppress(BrokenPipeError):  # it was killed meanwhile: seen as any other end
            self._process.stdin.write(b"go\n")
            self._process.stdin.close()

    def ended(self) -> bool:
        """As of `Process`."""
        if self._process.returncode is None:
            if not self._over():
                return False
            _kill_group(self.id)
            self._process.wait()
            if self._process.stdin is not None:
                with contextlib.suppress(BrokenPipeError):
                    self._process.stdin.close()
        return True

    def exit_code(self) -> int | None:
        """As of `Process`."""
        return self._process.returncode

    def _over(self) -> bool:
        """Whether it ended, without waiting for it where that can be: its number is given to no other until then."""
        if not hasattr(os, "waitid"):  # macOS
            return self._process.poll() is not None
        return os.waitid(os.P_PID, self.id, os.WEXITED | os.WNOHANG | os.WNOWAIT) is not None


class Adopted:
    """A process that a daemon before this one began."""

    def __init__(self, process: int, identity: str) -> None:
        self.id = process
        self.identity = identity

    def ended(self) -> bool:
        """As of `Process`."""
        if process_identity.lives(self.id, self.identity):
            return False
        # A number is not given away while a session of it is left. It may be there, ended and not waited for.
        if process_identity.same_boot(self.identity) and process_identity.identity(self.id) in ("", self.identity):
            _kill_group(self.id)
        return True

    def exit_code(self) -> int | None:
        """As of `Process`."""
        return None


class Watch:
    """Looks after one process. Counts by a clock that nobody sets."""

    def __init__(self, process: Process, timeout: float, since: float, grace: float) -> None:
        """Begins to watch.

        Args:
          process: of the run.
          timeout: seconds that it may take; 0 for any number.
          since: seconds that it has been running, as far as is known.
          grace: seconds that it may take to end once it is interrupted.
        """
        self.process = process
        self.interrupted = ""
        self._timeout = timeout
        self._grace = grace
        self._until = time.monotonic() + min(timeout, max(0.0, timeout - since)) if timeout else None
        self._kill: float | None = None

    def ended(self) -> bool:
        """Whether it ended; does what is due when it did not."""
        if self.process.ended():
            return True
        now = time.monotonic()
        if self._until is not None and now > self._until:
            self.interrupt(f"interrupted after its timeout of {times.in_words(self._timeout)}")
        if self._kill is not None and now > self._kill:
            kill(self.process)
        return False

    def interrupt(self, why: str) -> None:
        """Interrupts it as Ctrl-C does, once."""
        if self._kill is None:
            self.interrupted = why
            interrupt(self.process)
            self._kill = time.monotonic() + self._grace


def interrupt(process: Process) -> None:
    """As Ctrl-C does."""
    _send(process, signal.SIGINT)


def kill(process: Process) -> None:
    """At once, with all that it started."""
    _send(process, signal.SIGKILL)


def _send(process: Process, number: signal.Signals) -> None:
    if process_identity.lives(process.id, process.identity):
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.id, number)


def _kill_group(group: int) -> None:
    with contextlib.suppress(ProcessLookupError, PermissionError):  # macOS says the latter of one that ended
        os.killpg(group, signal.SIGKILL)
