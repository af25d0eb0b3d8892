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
from pipeline.scheduler import data_watcher, outcome, run_process
from pipeline.scheduler.attempts import Attempts, Unended
from pipeline.scheduler.commands import Commands
from pipeline.scheduler.data_watcher import DataWatcher
from pipeline.scheduler.hooks import Hooks
from pipeline.scheduler.outcome import Outcome
from pipeline.scheduler.paths import Places
from pipeline.scheduler.run_process import Adopted, Child, Process, Watch
from pipeline.scheduler.store import ScheduleDatabase
from pipeline.scheduler.tick_decisions import Candidate, TickDecisions
from pipeline.scheduler.types import DaemonConfig, Kind, Schedule

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
        self._places = Places(root)
        self._decisions = TickDecisions(database)
        self._attempts = Attempts(database)
        self._data = DataWatcher(self._root, wake)
        self._hooks = Hooks(commands, self._places, self._attempts.note_told, config.command_timeout)
        self._runs: list[_Run] = []  # never more than one, but for those of a daemon before this one
        self._ended: dict[int, tuple[str, Outcome]] = {}  # by attempt: the schedule, and what is still to be recorded
        self._stopping = False
        self._decisions.begin()
        left = self._attempts.unended()
        self._places.clear_others([unended.id for unended in left])
        for unended in left:
            self._take_over(unended)

    def look(self) -> bool:
        """Does what there is to do now. Returns whether there is more: then look again at once.

        Raises:
          sqlite3.Error, OSError: something cannot be recorded, such as for want of space. Nothing is lost: look again.
        """
        self._watch()
        self._close()
        self._follow()
        self._hooks.go_on(free=not self._busy())
        more = False
        if not (self._stopping or self._hooks.holds_root):
            complete = self._decisions.look(self._busy())
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

    def _take_over(self, unended: Unended) -> None:
        name = f"{unended.schedule} {unended.planned}"
        if unended.process is None:
            self._ended[unended.id] = (unended.schedule, outcome.never_begun())
            logger.info("the run of %s was never begun: the daemon ended before", name)
            return
        since = (self._database.clock.now() - unended.started).total_seconds()
        adopted = Adopted(unended.process, unended.identity)
        self._runs.append(self._run(unended.id, name, unended.schedule, adopted, since))
        logger.info("looking after the run of %s, process %d, which an earlier daemon began", name, unended.process)

    def _run(self, attempt: int, name: str, schedule: str, process: Process, since: float) -> _Run:
        found = self._schedule(schedule)
        timeout = found.policies.timeout if found else 0.0
        return _Run(attempt, name, schedule, Watch(process, timeout, since, self._config.interrupt_grace))

    def _busy(self) -> str:
        """Which run holds the root, in words; empty where none does."""
        if self._runs:
            return f"that of {self._runs[0].name}"
        if self._ended:
            return "one whose end cannot be recorded yet"
        holder = root_lock.holder(self._root.lock_file)
        return f"one since {holder.since:%Y-%m-%dT%H:%M:%SZ}" if holder else ""

    def _start(self) -> bool:
        """Starts the first tick that may, when the root is free. Returns whether it did."""
        if self._busy():
            return False
        for candidate in self._decisions.candidates():
            schedule = self._schedule(candidate.schedule)
            if schedule is not None and self._begin(candidate, schedule):
                return True
        return False

    def _begin(self, candidate: Candidate, schedule: Schedule) -> bool:
        data = None
        if schedule.timing.kind is Kind.DATA_CHANGE and candidate.decision is not None and not candidate.manual:
            data = self._changed_data(candidate, schedule)
            if data is None:
                return False
        attempt = self._attempts.begin(candidate, data)
        if attempt is None:
            return False
        name = f"{candidate.schedule} {candidate.planned}"
        self._places.clear(attempt)
        command = self._commands.run(schedule.work, f"schedule {name}", self._places.run_id(attempt))
        try:
            child = Child(command, self._places.output(attempt), PROJECT, os.environ)
        except OSError as error:
            reason = f"sae run cannot be started: {error}"
            self._ended[attempt] = (schedule.name, Outcome("failed", None, reason, may_pass=True))
            return True
        try:
            self._attempts.note_process(attempt, child.id, child.identity)
        except Exception:
            run_process.kill(child)  # at its gate: nothing of it ran
            self._ended[attempt] = (schedule.name, outcome.never_begun())
            raise
        self._runs.append(self._run(attempt, name, schedule.name, child, 0.0))
        child.go()
        logger.info("%s: %s, process %d", name, candidate.decision.value if candidate.decision else "again", child.id)
        return True

    def _changed_data(self, candidate: Candidate, schedule: Schedule) -> str | None:
        """The fingerprint of data that is to be run on; None where it is not, or not known yet."""
        try:
            seen = self._data.fingerprint(candidate.id, schedule.work)
        except SaeError as error:
            self._decisions.skip(candidate.id, str(error))
            return None
        if seen is None:
            return None
        known = self._attempts.data_of(schedule.name)
        if not seen:
            self._decisions.skip(candidate.id, "there is no prepared data set to look at")
        elif seen == known:
            self._decisions.skip(candidate.id, "the data did not change")
        elif not known and data_watcher.was_run_on(self._root, seen):
            self._attempts.remember_data(schedule.name, seen)
            self._decisions.skip(candidate.id, "the first look: there is a run on this data")
        else:
            return seen
        return None

    def _watch(self) -> None:
        """Notes the ids of runs, interrupts those that take too long, sees which ended."""
        for run in list(self._runs):
            if not run.run_id and (run_id := self._run_id(run.attempt)):
                self._attempts.note_run(run.attempt, run_id)
                run.run_id = run_id
            if run.watch.ended():
                ended = self._outcome(run)
                self._ended[run.attempt] = (run.schedule, ended)
                self._runs.remove(run)
                logger.info("%s: run %s: %s", run.name, run.run_id or "without an id", ended)

    def _run_id(self, attempt: int) -> str:
        path = self._places.run_id(attempt)
        return path.read_text(encoding="utf-8").strip() if path.exists() else ""

    def _outcome(self, run: _Run) -> Outcome:
        row = self._commands.row(run.run_id) if run.run_id else {}
        exit_code = run.watch.process.exit_code()
        path = self._places.output(run.attempt)
        output = path.read_text(encoding="utf-8", errors="replace") if path.exists() else ""
        if exit_code is None:
            # Without an id it never held the root; without a word it never got past its gate.
            silent = not (run.run_id or output or run.watch.interrupted)
            return outcome.never_begun() if silent else outcome.of_store(row, run.watch.interrupted)
        return outcome.of_exit(exit_code, row, output, run.watch.interrupted)

    def _close(self) -> None:
        """Records what ended. Where that fails it is tried again at the next look."""
        for attempt, (name, ended) in list(self._ended.items()):
            schedule = self._schedule(name)
            again = schedule is not None and not schedule.paused
            self._attempts.end(attempt, ended, schedule.policies if schedule and again else None)
            del self._ended[attempt]
            self._places.clear(attempt)

    def _follow(self) -> None:
        """Queues the commands after runs that ended."""
        for done in self._attempts.untold():
            self._hooks.add(done, self._schedule(done.schedule))

    def _schedule(self, name: str) -> Schedule | None:
        return next((schedule for schedule in self._database.schedules() if schedule.name == name), None)
