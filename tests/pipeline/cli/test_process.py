"""Processes that lack what a terminal gives: streams, a home, a user with rights."""

from __future__ import annotations

import contextlib
import errno
import functools
import json
import os
import pathlib
import re
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any, NamedTuple

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


class Done(NamedTuple):
    returncode: int
    stdout: str
    stderr: str


def ran_all(
    commands: Iterable[Sequence[str]], streams: str = "open", enter: Callable[..., Sequence[str]] = lambda *words: words
) -> list[Done]:
    """Run commands of `sae` one after another, as children of one process that has imported them.

    Args:
      commands: without the name `sae`.
      streams: of the commands, `open` or `closed`.
      enter: makes the command line of that process.
    """
    words = (sys.executable, "-m", "tests.builders.forked", streams, json.dumps(list(commands)))
    done = ran(*enter(*words))
    assert done.returncode == 0, done.stderr
    return [Done(*one) for one in json.loads(done.stdout)]


ALICES = functools.partial(namespaces.as_user, ALICE, GROUP)
BOBS = functools.partial(namespaces.as_user, BOB, GROUP)


def files(folder: pathlib.Path) -> dict[str, bytes]:
    return {str(path): path.read_bytes() for path in sorted(folder.rglob("*")) if path.is_file()}


def test_what_belongs_to_another_user_is_named_and_nothing_is_written(shared: pathlib.Path) -> None:
    names = ("metadata.sqlite", "lock", "logs", "artifacts/Trainer/model")
    roots = [shared / f"root{number}" for number in range(len(names))]
    places = [root / name for root, name in zip(roots, names, strict=True)]
    before = os.umask(0o002)
    for root, place in zip(roots, places, strict=True):
        Root(root).create()
        place.parent.mkdir(parents=True, exist_ok=True)
        if place.name in ("metadata.sqlite", "lock"):
            place.touch()
        else:
            place.mkdir(exist_ok=True)
    os.umask(before)
    for path in shared.rglob("*"):
        os.chown(path, ALICE, GROUP)
    for place in places:
        place.chmod(place.stat().st_mode & ~0o020)
    content = files(shared)
    options = [("--profile", "sample", "--root", str(root)) for root in roots]
    runs = ran_all([("run", *one) for one in options], enter=BOBS)
    doctors = ran_all([("doctor", *one) for one in options], enter=BOBS)
    for place, run, doctor in zip(places, runs, doctors, strict=True):
        assert run.returncode == doctor.returncode == ExitCode.ENVIRONMENT, place
        [line] = run.stderr.splitlines()
        for part in (str(place), str(ALICE), str(BOB), "chmod -R g+rwX", "--root"):
            assert part in line
        assert str(place) in doctor.stdout
    assert files(shared) == content

    for place in places:
        place.chmod(0o775)
    code = "import pathlib, sys\nfrom pipeline.core.pipeline_root import Root\n"
    code += "for path in sys.argv[1:]: Root(pathlib.Path(path)).lock()"
    assert ran(*BOBS(sys.executable, "-c", code, *map(str, roots))).returncode == 0


def test_every_command_that_writes_names_the_owner_of_a_root(shared: pathlib.Path) -> None:
    recorded = Recorded(shared)
    recorded.run("r1", failed="Trainer")
    for path in (shared, *shared.rglob("*")):
        os.chown(path, ALICE, ALICE)
        path.chmod(0o755 if path.is_dir() else 0o644)
    before = files(shared)
    commands = (
        ("run", "--profile", "sample"),
        ("resume",),
        ("schedule", "add", "a", "--every", "1h"),
        ("schedule", "run"),
        ("restore", "--metadata"),
        ("pin", "r1", "--reason", "good"),
        ("gc", "--yes"),
    )
    root = str(recorded.root.path)
    for command, done in zip(commands, ran_all([(*one, "--root", root) for one in commands], enter=BOBS), strict=True):
        assert done.returncode == ExitCode.ENVIRONMENT, (command, done.stderr)
        [line] = done.stderr.splitlines()
        for part in (root, str(ALICE), str(BOB), "chmod -R g+rwX", "--root"):
            assert part in line, (command, line)
    assert files(shared) == before


