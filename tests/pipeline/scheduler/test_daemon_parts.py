"""Parts of the daemon that need no process."""

from __future__ import annotations

import pathlib

import pytest

from pipeline.scheduler.alarm import Alarm
from pipeline.scheduler.commands import Commands
from pipeline.scheduler.daemon import _Daemon
from pipeline.scheduler.run_process import DaemonFiles
from pipeline.scheduler.store import ScheduleDatabase
from pipeline.scheduler.types import DaemonConfig
from tests.builders.schedules import SetClock


def test_files_of_killed_daemons_are_removed(tmp_path: pathlib.Path) -> None:
    files = DaemonFiles(tmp_path)
    files.clear_except([])
    for name in ("1.run", "1.output", "11.run", "12.run.unfinished", "12.command", "2.output"):
        (files.folder / name).touch()
    files.clear_except([1, 2])
    assert sorted(path.name for path in files.folder.iterdir()) == ["1.output", "1.run", "2.output"]
    files.clear(1)
    files.clear(3)
    assert [path.name for path in files.folder.iterdir()] == ["2.output"]


def test_a_clock_that_is_set_back_is_reported_once(tmp_path: pathlib.Path, caplog: pytest.LogCaptureFixture) -> None:
    clock = SetClock("2026-11-24 03:00")
    with ScheduleDatabase.open(tmp_path, clock) as database:
        daemon = _Daemon(tmp_path, database, Commands(tmp_path), Alarm(()), DaemonConfig())
        for seconds in (3_600, -0.9):
            clock.forward(seconds)
            daemon._check_clock()
        assert "went back" not in caplog.text
        clock.forward(-1_800)
        daemon._check_clock()
        daemon._check_clock()
        daemon.close()
    assert caplog.text.count("the clock went back by 30 min: ") == 1
