from __future__ import annotations

import os
import pathlib
import subprocess

import pytest

from pipeline.core import root_lock
from pipeline.scheduler import daemon, process_identity, status, times
from pipeline.scheduler.run_process import DaemonFiles
from pipeline.scheduler.store import ScheduleDatabase
from pipeline.scheduler.types import Daemon, DaemonConfig
from tests.builders import schedules as examples
from tests.builders.schedules import at


def noted(root: pathlib.Path, process: int, stopping: int = 0) -> None:
    with ScheduleDatabase.open(root) as database:
        database.connection.execute(
            "INSERT OR REPLACE INTO daemon VALUES (1, ?, ?, '2026-11-24T01:00:00Z', '2026-11-24T02:00:00Z', ?)",
            (process, "", stopping),
        )


@pytest.mark.parametrize(
    ("stopping", "now", "state"),
    [
        (0, "2026-11-24 02:00:30", "running"),
        (1, "2026-11-24 02:00:30", "stopping"),
        (0, "2026-11-24 02:05", "silent"),
        (0, "2026-11-24 01:00", "running"),  # the clock went back
    ],
)
def test_a_running_daemon(
    tmp_path: pathlib.Path, stopping: int, now: str, state: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    noted(tmp_path, os.getpid(), stopping)
    monkeypatch.setattr(times, "now", lambda: at(now))
    with root_lock.hold(DaemonFiles(tmp_path).lock, "", ""):
        found = status.daemon(tmp_path)
    assert found == Daemon(state, os.getpid(), "2026-11-24T01:00:00Z", "2026-11-24T02:00:00Z")


def test_none(tmp_path: pathlib.Path) -> None:
    assert status.daemon(tmp_path) == Daemon("stopped", None, "", "")
    with ScheduleDatabase.open(tmp_path):
        pass
    assert status.daemon(tmp_path) == Daemon("stopped", None, "", "")


def test_a_daemon_that_does_not_hold_its_lock_has_ended_though_its_number_is_in_use(tmp_path: pathlib.Path) -> None:
    noted(tmp_path, os.getpid())
    assert status.daemon(tmp_path) == Daemon("stopped", None, "", "2026-11-24T02:00:00Z")


@pytest.mark.component
def test_an_ended_process_does_not_live() -> None:
    with subprocess.Popen(["/bin/cat"], stdin=subprocess.PIPE) as process:
        identity = process_identity.identity(process.pid)
        assert process_identity.lives(process.pid, identity)
        process.kill()
        os.waitid(os.P_PID, process.pid, os.WEXITED | os.WNOWAIT)
        assert not process_identity.lives(process.pid, identity)  # not even before it is waited for
        process.wait()
        assert not process_identity.lives(process.pid, identity)
    assert process_identity.identity(process.pid) == ""


def test_several_heartbeats_are_missing_before_a_daemon_is_silent() -> None:
    assert status._SILENCE >= 3 * daemon._HEARTBEAT >= 3 * DaemonConfig().poll


ACTIVE = examples.planned()
PAUSED = examples.planned(examples.schedule(paused="2026-11-24T12:00:00Z"))


@pytest.mark.parametrize(
    ("daemon", "found", "expected"),
    [
        (examples.RUNNING, [ACTIVE], False),
        (examples.SILENT, [ACTIVE], True),
        (examples.STOPPED, [ACTIVE, PAUSED], True),
        (examples.NEVER, [ACTIVE], True),
        (examples.STOPPED, [PAUSED], False),
        (examples.SILENT, [PAUSED], False),
        (examples.NEVER, [], False),
    ],
)
def test_schedules_that_are_not_paused_need_a_daemon(daemon, found, expected):
    assert status.unattended(daemon, found) is expected


def test_the_last_tick_tells_whether_a_schedule_fails():
    found = [
        examples.planned(examples.schedule("good"), examples.tick()),
        examples.planned(examples.schedule("bad"), examples.FAILED),
        examples.planned(examples.schedule("late"), examples.MISSED),
        examples.planned(examples.schedule("held"), examples.SKIPPED),
        examples.planned(examples.schedule("new")),
    ]
    assert status.failing(found) == {"bad": examples.FAILED, "late": examples.MISSED}