def test_a_group_shares_schedules(shared: pathlib.Path) -> None:
    root = str(shared / "root")
    for enter, name in ((ALICES, "hers"), (BOBS, "his")):
        [done] = ran_all([("schedule", "add", name, "--every", "1h", "--root", root)], enter=enter)
        assert done.returncode == ExitCode.DONE, done.stderr
    database = shared / "root" / "schedules.sqlite"
    assert database.stat().st_uid == ALICE
    database.chmod(0o644)
    (shared / "root" / "daemon.lock").touch()
    commands = (("pause", "hers"), ("add", "more", "--every", "1h"), ("run",))
    *changes, run = ran_all([("schedule", *one, "--root", root) for one in commands], enter=BOBS)
    for done in (*changes, run):
        assert done.returncode == ExitCode.ENVIRONMENT
        [line] = done.stderr.splitlines()
        assert ("daemon.lock" if done is run else str(database)) in line
        assert str(ALICE) in line or done is run


def test_an_unknown_user_without_a_home_gets_the_answers_of_others(
    shared: pathlib.Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("TFDS_DATA_DIR", raising=False)  # a folder that this user may not enter
    Recorded(shared / "recorded").run("r1")
    commands = [
        ("doctor", "--profile", "sample"),
        ("plan",),
        ("runs",),
        ("config", "show"),
        ("gc", "--yes"),
        ("schedule", "add", "a", "--on-data-change"),
        ("promote", "r1", "--reason", "it is good"),
    ]
    roots = [shutil.copytree(shared / "recorded" / "root", shared / f"root{number}") for number in range(len(commands))]
    given = [(*command, "--root", str(root)) for command, root in zip(commands, roots, strict=True)]
    answers = []
    for enter in (lambda *words: ("env", f"PYTHONPATH={PROJECT}", "HOME=/", *words), ALICES):
        for path in (shared, *shared.rglob("*")):
            os.chown(path, ALICE, GROUP)
        answers.append(ran_all(given, enter=enter))
    for command, expected, found in zip(commands, *answers, strict=True):
        assert "unexpected" not in found.stderr
        assert "Traceback" not in found.stderr
        if command[0] not in ("schedule", "gc", "promote"):
            # Other programs fill the disk meanwhile.
            texts = [re.sub(r"[\d.]+ GiB free", "", done.stdout) for done in (found, expected)]
            assert (found.returncode, texts[0]) == (expected.returncode, texts[1])


CLOSED = (">&-", "2>&-", ">&- 2>&-", "<&- >&- 2>&-")
# Its answer, an error, and a run that would be started: with each stream closed, by the shell.
COMMANDS = {"runs": ExitCode.DONE, "nosuch": ExitCode.USAGE, "run --profile sample": ExitCode.LOCKED}


@pytest.mark.parametrize(
    ("command", "closed"),
    [*(("runs", closed) for closed in CLOSED), *((one, CLOSED[-1]) for one in COMMANDS if one != "runs")],
)
def test_closed_streams_change_no_exit_code_and_no_file(tmp_path: pathlib.Path, command: str, closed: str) -> None:
    recorded = Recorded(tmp_path)
    recorded.run("r1")
    line = f'"$1" -m pipeline {command} --root "$2" {closed}'
    with Root(recorded.root.path).lock() if command.startswith("run ") else contextlib.nullcontext():
        before = files(tmp_path)
        done = ran("/bin/sh", "-c", line, "sh", sys.executable, str(recorded.root.path))
        assert files(tmp_path) == before
    assert done.returncode == COMMANDS[command]
    assert "Traceback" not in done.stderr
    assert "unexpected" not in done.stderr


def test_closed_streams_change_no_exit_code_of_other_commands(tmp_path: pathlib.Path) -> None:
    recorded = Recorded(tmp_path)
    recorded.run("r1")
    codes = {
        "show r1 --json": ExitCode.DONE,
        "doctor --profile sample": ExitCode.DONE,
        "gc --yes": ExitCode.DONE,
        "schedule list": ExitCode.DONE,
        "serve --get /runs.json": ExitCode.DONE,
        "show r9": ExitCode.NOT_FOUND,
    }
    before = files(tmp_path)
    found = ran_all([[*command.split(), "--root", str(recorded.root.path)] for command in codes], "closed")
    assert [one.returncode for one in found] == list(codes.values())
    assert files(tmp_path).keys() - before.keys() <= {str(recorded.root.lock_file)}
    assert {name: text for name, text in files(tmp_path).items() if name in before} == before


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


ABANDONED = """
import atexit, threading
from concurrent import futures
from pipeline.cli import process
from pipeline.core import abandoned
begun = threading.Event()
pool = futures.ThreadPoolExecutor(1)
work = pool.submit(lambda: (begun.set(), threading.Event().wait(60)))
begun.wait()
pool.shutdown(wait=False)
abandoned.add([work])
print("text")
process.end(3)
"""


def test_a_process_does_not_wait_for_abandoned_work() -> None:
    begun = time.monotonic()
    done = ran(sys.executable, "-c", ABANDONED)
    assert (done.returncode, done.stdout, done.stderr) == (3, "text\n", "")
    assert time.monotonic() - begun < 30  # the work takes 60 s


def test_a_process_ends_as_always_when_abandoned_work_has_ended() -> None:
    done = ran(sys.executable, "-c", ABANDONED.replace("wait(60)", "wait(0.1)").replace('print("text")', WAIT))
    assert (done.returncode, done.stdout, done.stderr) == (3, "at exit\n", "")


WAIT = """
atexit.register(print, "at exit")
work.result()
"""


INTERRUPTED = """
import atexit, os, signal, threading, time
from pipeline.cli import process
def interrupt():
    while threading.main_thread().is_alive():  # until it waits for this thread
        time.sleep(0.01)
    os.kill(os.getpid(), signal.SIGINT)
    threading.Event().wait()
atexit.register(print, "at exit")
threading.Thread(target=interrupt).start()
process.end(3)
"""


def test_an_interrupt_ends_the_wait_for_threads_and_exit_functions_are_called() -> None:
    done = ran(sys.executable, "-c", INTERRUPTED)
    assert (done.returncode, done.stdout) == (3, "at exit\n")


COMMAND = """
import os, sys
class Freed:
    def __del__(self, write=os.write):
        write(1, b"freed")
sys.kept = Freed()
sys.argv[1:] = ["config", "show"]
from pipeline.cli import main
main()
"""


def test_a_command_frees_no_objects_at_its_end() -> None:
    done = ran(sys.executable, "-c", COMMAND)
    assert (done.returncode, done.stderr) == (0, "")
    assert "max_mib" in done.stdout
    assert "freed" not in done.stdout


@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="needs /dev/full")
def test_python_reports_output_that_cannot_be_written_at_the_end() -> None:
    code = "from pipeline.cli import process\nprint('text')\nprocess.end(0)"
    environment = {**os.environ, "PYTHONUNBUFFERED": ""}
    with open("/dev/full", "w", encoding="utf-8") as full:
        done = subprocess.run(
            [sys.executable, "-c", code], stdout=full, stderr=subprocess.PIPE, text=True, cwd=PROJECT, env=environment
        )
    assert done.returncode == 120
    assert os.strerror(errno.ENOSPC) in done.stderr


@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="needs /dev/full")
@pytest.mark.parametrize(
    ("command", "streams", "code"),
    [
        ("config check", {"stdout"}, ExitCode.ENVIRONMENT),
        ("config check", {"stdout", "stderr"}, ExitCode.ENVIRONMENT),
        ("config none", {"stderr"}, ExitCode.USAGE),
        ("config check --config none.toml", {"stderr"}, ExitCode.USAGE),
    ],
)
def test_a_full_disk_changes_no_exit_code_of_an_error(command: str, streams: set[str], code: ExitCode) -> None:
    environment = {**os.environ, "PYTHONUNBUFFERED": ""}  # Python keeps what it could not write, and tries again
    with open("/dev/full", "w", encoding="utf-8") as full:
        given: dict[str, Any] = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, **dict.fromkeys(streams, full)}
        done = subprocess.run([*SAE, *command.split()], **given, text=True, cwd=PROJECT, env=environment)
    assert done.returncode == code
    assert (done.stderr or "error").startswith("error")
    assert "Exception" not in (done.stderr or "")
