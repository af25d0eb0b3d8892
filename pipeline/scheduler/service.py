"""Do one check of the daemon: record results, start due ticks, run hooks. Its state is in the schedule database."""

from __future__ import annotations

import contextlib
import dataclasses
import logging
import os
import pathlib
from collections.abc import Callable

from pipeline.core import regular_file, root_lock
from pipeline.core.errors import SaeError
from pipeline.core.pipeline_root import Root
from pipeline.core.project import PROJECT
from pipeline.scheduler import attempt_result, attempts, data_watcher, hooks, process_identity, run_trigger, times
from pipeline.scheduler.attempt_result import AttemptResult
from pipeline.scheduler.attempts import Attempts, OpenAttempt
from pipeline.scheduler.commands import Commands
from pipeline.scheduler.data_watcher import DataWatcher
from pipeline.scheduler.hooks import Hooks
from pipeline.scheduler.run_process import Child, DaemonFiles, DistantProcess, Process, Watch
from pipeline.scheduler.store import ScheduleDatabase
from pipeline.scheduler.tick_outcomes import Candidate, TickOutcomes
from pipeline.scheduler.types import DaemonConfig, Schedule, TimingKind

logger = logging.getLogger(__name__)


@dataclasses.dataclass(frozen=True)
class _Run:
    """A run in progress.

    Attributes:
      attempt: its id in the schedule database.
      name: in messages: `nightly 2026-11-24T03:00:00Z`.
      schedule: name.
      watch: of its process.
      run_id: empty until it is known.
      sweep: name of the sweep that it runs, which has no id; empty: a run.
    """

    attempt: int
    name: str
    schedule: str
    watch: Watch
    run_id: str = ""
    sweep: str = ""


