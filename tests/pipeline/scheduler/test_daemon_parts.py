"""Parts of the daemon that need no process."""

from __future__ import annotations

import logging
import os
import pathlib
import signal

import pytest

from pipeline.core.errors import ExitCode
from pipeline.scheduler import process_identity
from pipeline.scheduler.alarm import Alarm
from pipeline.scheduler.commands import Commands
from pipeline.scheduler.daemon import _Daemon, run
from pipeline.scheduler.run_process import DaemonFiles, Process, Watch
from pipeline.scheduler.service import Service, _Run
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


def test_the_end_of_a_daemon_is_logged_and_a_run_is_named_only_if_there_is_one(
    tmp_path: pathlib.Path, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    caplog.set_level(logging.INFO)
    monkeypatch.setattr(Alarm, "wait", lambda self, pause: [signal.SIGTERM])
    assert run(tmp_path, config=DaemonConfig()) == ExitCode.DONE
    _, stopping, stopped = [record.getMessage() for record in caplog.records]
    assert stopping == "SIGTERM: no more ticks are started; no run is in progress"
    assert stopped == f"the daemon stopped, process {os.getpid()}"
    with ScheduleDatabase.open(tmp_path, SetClock("2026-11-24 03:00")) as database:
        daemon = _Daemon(tmp_path, database, Commands(tmp_path), Alarm(()), DaemonConfig(drain=5.0))
        alive = Process(os.getpid(), process_identity.identity(os.getpid()))
        daemon._service.runs.append(_Run(1, "nightly", "nightly", Watch(alive, 0.0, 0.0, 1.0)))
        daemon._stop("SIGTERM")
        daemon.close()
    assert caplog.records[-1].getMessage().endswith("; the current run has 5 s to finish")


@pytest.mark.parametrize("content", [b"\xff\xfe\x00zz", None])
def test_a_damaged_run_id_is_logged_once_and_its_run_goes_on(
    tmp_path: pathlib.Path, caplog: pytest.LogCaptureFixture, content: bytes | None
) -> None:
    with ScheduleDatabase.open(tmp_path, SetClock("2026-11-24 03:00")) as database:
        service = Service(tmp_path, database, Commands(tmp_path), lambda: None, DaemonConfig())
        path = DaemonFiles(tmp_path).run_id(1)
        path.mkdir() if content is None else path.write_bytes(content)
        alive = Process(os.getpid(), process_identity.identity(os.getpid()))
        service.runs.append(_Run(1, "nightly", "nightly", Watch(alive, 0.0, 0.0, 1.0)))
        service._watch_runs()
        service._watch_runs()
        assert [run.run_id for run in service.runs] == [""]
        service.close()
    [line] = [record.getMessage() for record in caplog.records if str(path) in record.getMessage()]
    assert "damaged" in line


def test_folders_with_the_names_of_its_files_do_not_stop_the_daemon(
    tmp_path: pathlib.Path, caplog: pytest.LogCaptureFixture
) -> None:
    folders = [DaemonFiles(tmp_path).folder / name for name in ("999.d", "2.hook", "3.run", "4.output")]
    for folder in folders:
        folder.mkdir(parents=True)
    with ScheduleDatabase.open(tmp_path, SetClock("2026-11-24 03:00")) as database:
        _Daemon(tmp_path, database, Commands(tmp_path), Alarm(()), DaemonConfig()).close()
    assert all(str(folder) in caplog.text for folder in folders)
    assert "remove it by hand" in caplog.text
