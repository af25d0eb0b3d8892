"""Start a run's process behind a gate; watch, interrupt and kill it with all its children.

Each process has a session of its own: signals to the daemon do not reach it, and one signal reaches all its children.
"""

from __future__ import annotations

import contextlib
import dataclasses
import logging
import os
import pathlib
import signal
import subprocess
import time
from collections.abc import Collection, Mapping, Sequence
from typing import ClassVar

import psutil

from components.errors import cause_text
from pipeline.core import root_lock
from pipeline.scheduler import process_identity, times

logger = logging.getLogger(__name__)

# Waits for a line on standard input, then becomes the command. If the daemon is killed before it sends the line, the
# pipe closes and nothing runs: the schedule database knows the process of every run.
_GATE = 'read -r go && exec "$@" < /dev/null'


@dataclasses.dataclass(frozen=True)
class DaemonFiles:
    """Files of the daemon in the pipeline root, for its attempts by their ids."""

    root: pathlib.Path

    @property
    def lock(self) -> pathlib.Path:
        """Locked by the daemon while it lives."""
        return self.root / "daemon.lock"

    @property
    def folder(self) -> pathlib.Path:
        """The folder of all other files."""
        return self.root / "scheduling"

    def run_id(self, attempt: int) -> pathlib.Path:
        """The file to which a run writes its id."""
        return self.folder / f"{attempt}.run"

    def output(self, attempt: int) -> pathlib.Path:
        """The output of `sae run`."""
        return self.folder / f"{attempt}.output"

    def hook_output(self, attempt: int) -> pathlib.Path:
        """The output of a hook."""
        return self.folder / f"{attempt}.command"

    def hook_process(self, attempt: int) -> pathlib.Path:
        """The process of a hook that runs: id and identity."""
        return self.folder / f"{attempt}.hook"

    def hook_processes(self) -> list[pathlib.Path]:
        """Return the files of hooks that run, or whose daemon was killed while they ran."""
        return sorted(self.folder.glob("*.hook"))

    def clear(self, attempt: int) -> None:
        """Remove the files of a run."""
        for path in (self.run_id(attempt), self.output(attempt)):
            remove(path)

    def clear_except(self, attempts: Collection[int]) -> None:
        """Create the folder, and remove the files of all other attempts, whose daemon was killed."""
        self.folder.mkdir(exist_ok=True)
        for path in self.folder.iterdir():
            if path.name.partition(".")[0] not in map(str, attempts):
                remove(path)


def remove(path: pathlib.Path) -> None:
    """Remove a file of the daemon. What cannot be removed, such as a folder of that name, is logged."""
    try:
        path.unlink(missing_ok=True)
    except OSError as error:
        logger.warning("cannot remove %s: %s; remove it by hand", path, cause_text(error))


class Process:
    """The process of a run that a previous daemon started; base of `Child`.

    Attributes:
      id: process id, also of its session.
      identity: distinguishes it from later processes with this id.
    """

    def __init__(self, process: int, identity: str) -> None:
        self.id = process
        self.identity = identity

    def ended(self) -> bool:
        """Return whether it ended; its remaining children are killed then."""
        if self.lives():
            return False
        # An id is not reused while its session exists. The process may be a zombie.
        if process_identity.same_boot(self.identity) and (
            not process_identity.identity(self.id) or process_identity.is_same(self.id, self.identity)
        ):
            _kill_group(self.id)
        return True

    def exit_code(self) -> int | None:
        """Return the exit code: minus the signal's number if a signal ended it; None if unknown."""
        return None

    def lives(self) -> bool:
        """Return whether it runs, whatever became of its children."""
        return process_identity.lives(self.id, self.identity)

    def terminate(self) -> None:
        """Ask it and its children to end, as a service manager does."""
        self._send(signal.SIGTERM)

    def interrupt(self) -> None:
        """Interrupt it and its children, as Ctrl-C does."""
        self._send(signal.SIGINT)

    def kill(self) -> None:
        """Kill it and its children."""
        self._send(signal.SIGKILL)

    def _send(self, number: signal.Signals) -> None:
        if self.lives():
            with contextlib.suppress(ProcessLookupError):
                os.killpg(self.id, number)