class Service:
    """The work of a daemon on one root.

    Attributes:
      runs: the runs in progress; at most one, except those of previous daemons.
    """

    def __init__(
        self,
        root: pathlib.Path,
        database: ScheduleDatabase,
        commands: Commands,
        wake: Callable[[], object],
        config: DaemonConfig,
    ) -> None:
        """Adopt the runs of previous daemons, also those that ended meanwhile.

        Args:
          root: the pipeline root.
          database: of that root.
          commands: on that root.
          wake: called in another thread when data was read, so that the next check is due.
          config: timeouts.
        """
        self._config = config
        self._root = Root(root)
        self._database = database
        self._commands = commands
        self._files = DaemonFiles(root)
        self._outcomes = TickOutcomes(database)
        self._attempts = Attempts(database)
        self._data = DataWatcher(self._root, wake)
        self._hooks = Hooks(commands, self._files, self._attempts.record_hooks_done, config.command_timeout)
        self.runs: list[_Run] = []
        self._ended: dict[int, tuple[str, AttemptResult]] = {}  # schedule and result by attempt, not recorded yet
        self._damaged: set[int] = set()  # attempts with a damaged file, already logged
        self._stopping = False
        self._outcomes.restart()
        left = self._attempts.open_attempts()
        hooks.end_left_behind(self._files)
        self._files.clear_except([attempt.id for attempt in left])
        for attempt in left:
            self._adopt(attempt)
        self.end_ticks_without_attempt()

    def check(self) -> bool:
        """Do all that is due. Return whether there is more: then check again at once.

        Raises:
          sqlite3.Error, OSError: something cannot be recorded, such as on a full disk; the next check repeats it.
        """
        self._watch_runs()
        self._record_results()
        self._queue_hooks()
        self._hooks.advance(free=not self._root_holder())
        if self._stopping or self._hooks.holds_root:
            return False
        complete = self._outcomes.check(self._root_holder())
        return self._start_candidate() or not complete

    def stop(self) -> None:
        """Stop planning and starting ticks."""
        self._stopping = True

    def interrupt(self, why: str) -> None:
        """Interrupt the runs in progress."""
        for run in self.runs:
            run.watch.interrupt(why)

    def end_ticks_without_attempt(self) -> None:
        """Record the failure of running ticks whose attempt is damaged or was deleted: nothing else would end them."""
        for name, planned in self._attempts.end_ticks_without([*(run.attempt for run in self.runs), *self._ended]):
            logger.warning("%s %s failed: %s", name, planned, attempts.LOST)

    @property
    def idle(self) -> bool:
        """Return whether nothing is in progress and everything is recorded."""
        return not (self.runs or self._ended or self._hooks.busy)

    @property
    def expects_run_id(self) -> bool:
        """Return whether a run in progress has no id yet."""
        return any(not (run.run_id or run.sweep) for run in self.runs)

    def close(self) -> None:
        """Stop checks of data and hooks; runs continue."""
        self._data.stop()
        self._hooks.stop()

    def _adopt(self, attempt: OpenAttempt) -> None:
        name = f"{attempt.schedule} {attempt.planned}"
        if attempt.process is None:
            self._ended[attempt.id] = (attempt.schedule, attempt_result.never_started())
            logger.info("the run of %s was not started: the previous daemon ended first", name)
            return
        since = (self._database.clock() - times.from_text(attempt.started)).total_seconds()
        adopted = (
            Process(attempt.process, attempt.identity)
            if process_identity.is_visible(attempt.identity)
            else DistantProcess(attempt.process, attempt.identity, self._root.lock_file)
        )
        self.runs.append(self._run(attempt.id, name, attempt.schedule, adopted, since))
        logger.info("adopted the run of %s, process %d, of the previous daemon", name, attempt.process)

    def _run(self, attempt: int, name: str, schedule: str, process: Process, since: float) -> _Run:
        found = self._schedule(schedule)
        timeout = found.policies.timeout if found else 0.0
        sweep = found.work.sweep if found else ""
        watch = Watch(process, timeout, since, self._config.interrupt_grace)
        return _Run(attempt, name, schedule, watch, sweep=sweep)

    def _root_holder(self) -> str:
        """Describe the run that holds the root; empty if it is free."""
        if self.runs:
            return f"the run of {self.runs[0].name}"
        if self._ended:
            return "a run whose result cannot be recorded yet"
        holder = root_lock.holder(self._root.lock_file)
        return f"a run started at {holder.since:%Y-%m-%dT%H:%M:%SZ}" if holder else ""

    def _start_candidate(self) -> bool:
        """Start the first candidate if the root is free. Return whether one was started."""
        if self._root_holder():
            return False
        for candidate in self._outcomes.candidates():
            schedule = self._schedule(candidate.schedule)
            if schedule is not None and self._start_run(candidate, schedule):
                return True
        return False

    def _start_run(self, candidate: Candidate, schedule: Schedule) -> bool:
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
        command = self._commands.run(
            schedule.work, run_trigger.as_text(candidate.schedule, candidate.planned), self._files.run_id(attempt)
        )
        try:
            child = Child(command, self._files.output(attempt), PROJECT, os.environ)
        except OSError as error:
            reason = f"cannot start sae run: {error}"
            self._ended[attempt] = (schedule.name, AttemptResult("failed", None, reason, transient=True))
            return True
        try:
            self._attempts.record_process(attempt, child.id, child.identity)
        except Exception:
            child.kill()  # still at its gate
            self._ended[attempt] = (schedule.name, attempt_result.never_started())
            raise
        self.runs.append(self._run(attempt, name, schedule.name, child, 0.0))
        child.open_gate()
        logger.info("%s: %s, process %d", name, candidate.outcome.value if candidate.outcome else "retry", child.id)
        return True

    def _changed_data(self, candidate: Candidate, schedule: Schedule) -> str | None:
        """Return the fingerprint of the data to run on; None if it is unchanged or still being read."""
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
        """Record ids of runs, interrupt those past their timeout, and collect those that ended."""
        for run in list(self.runs):
            if not run.run_id and (run_id := self._run_id(run.attempt)):
                self._attempts.record_run_id(run.attempt, run_id)
                position = self.runs.index(run)
                run = self.runs[position] = dataclasses.replace(run, run_id=run_id)
            if run.watch.ended():
                result = self._result(run)
                self._ended[run.attempt] = (run.schedule, result)
                self.runs.remove(run)
                what = "sweep" if run.sweep else f"run {run.run_id or '(no id)'}"
                logger.info("%s: %s: %s", run.name, what, result)

    def _run_id(self, attempt: int) -> str:
        """Return the id that a run wrote; empty if it wrote none, or its file is damaged, which is logged once."""
        path = self._files.run_id(attempt)
        try:
            return regular_file.text(path).strip()
        except FileNotFoundError:
            return ""
        except (OSError, ValueError) as error:
            if attempt not in self._damaged:
                self._damaged.add(attempt)
                logger.warning("%s is damaged: %s; the run continues without its id here", path, error)
            return ""

    def _output(self, attempt: int) -> str:
        """Return the output of `sae run`; empty if it cannot be read."""
        with contextlib.suppress(OSError):
            return regular_file.text(self._files.output(attempt), "replace")
        return ""

    def _result(self, run: _Run) -> AttemptResult:
        exit_code = run.watch.process.exit_code()
        row = self._commands.run_state(run.run_id) if run.run_id else {}
        if run.sweep and exit_code is not None:  # the points do not tell whether a sweep that nobody observed ended
            row = self._commands.sweep_state(run.sweep)
        output = self._output(run.attempt)
        if exit_code is None:
            # Without an id it never held the root; without output it never passed its gate.
            silent = not (run.run_id or output or run.watch.interrupted or run.attempt in self._damaged)
            return attempt_result.never_started() if silent else attempt_result.from_store(row, run.watch.interrupted)
        return attempt_result.from_exit_code(exit_code, row, output, run.watch.interrupted)

    def _record_results(self) -> None:
        """Record the results of runs that ended. A failure is repeated at the next check."""
        for attempt, (name, result) in list(self._ended.items()):
            schedule = self._schedule(name)
            self._attempts.end(attempt, result, schedule.policies if schedule and not schedule.paused else None)
            del self._ended[attempt]
            self._files.clear(attempt)

    def _queue_hooks(self) -> None:
        """Queue the commands of ticks that ended."""
        for done in self._attempts.awaiting_hooks():
            self._hooks.add(done, self._schedule(done.schedule))

    def _schedule(self, name: str) -> Schedule | None:
        return next((schedule for schedule in self._database.schedules() if schedule.name == name), None)
