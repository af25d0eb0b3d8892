"""The gate before a run, and its end."""

from __future__ import annotations

import os
import pathlib
import signal
import subprocess
import sys
import time

import pytest

from pipeline.scheduler import process_identity
from pipeline.scheduler.run_process import Child, GatedChild, Process, Watch
from tests.waiting import wait_until

pytestmark = pytest.mark.component


def child(folder: pathlib.Path, *command: str) -> Child:
    return Child(command, folder / "output", folder, os.environ)


def test_a_child_waits_for_the_gate_and_has_an_exit_code(tmp_path: pathlib.Path) -> None:
    found = child(tmp_path, "/bin/sh", "-c", "echo out; echo err >&2; cat; exit 7")
    assert not found.ended()
    assert (tmp_path / "output").read_bytes() == b""
    found.open_gate()
    wait_until(found.ended)
    assert found.exit_code() == 7
    assert (tmp_path / "output").read_text() == "out\nerr\n"  # and nothing on standard input


def test_a_command_that_is_its_own_gate_is_given_a_line(tmp_path: pathlib.Path) -> None:
    found = GatedChild(("/bin/sh", "-c", "read line && echo got $line"), tmp_path / "output", tmp_path, os.environ)
    found.open_gate("one two")
    wait_until(found.ended)
    assert (tmp_path / "output").read_text() == "got one two\n"


@pytest.mark.parametrize(
    ("kind", "command"), [("Child", "touch ran; sleep 60"), ("GatedChild", "read line && touch ran; sleep 0")]
)
def test_nothing_runs_if_the_daemon_is_killed_before_the_gate_opens(
    tmp_path: pathlib.Path, kind: str, command: str
) -> None:
    program = (
        "import os, pathlib, signal, sys; from pipeline.scheduler import run_process;"
        "here = pathlib.Path(sys.argv[1]);"
        f"c = run_process.{kind}(('/bin/sh', '-c', '{command}'), here / 'output', here, os.environ);"
        "print(c.id, c.identity, flush=True); os.kill(os.getpid(), signal.SIGKILL)"
    )
    done = subprocess.run([sys.executable, "-c", program, str(tmp_path)], capture_output=True, text=True, check=False)
    number, identity = done.stdout.split()
    wait_until(lambda: not process_identity.lives(int(number), identity))
    assert not (tmp_path / "ran").exists()


@pytest.mark.parametrize("adopted", [False, True])
def test_remaining_children_are_killed(tmp_path: pathlib.Path, adopted: bool) -> None:
    found = child(tmp_path, "/bin/sh", "-c", "sleep 600 & echo $! > number; wait")
    found.open_gate()
    wait_until(lambda: (tmp_path / "number").exists() and (tmp_path / "number").read_text().endswith("\n"))
    left = int((tmp_path / "number").read_text())
    os.kill(found.id, signal.SIGKILL)
    if adopted:
        os.waitpid(found.id, 0)
        assert process_identity.identity(left)
        other = Process(found.id, found.identity)
        assert (other.ended(), other.exit_code()) == (True, None)
        found._process.returncode = -9  # it was waited for here
    else:
        wait_until(found.ended)
        assert found.exit_code() == -signal.SIGKILL
    wait_until(
        lambda: not process_identity.identity(left) or not process_identity.lives(left, process_identity.identity(left))
    )


def test_a_later_process_with_the_same_id_is_not_touched(tmp_path: pathlib.Path) -> None:
    found = child(tmp_path, "/bin/sleep", "600")
    found.open_gate()
    other = Process(found.id, "an earlier one")
    other.kill()
    assert other.ended()
    time.sleep(0.2)  # a kill takes a moment
    assert not found.ended()
    found.kill()
    wait_until(found.ended)


def test_a_process_that_ignores_the_interrupt_is_killed(tmp_path: pathlib.Path) -> None:
    found = child(tmp_path, "/bin/sh", "-c", "trap '' INT; touch deaf; while true; do sleep 0.1; done")
    watch = Watch(found, timeout=100.0, since=0.0, grace=0.5)
    found.open_gate()
    wait_until(lambda: (tmp_path / "deaf").exists())
    watch.interrupt("enough")
    watch.interrupt("once more")
    wait_until(watch.ended)
    assert (found.exit_code(), watch.interrupted) == (-signal.SIGKILL, "enough")
