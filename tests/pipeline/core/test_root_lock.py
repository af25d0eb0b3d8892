"""The holder of a lock file."""

from __future__ import annotations

import contextlib
import datetime
import errno
import fcntl
import os
import pathlib
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence

import psutil
import pytest

from pipeline.core import file_system, root_lock
from pipeline.core.errors import ExitCode, LockedError
from pipeline.core.pipeline_root import Root
from tests import PROJECT
from tests.builders import namespaces, refused_calls
from tests.waiting import wait_until

HOLD = """
import sys, pathlib
from pipeline.core.pipeline_root import Root
with Root(pathlib.Path(sys.argv[1])).lock() as record:
    record("20261124-120000")
    print("held", flush=True)
    sys.stdin.read()
"""
ASK = """
import sys, pathlib
from pipeline.core import root_lock
found = root_lock.holder(pathlib.Path(sys.argv[1]) / "lock")
print(found.run if found else "free")
"""


@contextlib.contextmanager
def holding(root: Root, command: Sequence[str]) -> Iterator[subprocess.Popen[str]]:
    """Another process that holds the root until its standard input ends; `command` begins its command line."""
    process = subprocess.Popen(
        [*command, sys.executable, "-c", HOLD, str(root.path)],
        cwd=PROJECT,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    with process:
        assert process.stdout is not None
        assert process.stdout.readline() == "held\n"
        try:
            yield process
        finally:
            end_of(root, process)


def end_of(root: Root, process: subprocess.Popen[str]) -> None:
    """Kill a holder; what it started in a PID namespace is killed with it, but a moment later."""
    process.kill()
    process.wait()
    with open(root.lock_file) as file:
        wait_until(lambda: not root_lock._is_description_locked(file))


def asked(root: Root, command: Sequence[str]) -> str:
    """The run that holds the root, as another process sees it; `free` if none does."""
    return subprocess.run(
        [*command, sys.executable, "-c", ASK, str(root.path)], cwd=PROJECT, check=True, capture_output=True, text=True
    ).stdout.strip()


def test_the_holder_is_known_while_the_root_is_locked(root):
    assert root_lock.holder(root.lock_file) is None
    before = datetime.datetime.now(datetime.timezone.utc).replace(microsecond=0)
    with root.lock():
        found = root_lock.holder(root.lock_file)
        assert found is not None
        assert before <= found.since <= datetime.datetime.now(datetime.timezone.utc)
    assert root_lock.holder(root.lock_file) is None


def test_a_killed_process_is_no_holder(root):
    gone = subprocess.Popen([sys.executable, "-c", ""])
    gone.wait()
    (root.path / "lock").write_text(f"process {gone.pid} since 2026-11-24 16:00:00+00:00\n")  # an earlier version
    assert root_lock.holder(root.lock_file) is None


def test_a_later_process_with_the_same_number_is_no_holder(root):
    begun = datetime.datetime.fromtimestamp(psutil.Process().create_time(), datetime.timezone.utc)
    for seconds, held in ((-5, False), (0, True), (5, True)):
        since = (begun + datetime.timedelta(seconds=seconds)).replace(microsecond=0)
        (root.path / "lock").write_text(f"process {os.getpid()} since {since.isoformat(sep=' ')}\n")
        assert (root_lock.holder(root.lock_file) is not None) is held


@pytest.mark.parametrize("odd", ["", "nobody", "process 1 since yesterday evening", "process 99999999999999 since a b"])
def test_a_lock_file_with_other_text_has_no_holder(root, odd):
    (root.path / "lock").write_text(odd)
    assert root_lock.holder(root.lock_file) is None


def test_the_lock_names_its_run(root):
    with root.lock() as note_holder:
        assert root_lock.holder(root.lock_file).run == ""
        note_holder("20261124-120000-2")
        assert root_lock.holder(root.lock_file).run == "20261124-120000-2"
        assert root_lock.holder(root.lock_file) is not None
    assert root_lock.holder(root.lock_file) is None


def test_a_process_that_does_not_hold_the_lock_is_no_holder_though_the_file_names_it(root):
    with root.lock():
        text = root.lock_file.read_text()
        assert f"process {os.getpid()} " in text
    root.lock_file.write_text(text)
    assert root_lock.holder(root.lock_file) is None


def test_asking_takes_no_lock(root):
    with root.lock(), open(root.lock_file) as file:
        assert root_lock.holder(root.lock_file) is not None
        del file  # closing a handle of the file must not free the lock
    with holding(root, []) as process:
        assert root_lock.holder(root.lock_file).process == process.pid
        with pytest.raises(LockedError) as caught, root.lock():
            pass
        assert "run 20261124-120000" in str(caught.value)
        assert "boot" not in str(caught.value)


@pytest.mark.parametrize("how", ["renamed", "removed", "replaced", "made again by a library"])
def test_a_root_that_is_renamed_or_removed_ends_its_holder_in_one_line(root, tmp_path, how):
    command = [sys.executable, "-c", HOLD, str(root.path)]
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
    with subprocess.Popen(command, cwd=PROJECT, text=True, **pipes) as process:
        assert process.stdout.readline() == "held\n"
        moved = tmp_path / "moved root"
        root.path.rename(moved)
        if how == "removed":
            shutil.rmtree(moved)
        elif how == "replaced":
            Root(root.path).create()
        elif how != "renamed":
            (root.artifacts / "Trainer" / "model").mkdir(parents=True)
        assert process.wait(60) == ExitCode.ENVIRONMENT
        errors = process.stderr.read()
    [line] = errors.splitlines()
    assert line.startswith(f"error: {root.path} was ")
    if how == "removed":
        assert "removed" in line
    else:
        assert f"--root '{moved}'" in line
        assert root_lock.holder(moved / "lock") is None
        assert (moved / "root.json").is_file()
    assert root.path.exists() is (how == "replaced")  # only empty folders are removed
    assert root.about.exists() is (how == "replaced")
    assert not root.lock_file.exists()


@pytest.mark.component
def test_a_run_in_a_container_is_seen_from_the_host_and_from_another_container(root):
    container = namespaces.in_pid_namespace()
    with holding(root, container) as process:
        assert root_lock.holder(root.lock_file).run == "20261124-120000"
        assert asked(root, container) == "20261124-120000"
        end_of(root, process)
        assert root_lock.holder(root.lock_file) is None
        assert asked(root, container) == "free"


@pytest.mark.component
def test_a_run_on_the_host_is_seen_from_a_container(root):
    container = namespaces.in_pid_namespace()
    with holding(root, []) as process:
        assert asked(root, container) == "20261124-120000"
        end_of(root, process)
        assert asked(root, container) == "free"


@pytest.mark.component
def test_a_killed_run_in_a_container_is_no_holder_though_its_number_is_in_use(root):
    container = namespaces.in_pid_namespace()
    with holding(root, container):
        pass
    assert root_lock.holder(root.lock_file) is None  # process 1 of the host lives
    assert asked(root, container) == "free"  # and process 1 of another container


@pytest.mark.component
def test_a_lock_of_another_host_counts_as_held_while_it_has_heartbeats(root, monkeypatch):
    with holding(root, namespaces.on_another_host()):
        pass
    # The kernel says that it is free, and on a file system of this host it is: the lock is from before a reboot.
    assert root_lock.last_holder(root.lock_file) is None
    monkeypatch.setattr(file_system, "type_of", lambda path: "nfs4")
    found = root_lock.holder(root.lock_file)
    assert (found.host, found.run) == ("other-host", "20261124-120000")
    assert "on other-host since" in str(found)
    assert "cannot be checked from here: last heartbeat" in str(found)
    long_ago = time.time() - 2 * root_lock.SILENCE
    os.utime(root.lock_file, (long_ago, long_ago))
    assert root_lock.holder(root.lock_file) is None
    assert root_lock.last_holder(root.lock_file).silence >= root_lock.SILENCE


@pytest.mark.parametrize("replaced", [False, True])
def test_a_root_stays_locked_when_its_lock_file_is_removed(root, replaced):
    with holding(root, []) as process:
        root.lock_file.unlink()
        if replaced:
            root.lock_file.touch()
        with pytest.raises(LockedError), root.lock():
            pass
        assert process.poll() is None
        root.lock_file.touch()


def test_a_holder_makes_its_lock_file_again(root, monkeypatch):
    monkeypatch.setattr(root_lock, "FILE_CHECK", 0.01)
    with root.lock() as record:
        record("20261124-120000")
        root.lock_file.unlink()
        wait_until(lambda: root_lock.holder(root.lock_file) is not None)
        record("20261124-120001")
        assert asked(root, []) == "20261124-120001"
        with pytest.raises(LockedError) as caught, root.lock():
            pass
        assert "run 20261124-120001" in str(caught.value)
    assert root_lock.holder(root.lock_file) is None
    with root.lock():
        pass


def test_a_holder_makes_no_lock_file_when_another_folder_has_the_path_of_the_locked_one(root, monkeypatch):
    monkeypatch.setattr(root_lock, "FILE_CHECK", 0.01)
    with root_lock.hold(root.lock_file, "", "", root.artifacts):  # as the daemon does
        root.artifacts.rename(root.path / "moved")
        root.artifacts.mkdir()
        root.lock_file.unlink()
        time.sleep(0.1)
        assert not root.lock_file.exists()


def test_a_file_locked_by_an_earlier_version_is_locked(root):
    with open(root.lock_file, "a+") as file:  # earlier versions do not lock the folder
        fcntl.flock(file, fcntl.LOCK_EX)
        with pytest.raises(LockedError), root.lock():
            pass


def test_a_holder_has_heartbeats(root, monkeypatch):
    monkeypatch.setattr(root_lock, "HEARTBEAT", 0.01)
    with root.lock():
        os.utime(root.lock_file, (0, 0))
        wait_until(lambda: root.lock_file.stat().st_mtime != 0)


@pytest.mark.component
@pytest.mark.parametrize("error", [errno.ENOLCK, errno.ENOSYS, errno.EOPNOTSUPP])
def test_a_file_system_without_locks_is_named(root, error):
    if refused_calls.FLOCK is None:
        pytest.skip("the number of the system call is unknown here")
    command = [sys.executable, refused_calls.__file__, str(refused_calls.FLOCK), str(error), sys.executable]
    done = subprocess.run(
        [*command, "-m", "pipeline", "run", "--profile", "sample", "--root", str(root.path)],
        cwd=PROJECT,
        env={**os.environ, "PYTHONPATH": str(PROJECT)},
        capture_output=True,
        text=True,
    )
    assert done.returncode == ExitCode.ENVIRONMENT
    [line] = done.stderr.splitlines()
    assert str(root.lock_file) in line
    assert file_system.type_of(root.path) in line
    assert os.strerror(error) in line
    assert "another" not in line.replace("another root with --root", "")


def test_the_file_system_of_a_path():
    assert file_system.type_of(pathlib.Path("/proc/self")) == "proc"
    assert [file_system.is_shared(kind) for kind in ("nfs4", "fuse.sshfs", "ext4", "tmpfs")] == [
        True,
        True,
        False,
        False,
    ]
