"""One check of the daemon: what ended, what is due, what follows. What it knows is in the schedule database."""

from __future__ import annotations

import logging
import os
import pathlib
from collections.abc import Callable

from pipeline.core import root_lock
from pipeline.core.errors import SaeError
from pipeline.core.pipeline_root import Root
from pipeline.core.project import PROJECT
from pipeline.scheduler import attempt_result, data_watcher, run_process
from pipeline.scheduler.attempt_result import AttemptResult
from pipeline.scheduler.attempts import Attempts, OpenAttempt
from pipeline.scheduler.commands import Commands
from pipeline.scheduler.data_watcher import DataWatcher
from pipeline.scheduler.hooks import Hooks
from pipeline.scheduler.paths import DaemonFiles
from pipeline.scheduler.run_process import Adopted, Child, Process, Watch
from pipeline.scheduler.store import ScheduleDatabase
from pipeline.scheduler.tick_outcomes import Candidate, TickOutcomes
from pipeline.scheduler.types import DaemonConfig, Schedule, TimingKind

logger = logging.getLogger(__name__)


class _Run:
    """A run that goes on.

    Attributes:
      attempt: its id in the schedule database.
      name: for people: `nightly 2026-11-24T03:00:00Z`.
      schedule: name.
      watch: over its process.
      run_id: once it is known.
    """

    def __init__(self, attempt: int, name: str, schedule: str, watch: Watch) -> None:
        self.attempt = attempt
        self.name = name
        self.schedule = schedule
        self.watch = watch
        self.run_id = ""