class DistantProcess(Process):
    """A run of a previous daemon in another PID namespace (a container), where its number means nothing here.

    It is running while the root is locked. It cannot be interrupted or killed from here.
    """

    def __init__(self, process: int, identity: str, lock_file: pathlib.Path) -> None:
        super().__init__(process, identity)
        self._lock_file = lock_file

    def ended(self) -> bool:
        return root_lock.holder(self._lock_file) is None

    def _send(self, number: signal.Signals) -> None:
        logger.warning("cannot send %s to process %d: it is in another container", number.name, self.id)


def reap_orphans() -> None:
    """Wait for ended processes that this one did not start, if it is process 1 (of a container), which inherits them.

    Call it in the thread that starts all processes of the daemon.
    """
    if os.getpid() != 1:
        return
    for child in psutil.Process().children():
        with contextlib.suppress(psutil.NoSuchProcess, ChildProcessError):
            if child.pid not in Child.not_awaited and child.status() == psutil.STATUS_ZOMBIE:
                os.waitpid(child.pid, os.WNOHANG)


class Child(Process):
    """A process that this daemon started.

    Attributes:
      not_awaited: ids of all that `ended` has not reported yet.
    """

    not_awaited: ClassVar[set[int]] = set()
    _gate: ClassVar[Sequence[str]] = ("/bin/sh", "-c", _GATE, "sae")

    def __init__(
        self, command: Sequence[str], output: pathlib.Path, folder: pathlib.Path, environment: Mapping[str, str]
    ) -> None:
        """Start it behind the gate.

        Args:
          command: run when the gate opens.
          output: file for stdout and stderr.
          folder: working directory.
          environment: all of its environment.

        Raises:
          OSError: it cannot be started.
        """
        with open(output, "wb") as file:
            self._process = subprocess.Popen(
                [*self._gate, *command],
                stdin=subprocess.PIPE,
                stdout=file,
                stderr=file,
                cwd=folder,
                env=dict(environment),
                start_new_session=True,
                bufsize=0,
            )
        self.not_awaited.add(self._process.pid)
        super().__init__(self._process.pid, process_identity.identity(self._process.pid))

    def open_gate(self, line: str = "go") -> None:
        """Let it run the command."""
        assert self._process.stdin is not None
        with contextlib.suppress(BrokenPipeError):  # killed meanwhile
            self._process.stdin.write(f"{line}\n".encode())
            self._process.stdin.close()

    def ended(self) -> bool:
        if self._process.returncode is None:
            if not self._has_exited():
                return False
            _kill_group(self.id)
            self._process.wait()
            self.not_awaited.discard(self.id)
            if self._process.stdin is not None:
                with contextlib.suppress(BrokenPipeError):
                    self._process.stdin.close()
        return True

    def exit_code(self) -> int | None:
        return self._process.returncode

    def _has_exited(self) -> bool:
        """Return whether it exited, without reaping it where possible, so that its id is not reused yet."""
        if not hasattr(os, "waitid"):  # macOS
            return self._process.poll() is not None
        return os.waitid(os.P_PID, self.id, os.WEXITED | os.WNOHANG | os.WNOWAIT) is not None


class GatedChild(Child):
    """A process whose command itself waits for a line on standard input, and ends at the end of input."""

    _gate = ()


class Watch:
    """Watches one process, with a monotonic clock."""

    def __init__(self, process: Process, timeout: float, since: float, grace: float) -> None:
        """Start watching.

        Args:
          process: of the run.
          timeout: seconds; 0 for none.
          since: seconds that it has been running.
          grace: seconds between interrupt and kill.
        """
        self.process = process
        self.interrupted = ""  # the reason
        self._timeout = timeout
        self._grace = grace
        self._interrupt_at = time.monotonic() + min(timeout, max(0.0, timeout - since)) if timeout else None
        self._kill_at: float | None = None

    def ended(self) -> bool:
        """Return whether it ended; interrupt or kill it if that is due."""
        if self.process.ended():
            return True
        now = time.monotonic()
        if self._interrupt_at is not None and now > self._interrupt_at:
            self.interrupt(f"interrupted after its timeout of {times.in_words(self._timeout)}")
        if self._kill_at is not None and now > self._kill_at:
            self.process.kill()
        return False

    def interrupt(self, reason: str) -> None:
        """Interrupt it once, as Ctrl-C does."""
        if self._kill_at is None:
            self.interrupted = reason
            self.process.interrupt()
            self._kill_at = time.monotonic() + self._grace


def _kill_group(group: int) -> None:
    with contextlib.suppress(ProcessLookupError, PermissionError):  # macOS raises the latter for one that ended
        os.killpg(group, signal.SIGKILL)
