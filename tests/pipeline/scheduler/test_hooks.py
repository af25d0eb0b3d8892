"""What follows a run: real commands."""

from __future__ import annotations

import dataclasses
import json
import logging
import pathlib
import sqlite3
import subprocess
import sys
import time

import pytest

from pipeline.scheduler import hooks, process_identity
from pipeline.scheduler.attempts import EndedTick
from pipeline.scheduler.commands import Commands
from pipeline.scheduler.run_process import DaemonFiles
from pipeline.scheduler.types import Work
from tests.builders.schedules import new_schedule as schedule

pytestmark = pytest.mark.component

DONE = EndedTick(7, "nightly", "2026-11-24T03:00:00Z", "failed", 1, "", 6)


# Stands in for `sae`: there is no run, and the arguments of gc are recorded.
TOLD = """
import sys
if sys.argv[2] == "gc":
    open(sys.argv[1], "a").write(" ".join(sys.argv[2:4] + sys.argv[7:]) + "\\n")
print("no run")
"""


class Following:
    def __init__(self, root: pathlib.Path) -> None:
        DaemonFiles(root).folder.mkdir()
        self.recorded: list[int] = []
        commands = Commands(root, (sys.executable, "-c", TOLD, str(root / "order")))
        self.afterwards = hooks.Hooks(commands, DaemonFiles(root), self.recorded.append, timeout=600)

    def fail(self, tick: int) -> None:
        raise sqlite3.OperationalError("database or disk is full")

    def to_the_end(self, free: bool = True) -> None:
        end = time.monotonic() + 30
        while self.afterwards.busy:
            self.afterwards.advance(free)
            assert time.monotonic() < end
            time.sleep(0.01)


@pytest.fixture
def following(tmp_path: pathlib.Path) -> Following:
    return Following(tmp_path)


RAN = dataclasses.replace(DONE, run_id="x")


def test_gc_with_the_settings_of_the_schedule_runs_before_the_command(
    following: Following, tmp_path: pathlib.Path
) -> None:
    work = Work("sample", "/etc/mine.toml", ("retention.runs=3",))
    tidied = dataclasses.replace(schedule(on_failure="echo hook >> order"), work=work)
    following.afterwards.add(RAN, tidied)
    following.afterwards.add(RAN, schedule(on_failure="echo twice >> order"))
    assert following.recorded == []
    following.to_the_end()
    assert (tmp_path / "order").read_text() == "gc --yes --config /etc/mine.toml --set retention.runs=3\nhook\n"
    assert set(following.recorded) == {7}


def test_what_retention_deleted_is_logged(following: Following, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    deleted = {"artifacts": [{"run": "a"}], "freed": 512}
    program = f"import sys; print({json.dumps(deleted)!r} if sys.argv[1] == 'gc' else 'no run')"
    following.afterwards._commands = Commands(following.afterwards._commands.root, (sys.executable, "-c", program))
    following.afterwards.add(RAN, schedule())
    following.to_the_end()
    assert caplog.messages == ["retention after nightly 2026-11-24T03:00:00Z: deleted 1 artifact of 1 run, 512 B"]


def test_gc_needs_the_lock_of_the_root(following: Following, tmp_path: pathlib.Path) -> None:
    following.afterwards.add(RAN, schedule(on_failure="echo hook >> order"))
    following.afterwards.advance(free=True)
    assert following.afterwards.holds_root
    following.to_the_end()
    assert not following.afterwards.holds_root
    following.afterwards.add(dataclasses.replace(RAN, tick=8), schedule(on_failure="echo hook >> order"))
    following.to_the_end(free=False)
    assert (tmp_path / "order").read_text() == "gc --yes\nhook\nhook\n"  # the run in progress is followed by gc
    assert set(following.recorded) == {7, 8}


def test_a_removed_schedule_or_one_without_command_has_no_hooks(following: Following) -> None:
    for gone in (None, schedule(), schedule(on_success="false")):
        following.afterwards.add(DONE, gone)
    assert following.recorded == [7, 7, 7]
    assert not following.afterwards.busy


def test_a_hook_that_fails_or_takes_too_long_is_logged(
    following: Following, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(following.afterwards, "_timeout", 0.3)
    following.afterwards.add(DONE, schedule(on_failure="echo no mail >&2; exit 3"))
    following.afterwards.add(dataclasses.replace(DONE, tick=8), schedule(on_failure="sleep 600"))
    following.to_the_end()
    assert "the command after nightly 2026-11-24T03:00:00Z failed with exit code 3: no mail" in caplog.text
    assert "took too long: killed" in caplog.text
    assert following.recorded == [7, 8]


def test_an_end_that_cannot_be_recorded_is_recorded_later_and_nothing_runs_twice(
    following: Following, tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(following.afterwards, "_record_done", following.fail)
    following.afterwards.add(DONE, schedule(on_failure="echo hook >> order"))
    with pytest.raises(sqlite3.OperationalError):
        following.to_the_end()
    for _ in range(3):
        following.afterwards.add(DONE, schedule(on_failure="echo hook >> order"))
        with pytest.raises(sqlite3.OperationalError):
            following.afterwards.advance(free=True)
    monkeypatch.setattr(following.afterwards, "_record_done", following.recorded.append)
    following.to_the_end()
    assert following.recorded == [7]
    assert (tmp_path / "order").read_text() == "hook\n"


def test_the_run_is_on_standard_input(following: Following, tmp_path: pathlib.Path) -> None:
    following.afterwards.add(
        dataclasses.replace(DONE, run_id="x", state="succeeded"), schedule(on_success="cat > said")
    )
    following.to_the_end()
    assert (tmp_path / "said").read_text() == "no run\n"  # what stands in for `sae show` says


@pytest.mark.parametrize("which", ["later process with its number", "other container", "unreadable"])
def test_only_what_is_left_of_a_command_is_killed(
    tmp_path: pathlib.Path, caplog: pytest.LogCaptureFixture, which: str
) -> None:
    files = DaemonFiles(tmp_path)
    files.folder.mkdir()
    with subprocess.Popen(["sleep", "600"], start_new_session=True) as other:
        boot, start, namespace = process_identity.identity(other.pid).split("/")
        known = {
            "later process with its number": f"{other.pid} {boot}/{int(start) - 1}/{namespace}",
            "other container": f"{other.pid} {boot}/{start}/pid:[1]",
            "unreadable": f"{other.pid}",
        }
        files.hook_process(1).write_text(known[which] + "\n", encoding="utf-8")
        hooks.end_left_behind(files)
        time.sleep(0.1)
        assert other.poll() is None
        other.kill()
    assert files.hook_processes() == []
    assert ("may run in another container" in caplog.text) is (which == "other container")
