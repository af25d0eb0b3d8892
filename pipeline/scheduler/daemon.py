"""Run the daemon in the foreground (`sae schedule run`) until a signal stops it.

SIGTERM or SIGINT stops planning and lets the run finish, up to a limit; a second one interrupts the run. SIGHUP checks
the schedule database at once. The run of a killed daemon continues, and the next daemon adopts it.
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

from components.errors import cause_text
from pipeline.core import root_lock
from pipeline.core.errors import ExitCode, UnavailableError, advice
from pipeline.core.pipeline_root import refused
from pipeline.scheduler import history, process_identity, schema, times, wording
from pipeline.scheduler.alarm import Alarm
from pipeline.scheduler.commands import Commands
from pipeline.scheduler.run_process import DaemonFiles, reap_orphans
from pipeline.scheduler.service import Service
from pipeline.scheduler.store import ScheduleDatabase
from pipeline.scheduler.times import Clock
from pipeline.scheduler.types import DaemonConfig

logger = logging.getLogger(__name__)

_OTHER = "choose another root with --root"
_STOP_SIGNALS = (signal.SIGTERM, signal.SIGINT)
_HEARTBEAT = 10.0  # seconds between heartbeats in the schedule database
_MERGE_AFTER = 7 * 86_400.0  # seconds: older skipped ticks are merged
_MERGE_INTERVAL = 3_600.0  # seconds
_SMALLEST_JUMP = 1.0  # seconds; time synchronisation corrects a clock by less all the time
# Seconds until the next check while a run has no id yet: it gets one within the first second.
_UNTIL_RUN_ID = 0.25


def run(
    root: pathlib.Path,
    commands: Commands | None = None,
    clock: Clock = times.now,
    config: DaemonConfig | None = None,
) -> ExitCode:
    """Run the schedules of a root until a signal stops the daemon.

    Args:
      root: the pipeline root; created if missing.
      commands: commands to run; None for `sae`.
      clock: the source of the time.
      config: how often it checks, and how long it waits; None for the defaults.

    Raises:
      LockedError: another daemon runs in this root.
      UnavailableError: the root or its schedule database cannot be used.
    """
    root = root.resolve()
    with (
        _alone(root),
        ScheduleDatabase.open(root, clock) as database,
        Alarm((*_STOP_SIGNALS, signal.SIGHUP, signal.SIGCHLD)) as alarm,
    ):
        try:
            daemon = _Daemon(root, database, commands or Commands(root), alarm, config or DaemonConfig())
        except (sqlite3.Error, OSError) as error:
            path = getattr(error, "filename", None) or root / schema.NAME
            raise UnavailableError(schema.unwritable(path, error, _OTHER)) from error
        with contextlib.closing(daemon):
            daemon.serve()
    logger.info("the daemon stopped, process %d", os.getpid())
    return ExitCode.DONE


@contextlib.contextmanager
def _alone(root: pathlib.Path) -> Iterator[None]:
    """Hold the lock of the daemon."""
    path, folder = DaemonFiles(root).lock, DaemonFiles(root).folder
    with contextlib.ExitStack() as stack:
        try:
            if refusal := refused(root, folder, path):
                raise UnavailableError(refusal)
            folder.mkdir(parents=True, exist_ok=True)
            stack.enter_context(
                root_lock.hold(
                    path,
                    f"another daemon runs the schedules of {root}",
                    "stop that one first, or choose another root with --root",
                    folder,
                )
            )
        except OSError as error:
            raise UnavailableError(
                f"cannot write {error.filename or path}: {cause_text(error)}; {advice(error, _OTHER)}"
            ) from error
        yield


class _Daemon:
    """The loop of checks."""

    def __init__(
        self, root: pathlib.Path, database: ScheduleDatabase, commands: Commands, alarm: Alarm, config: DaemonConfig
    ) -> None:
        self._root = root
        self._database = database
        self._alarm = alarm
        self._config = config
        self._service = Service(root, database, commands, alarm.ring, config)
        self._signals = 0  # SIGTERM and SIGINT received
        self._stop_at: float | None = None
        self._heard = float("-inf")
        self._merged_at = float("-inf")
        self._trouble = ""
        self._checked_at = database.clock()
        self._since = database.now()
        self._register()
        logger.info("running the schedules of %s, process %d", root, os.getpid())

    def serve(self) -> None:
        """Check until a signal stops it and nothing is left to do."""
        while True:
            pause = self._check()
            if self._signals and self._service.idle:
                return
            if self._signals > 1 and not self._service.runs:  # the next daemon records the rest
                return
            reap_orphans()
            for number in self._alarm.wait(pause):
                if number in _STOP_SIGNALS:
                    self._stop(signal.Signals(number).name)
            if self._stop_at is not None and time.monotonic() > self._stop_at:
                self._service.interrupt("interrupted: the daemon was stopped, and the run took too long")

    def close(self) -> None:
        """Stop hooks and checks of data; runs continue."""
        self._service.close()

    def _check(self) -> float:
        """Do what is due. Returns the seconds until the next check: until the next tick, if that is sooner.

        What cannot be recorded, such as on a full disk, is repeated at the next check.
        """
        self._check_clock()
        try:
            more = self._service.check()
            upcoming = self._database.next_tick()
            self._heartbeat()
            self._maintain()
        except (sqlite3.Error, OSError) as error:
            if str(error) != self._trouble:
                self._trouble = str(error)
                logger.warning(
                    "cannot write the schedule database: %s; trying again every %g s", error, self._config.poll
                )
            return self._config.poll
        if self._trouble:
            self._trouble = ""
            logger.info("the schedule database can be written again")
        if more:
            return 0.0
        pause = min(self._config.poll, _UNTIL_RUN_ID) if self._service.expects_run_id else self._config.poll
        if upcoming is None or self._signals:
            return pause
        return min(pause, max(0.0, (upcoming - self._database.clock()).total_seconds()))

    def _maintain(self) -> None:
        """Merge old ticks and log damaged rows, every hour."""
        if time.monotonic() - self._merged_at < _MERGE_INTERVAL:
            return
        before = self._database.clock() - datetime.timedelta(seconds=_MERGE_AFTER)
        if fewer := history.compact(self._database.connection, before):
            logger.info("merged %d old skipped ticks", fewer)
        for row in self._database.damaged_rows():
            logger.warning("%s: delete it with `%s`", *wording.damaged(row, self._root))
        self._service.end_ticks_without_attempt()
        self._merged_at = time.monotonic()

    def _check_clock(self) -> None:
        before, self._checked_at = self._checked_at, self._database.clock()
        back = (before - self._checked_at).total_seconds()
        if back >= _SMALLEST_JUMP:
            logger.warning(
                "the clock went back by %s: ticks that have an outcome are not planned again; "
                "`sae schedule resume NAME` plans from now on",
                times.in_words(back),
            )

    def _stop(self, name: str) -> None:
        self._signals += 1
        self._service.stop()
        if self._signals > 1:
            logger.info("%s again: interrupting the run", name)
            self._service.interrupt("interrupted: the daemon was stopped at once")
            return
        left = f"the current run has {self._config.drain:g} s to finish"
        logger.info("%s: no more ticks are started; %s", name, left if self._service.runs else "no run is in progress")
        self._stop_at = time.monotonic() + self._config.drain
        with contextlib.suppress(sqlite3.Error):  # a full disk: it is only shown
            self._register()

    def _register(self) -> None:
        """Write the whole row: it may be damaged or missing."""
        self._database.connection.execute(
            "INSERT OR REPLACE INTO daemon (id, process, process_identity, since, heard, stopping) "
            "VALUES (1, ?, ?, ?, ?, ?)",
            (
                os.getpid(),
                process_identity.identity(os.getpid()),
                self._since,
                self._database.now(),
                int(self._stop_at is not None),
            ),
        )

    def _heartbeat(self) -> None:
        if time.monotonic() - self._heard >= _HEARTBEAT:
            self._register()
            self._heard = time.monotonic()