class Service:
    """The work of a daemon on one root."""

    def __init__(
        self,
        root: pathlib.Path,
        database: ScheduleDatabase,
        commands: Commands,
        wake: Callable[[], object],
        config: DaemonConfig,
    ) -> None:
        """Takes over what an earlier daemon left: its runs that still go on, and those that ended unseen.

        Args:
          root: the pipeline root.
          database: of that root.
          commands: on that root.
          wake: called, in another thread, when it is time to look again.
          config: how long runs and commands may take to end.
        """
        self._config = config
        self._root = Root(root)
        self._database = database
        self._commands = commands
        self._files = DaemonFiles(root)
        self._outcomes = TickOutcomes(database)
        self._attempts = Attempts(database)
        self._data = DataWatcher(self._root, wake)
        self._hooks = Hooks(commands, self._files, self._attempts.record_hooks_started, config.command_timeout)
        self._runs: list[_Run] = []  # never more than one, but for those of a daemon before this one
        self._ended: dict[int, tuple[str, AttemptResult]] = {}  # schedule and result by attempt, not recorded yet
        self._stopping = False
        self._outcomes.restart()
        left = self._attempts.open_attempts()
        self._files.clear_except([attempt.id for attempt in left])
        for attempt in left:
            self._adopt(attempt)

    def check(self) -> bool:
        """Does what there is to do now. Returns whether there is more: then look again at once.

        Raises:
          sqlite3.Error, OSError: something cannot be recorded, such as for want of space. Nothing is lost: look again.
        """
        self._watch_runs()
        self._record_results()
        self._queue_hooks()
        self._hooks.advance(free=not self._root_holder())
        more = False
        if not (self._stopping or self._hooks.holds_root):
            complete = self._outcomes.check(self._root_holder())
            more = self._start() or not complete
        return more

    def stop(self) -> None:
        """Plans and starts nothing more."""
        self._stopping = True

    def interrupt(self, why: str) -> None:
        """Interrupts what runs."""
        for run in self._runs:
            run.watch.interrupt(why)

    @property
    def idle(self) -> bool:
        """Whether nothing runs, and all is recorded."""
        return not (self._runs or self._ended or self._hooks.busy)

    @property
    def runs(self) -> bool:
        """Whether a run goes on."""
        return bool(self._runs)

    @property
    def expects_run_id(self) -> bool:
        """Whether a run goes on that has no id yet."""
        return any(not run.run_id for run in self._runs)

    def close(self) -> None:
        """Ends what the service itself keeps running; runs go on."""
        self._data.stop()
        self._hooks.stop()

    def _adopt(self, attempt: OpenAttempt) -> None:
        name = f"{attempt.schedule} {attempt.planned}"
        if attempt.process is None:
            self._ended[attempt.id] = (attempt.schedule, attempt_result.never_started())
            logger.info("the run of %s was never begun: the daemon ended before", name)
            return
        since = (self._database.clock.now() - attempt.started).total_seconds()
        adopted = Adopted(attempt.process, attempt.identity)
        self._runs.append(self._run(attempt.id, name, attempt.schedule, adopted, since))
        logger.info("looking after the run of %s, process %d, which an earlier daemon began", name, attempt.process)

    def _run(self, attempt: int, name: str, schedule: str, process: Process, since: float) -> _Run:
        found = self._schedule(schedule)
        timeout = found.policies.timeout if found else 0.0
        return _Run(attempt, name, schedule, Watch(process, timeout, since, self._config.interrupt_grace))

    def _root_holder(self) -> str:
        """Which run holds the root, in words; empty where none does."""
        if self._runs:
            return f"that of {self._runs[0].name}"
        if self._ended:
            return "one whose end cannot be recorded yet"
        holder = root_lock.holder(self._root.lock_file)
        return f"one since {holder.since:%Y-%m-%dT%H:%M:%SZ}" if holder else ""

    def _start(self) -> bool:
        """Starts the first tick that may, when the root is free. Returns whether it did."""
        if self._root_holder():
            return False
        for candidate in self._outcomes.candidates():
            schedule = self._schedule(candidate.schedule)
            if schedule is not None and self._begin(candidate, schedule):
                return True
        return False

    def _begin(self, candidate: Candidate, schedule: Schedule) -> bool:
        data = None
        if schedule.timing.kind is TimingKind.DATA_CHANGE and candidate.outcome is not None and not candidate.manual:
            data = self._changed_data(candidate, schedule)
            if data is None:
                return False
        attempt = self._attempts.start(candidate, data)
        if attempt is None:
            return False
        name = f"{candidate.schedule} {candidate.planned}"
        self._files.clear(attempt)
        command = self._commands.run(schedule.work, f"schedule {name}", self._files.run_id(attempt))
        try:
            child = Child(command, self._files.output(attempt), PROJECT, os.environ)
        except OSError as error:
            reason = f"sae run cannot be started: {error}"
            self._ended[attempt] = (schedule.name, AttemptResult("failed", None, reason, may_pass=True))
            return True
        try:
            self._attempts.record_process(attempt, child.id, child.identity)
        except Exception:
            run_process.kill(child)  # at its gate: nothing of it ran
            self._ended[attempt] = (schedule.name, attempt_result.never_started())
            raise
        self._runs.append(self._run(attempt, name, schedule.name, child, 0.0))
        child.go()
        logger.info("%s: %s, process %d", name, candidate.outcome.value if candidate.outcome else "again", child.id)
        return True

    def _changed_data(self, candidate: Candidate, schedule: Schedule) -> str | None:
        """The fingerprint of data that is to be run on; None where it is not, or not known yet."""
        try:
            seen = self._data.fingerprint(candidate.id, schedule.work)
        except SaeError as error:
            self._outcomes.skip(candidate.id, str(error))
            return None
        if seen is None:
            return None
        known = self._attempts.recorded_data(schedule.name)
        if not seen:
            self._outcomes.skip(candidate.id, "no prepared data set found")
        elif seen == known:
            self._outcomes.skip(candidate.id, "the data did not change")
        elif not known and data_watcher.was_run_on(self._root, seen):
            self._attempts.record_data(schedule.name, seen)
            self._outcomes.skip(candidate.id, "first check: a run on this data exists")
        else:
            return seen
        return None

    def _watch_runs(self) -> None:
        """Notes the ids of runs, interrupts those that take too long, sees which ended."""
        for run in list(self._runs):
            if not run.run_id and (run_id := self._run_id(run.attempt)):
                self._attempts.record_run_id(run.attempt, run_id)
                run.run_id = run_id
            if run.watch.ended():
                ended = self._outcome(run)
                self._ended[run.attempt] = (run.schedule, ended)
                self._runs.remove(run)
                logger.info("%s: run %s: %s", run.name, run.run_id or "without an id", ended)

    def _run_id(self, attempt: int) -> str:
        path = self._files.run_id(attempt)
        return path.read_text(encoding="utf-8").strip() if path.exists() else ""

    def _outcome(self, run: _Run) -> AttemptResult:
        row = self._commands.run_state(run.run_id) if run.run_id else {}
        exit_code = run.watch.process.exit_code()
        path = self._files.output(run.attempt)
        output = path.read_text(encoding="utf-8", errors="replace") if path.exists() else ""
        if exit_code is None:
            # Without an id it never held the root; without a word it never got past its gate.
            silent = not (run.run_id or output or run.watch.interrupted)
            return attempt_result.never_started() if silent else attempt_result.from_store(row, run.watch.interrupted)
        return attempt_result.from_exit_code(exit_code, row, output, run.watch.interrupted)

    def _record_results(self) -> None:
        """Records what ended. Where that fails it is tried again at the next look."""
        for attempt, (name, ended) in list(self._ended.items()):
            schedule = self._schedule(name)
            again = schedule is not None and not schedule.paused
            self._attempts.end(attempt, ended, schedule.policies if schedule and again else None)
            del self._ended[attempt]
            self._files.clear(attempt)

    def _queue_hooks(self) -> None:
        """Queues the commands after runs that ended."""
        for done in self._attempts.awaiting_hooks():
            self._hooks.add(done, self._schedule(done.schedule))

    def _schedule(self, name: str) -> Schedule | None:
        return next((schedule for schedule in self._database.schedules() if schedule.name == name), None)
