"""Run what follows a run: retention (`sae gc`), which the next run waits for, and the command of its schedule.

Each is run at least once: a tick is recorded as done after its last command ended. The daemon after one that was killed
before ends what is left of its command, and runs the commands again.
"""

from __future__ import annotations

import collections
import dataclasses
import logging
import os
import pathlib
import time
from collections.abc import Callable, Iterator

from components.errors import cause_text
from pipeline.core import regular_file
from pipeline.core.project import PROJECT
from pipeline.scheduler import process_identity
from pipeline.scheduler.attempts import EndedTick
from pipeline.scheduler.commands import Commands
from pipeline.scheduler.run_process import Child, DaemonFiles, Process, remove
from pipeline.scheduler.types import Schedule

logger = logging.getLogger(__name__)

# Commands run in the root, with the run's JSON on standard input; without a run it is empty.
_WITH_RUN = 'code=$1; command=$2; shift 2; (cd "$code" && exec "$@") | /bin/sh -c "$command"'
_MAX_OUTPUT = 400  # characters of a failed command's output in the log


@dataclasses.dataclass(frozen=True)
class _Step:
    """A command to run.

    Attributes:
      tick: id of its tick.
      attempt: names the file of its output.
      name: for the log.
      command: program and arguments.
      folder: working directory.
      environment: variables beside the daemon's.
      holds_root: whether it needs the lock of the root.
    """

    tick: int
    attempt: int
    name: str
    command: tuple[str, ...]
    folder: pathlib.Path
    environment: dict[str, str]
    holds_root: bool = False


class Hooks:
    """A queue of commands; one runs at a time."""

    def __init__(
        self, commands: Commands, files: DaemonFiles, record_done: Callable[[int], None], timeout: float
    ) -> None:
        """Start with an empty queue.

        Args:
          commands: on the root.
          files: for their output.
          record_done: called with a tick's id after its last command, also if it has none.
          timeout: seconds that a command may take before it is killed.
        """
        self._timeout = timeout
        self._commands = commands
        self._files = files
        self._record_done = record_done
        self._steps: collections.deque[_Step] = collections.deque()
        self._running: tuple[_Step, Child, float] | None = None
        self._done: set[int] = set()  # ids of ticks whose commands ended, not recorded yet

    def add(self, done: EndedTick, schedule: Schedule | None) -> None:
        """Queue the commands of a tick once; `schedule` is None if it was removed meanwhile."""
        if self._is_known(done.tick):
            return
        self._steps.extend(self._steps_after(done, schedule) if schedule else ())
        self._end(done.tick)

    @property
    def busy(self) -> bool:
        """Return whether a command runs or waits, or an end is not recorded."""
        return self._running is not None or bool(self._steps or self._done)

    @property
    def holds_root(self) -> bool:
        """Return whether the current command needs the lock of the root."""
        return self._running is not None and self._running[0].holds_root

    def advance(self, free: bool) -> None:
        """Start the next command, or collect the current one.

        Args:
          free: whether no run holds the root. Otherwise retention is left to that run.
        """
        self._record()
        if self._running is not None:
            step, child, until = self._running
            if not child.ended():
                if time.monotonic() > until:
                    logger.warning("%s took too long: killed", step.name)
                    child.kill()
                return
            self._running = None
            self._report(step, child.exit_code())
            self._end(step.tick)
        if self._steps:
            step = self._steps.popleft()
            if free or not step.holds_root:
                self._run(step)
            self._end(step.tick)

    def stop(self) -> None:
        """Kill the current command."""
        if self._running is not None:
            self._running[1].kill()

    def _is_known(self, tick: int) -> bool:
        running = self._running is not None and self._running[0].tick == tick
        return running or tick in self._done or any(step.tick == tick for step in self._steps)

    def _end(self, tick: int) -> None:
        """Record that a tick is done, unless a command of it runs or waits."""
        if not self._is_known(tick):
            self._done.add(tick)
            self._record()

    def _record(self) -> None:
        """Record the ticks that are done. An error, such as a full disk, is raised, and the next call repeats it."""
        for tick in sorted(self._done):
            self._record_done(tick)
            self._done.discard(tick)

    def _steps_after(self, done: EndedTick, schedule: Schedule) -> Iterator[_Step]:
        if done.run_id:  # not after a sweep: its points are compared later, and may be more than the runs that are kept
            gc = self._commands.gc(schedule.work)
            name = f"retention after {done.schedule} {done.planned}"
            yield _Step(done.tick, done.attempt, name, gc, PROJECT, {}, holds_root=True)
        policies = schedule.policies
        shell = policies.on_success if done.state == "succeeded" else policies.on_failure
        if not shell:
            return
        command: tuple[str, ...] = ("/bin/sh", "-c", shell)
        if done.run_id:
            command = ("/bin/sh", "-c", _WITH_RUN, "sh", str(PROJECT), shell, *self._commands.show(done.run_id))
        environment = {
            "SAE_SCHEDULE": done.schedule,
            "SAE_TICK": done.planned,
            "SAE_STATE": done.state,
            "SAE_RUN": done.run_id,
            "SAE_EXIT_CODE": "" if done.exit_code is None else str(done.exit_code),
        }
        name = f"the command after {done.schedule} {done.planned}"
        yield _Step(done.tick, done.attempt, name, command, self._files.root, environment)

    def _run(self, step: _Step) -> None:
        try:
            output = self._files.hook_output(step.attempt)
            child = Child(step.command, output, step.folder, {**os.environ, **step.environment})
        except OSError as error:
            logger.warning("cannot start %s: %s", step.name, error)
            return
        try:
            self._files.hook_process(step.attempt).write_text(f"{child.id} {child.identity}\n", encoding="utf-8")
        except OSError:  # a full disk: the command can still be run, and only a killed daemon would leave it behind
            logger.warning("cannot record the process of %s", step.name)
        child.open_gate()
        self._running = (step, child, time.monotonic() + self._timeout)

    def _report(self, step: _Step, exit_code: int | None) -> None:
        path = self._files.hook_output(step.attempt)
        output = regular_file.text(path, "replace") if path.is_file() else ""
        if exit_code:
            end = output[-_MAX_OUTPUT:]
            logger.warning("%s failed with exit code %d: %s", step.name, exit_code, " ".join(end.split()))
        elif step.holds_root and (deleted := self._commands.collected(output)):
            logger.info("%s: %s", step.name, deleted)
        else:
            logger.info("%s succeeded", step.name)
        remove(path)
        remove(self._files.hook_process(step.attempt))


def end_left_behind(files: DaemonFiles) -> None:
    """Kill the commands of a daemon that was killed, with their children; the next check runs them again."""
    for path in files.hook_processes():
        try:
            number, _, identity = regular_file.text(path, "replace").strip().partition(" ")
        except OSError as error:
            logger.warning("cannot read %s: %s; it is left out", path, cause_text(error))
            continue
        if number.isdecimal() and len(number) < 10 and identity:
            if process_identity.is_visible(identity):
                process = Process(int(number), identity)
                process.kill()
                process.ended()  # kills children of one that had ended
                logger.info("ended what was left of a command of the previous daemon, process %s", number)
            else:
                logger.warning("a command of the previous daemon, process %s, may run in another container", number)
        remove(path)
