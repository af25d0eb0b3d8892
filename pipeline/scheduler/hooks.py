"""What follows a run that ended: retention, which the next run waits for, and the command of its schedule."""

from __future__ import annotations

import collections
import dataclasses
import logging
import os
import pathlib
import time
from collections.abc import Callable

from pipeline.core.project import PROJECT
from pipeline.scheduler import run_process
from pipeline.scheduler.attempts import EndedTick
from pipeline.scheduler.commands import Commands
from pipeline.scheduler.paths import DaemonFiles
from pipeline.scheduler.run_process import Child
from pipeline.scheduler.types import Schedule

logger = logging.getLogger(__name__)

# Commands work in the root. The run's JSON goes to the command through a pipe; without a run there is nothing on it.
_WITH_RUN = 'code=$1; command=$2; shift 2; (cd "$code" && exec "$@") | /bin/sh -c "$command"'
_WITHOUT = '/bin/sh -c "$1"'
_END = 400  # characters of what a command printed that go to the log when it fails


@dataclasses.dataclass(frozen=True)
class _Step:
    """A command to run.

    Attributes:
      tick: after whose run.
      name: in the log.
      command: its words.
      folder: where it works.
      environment: what it finds besides the daemon's own.
      attempt: whose file its output goes to.
      holds_root: whether it needs the root for itself, as a run does.
    """

    tick: int
    name: str
    command: tuple[str, ...]
    folder: pathlib.Path
    environment: dict[str, str]
    attempt: int
    holds_root: bool = False


class Hooks:
    """A queue of commands, of which one runs at a time."""

    def __init__(
        self, commands: Commands, files: DaemonFiles, record_start: Callable[[int], None], timeout: float
    ) -> None:
        """Begins with nothing in the queue.

        Args:
          commands: on the root.
          files: for what they print.
          record_start: called with a tick's id right before what follows it begins, or where nothing does.
          timeout: seconds that a command may take before it is killed.
        """
        self._timeout = timeout
        self._commands = commands
        self._files = files
        self._record_start = record_start
        self._steps: collections.deque[_Step] = collections.deque()
        self._running: tuple[_Step, Child, float] | None = None

    def add(self, done: EndedTick, schedule: Schedule | None) -> None:
        """Queues what follows a tick, once; `schedule` is None where it was removed meanwhile."""
        if any(step.tick == done.tick for step in self._steps):
            return
        steps = [
            step for step in (self._gc_step(done, schedule), self._command_step(done, schedule)) if step is not None
        ]
        if not steps:
            self._record_start(done.tick)
        self._steps.extend(steps)

    @property
    def busy(self) -> bool:
        """Whether something runs or waits."""
        return self._running is not None or bool(self._steps)

    @property
    def holds_root(self) -> bool:
        """Whether what runs needs the root for itself."""
        return self._running is not None and self._running[0].holds_root

    def advance(self, free: bool) -> None:
        """Begins and ends what is due.

        Args:
          free: whether no run holds the root. Where one does, retention follows that run.
        """
        if self._running is not None:
            step, child, until = self._running
            if not child.ended():
                if time.monotonic() > until:
                    logger.warning("%s took too long and is killed", step.name)
                    run_process.kill(child)
                return
            self._running = None
            self._report(step, child.exit_code())
        if self._steps:
            step = self._steps[0]
            self._record_start(step.tick)
            self._steps.popleft()  # only now: what could not be noted is tried again
            if free or not step.holds_root:
                self._begin(step)

    def stop(self) -> None:
        """Kills what runs."""
        if self._running is not None:
            run_process.kill(self._running[1])

    def _command_step(self, done: EndedTick, schedule: Schedule | None) -> _Step | None:
        """The command of the schedule; None where it has none."""
        if schedule is None:
            return None
        told = schedule.policies.on_success if done.state == "succeeded" else schedule.policies.on_failure
        if not told:
            return None
        with_run = ("/bin/sh", "-c", _WITH_RUN, "sh", str(PROJECT), told, *self._commands.show(done.run_id))
        without = ("/bin/sh", "-c", _WITHOUT, "sh", told)
        environment = {
            "SAE_SCHEDULE": done.schedule,
            "SAE_TICK": done.planned,
            "SAE_STATE": done.state,
            "SAE_RUN": done.run_id,
            "SAE_EXIT_CODE": "" if done.exit_code is None else str(done.exit_code),
        }
        name = f"the command after {done.schedule} {done.planned}"
        command = with_run if done.run_id else without
        return _Step(done.tick, name, command, self._files.root, environment, done.attempt)

    def _gc_step(self, done: EndedTick, schedule: Schedule | None) -> _Step | None:
        """Retention, by the settings that the schedule's runs have; None where nothing ran."""
        if schedule is None or not done.run_id:
            return None
        tidy = self._commands.gc(schedule.work)
        return _Step(done.tick, "retention", tidy, PROJECT, {}, done.attempt, holds_root=True)

    def _begin(self, step: _Step) -> None:
        try:
            child = Child(
                step.command, self._files.hook_output(step.attempt), step.folder, {**os.environ, **step.environment}
            )
        except OSError as error:
            logger.warning("%s cannot be started: %s", step.name, error)
            return
        child.go()
        self._running = (step, child, time.monotonic() + self._timeout)

    def _report(self, step: _Step, exit_code: int | None) -> None:
        path = self._files.hook_output(step.attempt)
        if exit_code:
            end = path.read_text(encoding="utf-8", errors="replace")[-_END:] if path.exists() else ""
            logger.warning("%s ended with %d: %s", step.name, exit_code, " ".join(end.split()))
        else:
            logger.info("%s ended well", step.name)
        path.unlink(missing_ok=True)
