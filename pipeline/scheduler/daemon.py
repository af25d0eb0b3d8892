"""`sae schedule run`: follows the schedule database of a root, in the foreground, until it is told to stop.

Signals: SIGTERM or SIGINT plans nothing more and lets the run finish, up to a limit; the second one interrupts the run.
SIGHUP checks the schedule database at once. A daemon that is killed leaves its run running; the next one takes it over.
"""

from __future__ import annotations

import contextlib
import datetime
import logging
import os
import pathlib
import signal
import sqlite3
import time
from collections.abc import Iterator

from pipeline.core import root_lock
from pipeline.core.errors import ExitCode, UnavailableError
from pipeline.scheduler import history, process_identity, tick_planner, times
from pipeline.scheduler.alarm import Alarm
from pipeline.scheduler.clock import Clock, Jumps
from pipeline.scheduler.commands import Commands
from pipeline.scheduler.paths import DaemonFiles
from pipeline.scheduler.service import Service
from pipeline.scheduler.store import ScheduleDatabase
from pipeline.scheduler.types import DaemonConfig

logger = logging.getLogger(__name__)

_LEAVE = (signal.SIGTERM, signal.SIGINT)


_WHOLE_HISTORY = 7 * 86_400.0  # seconds: older skipped ticks are put together
_TIDYING_INTERVAL = 3_600.0  # seconds between looks for such ticks
# Seconds until the next look while a run has no id yet: it gets one within the first second.
_UNTIL_RUN_ID = 0.25


def run(
    root: pathlib.Path,
    commands: Commands | None = None,
    clock: Clock | None = None,
    config: DaemonConfig | None = None,
) -> ExitCode:
    """Does the scheduling in a root until it is told to stop.

    Args:
      root: the pipeline root; made where there is none.
      commands: what to run; None for `sae`.
      clock: None for the machine's.
      config: how often it checks, and how long it waits; None for the defaults.

    Raises:
      LockedError: another daemon is there; says which.
      UnavailableError: the root or its schedule database cannot be used.
    """
    root = root.resolve()
    with (
        _alone(root),
        ScheduleDatabase.open(root, clock) as database,
        Alarm((*_LEAVE, signal.SIGHUP, signal.SIGCHLD)) as alarm,
    ):
        try:
            daemon = _Daemon(root, database, commands or Commands(root), alarm, config or DaemonConfig())
        except (sqlite3.Error, OSError) as error:
            raise UnavailableError(f"cannot write to {root}: {error}; the daemon needs space there") from error
        try:
            daemon.serve()
        finally:
            daemon.close()
    return ExitCode.DONE


@contextlib.contextmanager
def _alone(root: pathlib.Path) -> Iterator[None]:
    """Hold the lock of the daemon."""
    path = DaemonFiles(root).lock
    with contextlib.ExitStack() as stack:
        try:
            root.mkdir(parents=True, exist_ok=True)
            stack.enter_context(
                root_lock.hold(
                    path,
                    f"another daemon follows the schedules of {root}",
                    "one is enough, or choose another root with --root",
                )
            )
        except OSError as error:
            raise UnavailableError(f"cannot write {path}: {error.strerror}; choose another root with --root") from error
        yield


class _Daemon:
    """The loop."""

    def __init__(
        self, root: pathlib.Path, database: ScheduleDatabase, commands: Commands, alarm: Alarm, config: DaemonConfig
    ) -> None:
        self._database = database
        self._alarm = alarm
        self._config = config
        self._service = Service(root, database, commands, alarm.ring, config)
        self._signals = 0  # how often it was told to stop
        self._stop_at: float | None = None
        self._heard = float("-inf")
        self._tidied = float("-inf")
        self._trouble = ""
        self._jumps = Jumps(database.clock)
        self._register()
        logger.info("following the schedules of %s, process %d", root, os.getpid())

    def serve(self) -> None:
        """Checks until it was told to stop and nothing is left to do."""
        while True:
            pause = self._check()
            if self._signals and self._service.idle:
                return
            if self._signals > 1 and not self._service.runs:  # the next daemon sees what could not be recorded
                return
            for number in self._alarm.wait(pause):
                if number in _LEAVE:
                    self._stop(signal.Signals(number).name)
            if self._stop_at is not None and time.monotonic() > self._stop_at:
                self._service.interrupt("interrupted: the daemon was told to stop, and the run took too long")

    def close(self) -> None:
        """Ends what it started, but for a run."""
        self._service.close()

    def _check(self) -> float:
        """Do what is due. Returns the seconds until the next check: until the next tick, if that is sooner.

        What cannot be recorded, on a full disk say, is tried again at the next check.
        """
        self._check_clock()
        try:
            more = self._service.check()
            upcoming = tick_planner.next_tick(self._database.connection, self._database.schedules())
            self._heartbeat()
            self._tidy()
        except (sqlite3.Error, OSError) as error:
            if str(error) != self._trouble:
                self._trouble = str(error)
                logger.warning("cannot go on: %s; trying again every %g s", error, self._config.poll)
            return self._config.poll
        if self._trouble:
            self._trouble = ""
            logger.info("going on again")
        if more:
            return 0.0
        pause = min(self._config.poll, _UNTIL_RUN_ID) if self._service.expects_run_id else self._config.poll
        if upcoming is None or self._signals:
            return pause
        return min(pause, max(0.0, (upcoming - self._database.clock.now()).total_seconds()))

    def _tidy(self) -> None:
        if time.monotonic() - self._tidied < _TIDYING_INTERVAL:
            return
        before = self._database.clock.now() - datetime.timedelta(seconds=_WHOLE_HISTORY)
        if fewer := history.compact(self._database.connection, before):
            logger.info("%d old ticks that started nothing became part of others", fewer)
        self._tidied = time.monotonic()

    def _check_clock(self) -> None:
        if back := self._jumps.back():
            logger.warning(
                "the clock went back by %s: what was planned until then stays decided, and is not planned again; "
                "`sae schedule resume NAME` plans from now on",
                times.in_words(back),
            )

    def _stop(self, name: str) -> None:
        self._signals += 1
        self._service.stop()
        if self._signals > 1:
            logger.info("%s again: interrupting the run", name)
            self._service.interrupt("interrupted: the daemon was told to stop at once")
            return
        logger.info("%s: planning nothing more; a run may take up to %g s to finish", name, self._config.drain)
        self._stop_at = time.monotonic() + self._config.drain
        with contextlib.suppress(sqlite3.Error):  # a full disk: it is only shown
            self._database.connection.execute("UPDATE daemon SET stopping = 1, heard = ?", (self._database.now(),))

    def _register(self) -> None:
        now = self._database.now()
        self._database.connection.execute(
            "INSERT OR REPLACE INTO daemon (id, process, process_identity, since, heard) VALUES (1, ?, ?, ?, ?)",
            (os.getpid(), process_identity.identity(os.getpid()), now, now),
        )

    def _heartbeat(self) -> None:
        if time.monotonic() - self._heard >= self._config.heartbeat:
            self._database.connection.execute("UPDATE daemon SET heard = ?", (self._database.now(),))
            self._heard = time.monotonic()
