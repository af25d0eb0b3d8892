"""Processes that lack what a terminal gives: streams, a home, a user with rights."""

from __future__ import annotations

import errno
import os
import pathlib
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator

import pytest

from pipeline.core.errors import ExitCode
from pipeline.core.pipeline_root import Root
from tests import PROJECT
from tests.builders import namespaces
from tests.builders.roots import Recorded

pytestmark = pytest.mark.component
ALICE, BOB, GROUP = 54_001, 54_002, 54_100
SAE = (sys.executable, "-m", "pipeline")


@pytest.fixture
def shared() -> Iterator[pathlib.Path]:
    """A folder that a group may write, in one that all users can enter."""
    folder = pathlib.Path(tempfile.mkdtemp(dir="/tmp"))
    try:
        os.chown(folder, -1, GROUP)
        folder.chmod(0o2775)
        yield folder
    except PermissionError:
        pytest.skip("needs root, to become other users")
    finally:
        shutil.rmtree(folder)


def ran(*command: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(command, cwd=PROJECT, capture_output=True, text=True, check=False, timeout=300)


def files(folder: pathlib.Path) -> dict[str, bytes]:
    return {str(path): path.read_bytes() for path in sorted(folder.rglob("*")) if path.is_file()}


@pytest.mark.parametrize("name", ["metadata.sqlite", "lock", "logs", "artifacts/Trainer/model"])
def test_what_belongs_to_another_user_is_named_and_nothing_is_written(shared: pathlib.Path, name: str) -> None:
    make = f"import pathlib; from pipeline.core.pipeline_root import Root; Root(pathlib.Path('{shared}/root')).create()"
    assert ran(*namespaces.as_user(ALICE, GROUP, sys.executable, "-c", make)).returncode == 0
    place = shared / "root" / name
    if "." in name or name == "lock":
        place.touch()
        place.chmod(0o644)
    else:
        place.mkdir(parents=True, exist_ok=True)
        place.chmod(0o755)
        if place.parent.name == "Trainer":
            place.parent.chmod(0o775)
    os.chown(place, ALICE, GROUP)
    before = files(shared)
    done = ran(*namespaces.as_user(BOB, GROUP, *SAE, "run", "--profile", "sample", "--root", str(shared / "root")))
    assert done.returncode == ExitCode.ENVIRONMENT
    [line] = done.stderr.splitlines()
    for part in (str(place), str(ALICE), str(BOB), "chmod -R g+rwX", "--root"):
        assert part in line
    assert files(shared) == before

    done = ran(*namespaces.as_user(BOB, GROUP, *SAE, "doctor", "--profile", "sample", "--root", str(shared / "root")))
    assert done.returncode == ExitCode.ENVIRONMENT
    assert str(place) in done.stdout

    place.chmod(0o775)
    allowed = (
        f"import pathlib; from pipeline.core.pipeline_root import Root; Root(pathlib.Path('{shared}/root')).lock()"
    )
    assert ran(*namespaces.as_user(BOB, GROUP, sys.executable, "-c", allowed)).returncode == 0


def test_every_command_that_writes_names_the_owner_of_a_root(shared: pathlib.Path) -> None:
    recorded = Recorded(shared)
    recorded.run("r1", failed="Trainer")
    for path in (shared, *shared.rglob("*")):
        os.chown(path, ALICE, ALICE)
        path.chmod(0o755 if path.is_dir() else 0o644)
    before = files(shared)
    for command in (
        ("run", "--profile", "sample"),
        ("resume",),
        ("schedule", "add", "a", "--every", "1h"),
        ("schedule", "run"),
        ("restore", "--metadata"),
        ("pin", "r1", "--reason", "good"),
        ("gc", "--yes"),
    ):
        done = ran(*namespaces.as_user(BOB, GROUP, *SAE, *command, "--root", str(recorded.root.path)))
        assert done.returncode == ExitCode.ENVIRONMENT, (command, done.stderr)
        [line] = done.stderr.splitlines()
        for part in (f"{recorded.root.path}", str(ALICE), str(BOB), "chmod -R g+rwX", "--root"):
            assert part in line, (command, line)
    assert files(shared) == before


def test_a_group_shares_schedules(shared: pathlib.Path) -> None:
    root = str(shared / "root")
    for user, name in ((ALICE, "hers"), (BOB, "his")):
        done = ran(*namespaces.as_user(user, GROUP, *SAE, "schedule", "add", name, "--every", "1h", "--root", root))
        assert done.returncode == ExitCode.DONE, done.stderr
    database = shared / "root" / "schedules.sqlite"
    assert database.stat().st_uid == ALICE
    database.chmod(0o644)
    for command in (("pause", "hers"), ("add", "more", "--every", "1h")):
        done = ran(*namespaces.as_user(BOB, GROUP, *SAE, "schedule", *command, "--root", root))
        assert done.returncode == ExitCode.ENVIRONMENT
        [line] = done.stderr.splitlines()
        assert str(database) in line
        assert str(ALICE) in line
    (shared / "root" / "daemon.lock").touch()
    done = ran(*namespaces.as_user(BOB, GROUP, *SAE, "schedule", "run", "--root", root))
    assert done.returncode == ExitCode.ENVIRONMENT
    [line] = done.stderr.splitlines()
    assert "daemon.lock" in line


@pytest.mark.parametrize(
    "command",
    [
        ("doctor", "--profile", "sample"),
        ("plan",),
        ("runs",),
        ("config", "show"),
        ("gc", "--yes"),
        ("schedule", "add", "a", "--on-data-change"),
        ("promote", "r1", "--reason", "it is good"),
    ],
    ids=" ".join,
)
def test_an_unknown_user_without_a_home_gets_the_answers_of_others(
    shared: pathlib.Path, command: tuple[str, ...]
) -> None:
    Recorded(shared).run("r1")
    for path in (shared, *shared.rglob("*")):
        os.chown(path, ALICE, GROUP)
    expected = ran("env", f"PYTHONPATH={PROJECT}", "HOME=/", *SAE, *command, "--root", str(shared / "root"))
    for path in (shared, *shared.rglob("*")):
        os.chown(path, ALICE, GROUP)
    found = ran(*namespaces.as_user(ALICE, GROUP, *SAE, *command, "--root", str(shared / "root")))
    assert "unexpected" not in found.stderr
    assert "Traceback" not in found.stderr
    if command[0] not in ("schedule", "gc", "promote"):
        # Other programs fill the disk meanwhile.
        texts = [re.sub(r"[\d.]+ GiB free", "", done.stdout) for done in (found, expected)]
        assert (found.returncode, texts[0]) == (expected.returncode, texts[1])


CLOSED = (">&-", "2>&-", ">&- 2>&-", "<&- >&- 2>&-")
CODES = {
    "runs": ExitCode.DONE,
    "show r1 --json": ExitCode.DONE,
    "doctor --profile sample": ExitCode.DONE,
    "gc --yes": ExitCode.DONE,
    "schedule list": ExitCode.DONE,
    "serve --get /runs.json": ExitCode.DONE,
    "nosuch": ExitCode.USAGE,
    "show r9": ExitCode.NOT_FOUND,
    "run --profile sample": ExitCode.LOCKED,
}


# A command that prints its answer and one that prints an error, with each stream; the others with all streams closed.
@pytest.mark.parametrize(
    ("command", "closed"),
    [(command, closed) for command in CODES for closed in (CLOSED if command in ("runs", "nosuch") else CLOSED[-1:])],
)
def test_closed_streams_change_no_exit_code_and_no_file(tmp_path: pathlib.Path, command: str, closed: str) -> None:
    code = CODES[command]
    recorded = Recorded(tmp_path)
    recorded.run("r1")
    environment = {**os.environ, "PYTHONPATH": str(PROJECT)}

    def call(rest: str) -> subprocess.CompletedProcess[str]:
        name, _, options = command.partition(" ")
        line = f'"$1" -m pipeline {name} {options} --root "$2" {rest}'
        return subprocess.run(
            ["/bin/sh", "-c", line, "sh", sys.executable, str(recorded.root.path)],
            cwd=PROJECT,
            env=environment,
            capture_output=True,
            text=True,
            check=False,
        )

    if code is ExitCode.LOCKED:
        with Root(recorded.root.path).lock():
            before = files(tmp_path)
            done = call(closed)
            assert files(tmp_path) == before
    else:
        before = files(tmp_path)
        done = call(closed)
        assert files(tmp_path).keys() - before.keys() <= {str(recorded.root.lock_file)}
        assert {name: text for name, text in files(tmp_path).items() if name in before} == before
    assert done.returncode == code
    assert "Traceback" not in done.stderr
    assert "unexpected" not in done.stderr


END = """
import atexit, sys, threading, time
from pipeline.cli import process
class Freed:
    def __del__(self):
        print("freed")
kept = Freed()
atexit.register(print, "at exit")
threading.Thread(target=lambda: (time.sleep(0.2), print("thread"))).start()
print("text")
process.end(3)
print("returned")
"""


def test_a_process_ends_with_its_threads_and_exit_functions_and_frees_no_objects() -> None:
    done = ran(sys.executable, "-c", END)
    assert (done.returncode, done.stdout.split("\n")) == (3, ["text", "thread", "at exit", ""])


@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="needs /dev/full")
def test_python_reports_output_that_cannot_be_written_at_the_end() -> None:
    code = "from pipeline.cli import process\nprint('text')\nprocess.end(3)"
    environment = {**os.environ, "PYTHONUNBUFFERED": ""}
    with open("/dev/full", "w", encoding="utf-8") as full:
        done = subprocess.run(
            [sys.executable, "-c", code], stdout=full, stderr=subprocess.PIPE, text=True, cwd=PROJECT, env=environment
        )
    assert done.returncode == 120
    assert os.strerror(errno.ENOSPC) in done.stderr
