"""One root on a small disk, used by two containers: the daemon in one; commands, pages and decisions in the other.

Meanwhile processes are killed, the disk fills up, and the clock of the daemon jumps.
"""

from __future__ import annotations

import collections
import contextlib
import json
import pathlib
import random
import re
import shutil
import signal
import statistics
import subprocess
import sys
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from typing import Any

import psutil
import pytest

from pipeline.core.errors import ExitCode
from pipeline.scheduler.store import ScheduleDatabase
from tests.chaos import outcomes
from tests.chaos.containers import Container, Disk, draw

NAME = "soak"
DAEMON = """
import datetime, logging, pathlib, sys
from pipeline.core.errors import SaeError
from pipeline.scheduler import daemon

root, offset = pathlib.Path(sys.argv[1]), pathlib.Path(sys.argv[2])

def clock():
    return datetime.datetime.now(datetime.timezone.utc) + datetime.timedelta(seconds=float(offset.read_text()))

logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(message)s")
try:
    sys.exit(daemon.run(root, clock=clock))
except SaeError as error:
    logging.error("%s", error)
    sys.exit(error.exit_code)
"""
# A model that has hardly learned, so that a run takes seconds.
_QUICK = (
    "training.epochs=2",
    "training.batch_size=32",
    "evaluation.max_bce=0.6",
    "evaluation.max_bce_worst_label=0.7",
    "evaluation.max_bce_to_mean_image=0.99",
    "retention.runs=3",
    "retention.pushed=1",
)
WORK = ("--profile", "sample", *(word for one in _QUICK for word in ("--set", one)))
SCHEDULE = ("--every", "5s", "--max-late", "10s", "--catch-up", "all", "--catch-up-limit", "2", "--retry-wait", "2s")
MIB = 160  # of the disk
PATIENCE = 600.0  # seconds for what is left to do at the end
ANSWER = 120.0  # seconds for one command that reads, or one page, on a busy machine
PAGES = ("/", "/runs.json", "/schedules", "/models", "/models.json", "/health.json")
READS = {"runs": 4, "models": 2, "show latest": 2, "artifacts": 1, "schedule history": 2, "schedule status": 1, "gc": 1}
WRITES = {
    "promote": 3,
    "rollback": 2,
    "pin": 3,
    "unpin": 2,
    "gc": 2,
    "restore artifact": 2,
    "restore metadata": 1,
    "run": 3,
    "resume": 2,
}
# What a command that writes may end with: another run holds the root, the disk is full, its run is gone, ...
_EXPECTED = {int(code) for code in ExitCode}


class Soak:
    """A root under fire."""

    def __init__(self, folder: pathlib.Path, seed: int) -> None:
        self.folder = folder
        self.mount = folder / "disk"
        self.mount.mkdir()
        self.root = self.mount / "root"
        self.disk = Disk(self.mount, MIB)
        self.seen = self.disk.seen / "root"
        self.chance = random.Random(seed)
        self.offset = folder / "offset"
        self.set_clock(0.0)
        self.log = folder / "daemon.log"
        self.done: collections.Counter[str] = collections.Counter()
        self.faults: list[str] = []
        self.seconds: list[float] = []  # of each answer to a reader
        self.pinned: set[str] = set()
        self.stopping = threading.Event()
        self.users = Container(self.disk, log=folder / "users.log")
        self.containers = [self.users]
        self.port = 0

    def set_clock(self, seconds: float) -> None:
        """Set how far the clock of the daemon is ahead."""
        new = self.folder / "offset.new"
        new.write_text(str(seconds))
        new.replace(self.offset)

    def sae(self, *words: str, timeout: float = PATIENCE) -> subprocess.CompletedProcess[str]:
        """Run the command in the container of the users."""
        command = [*self.users.enter, sys.executable, "-m", "pipeline", *words, "--root", str(self.root)]
        done = subprocess.run(
            command, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=timeout, check=False
        )
        if "Traceback" in done.stderr or "unexpected error" in done.stderr:
            self.note(f"sae {' '.join(words)}: {done.stderr[-1500:]}")
        return done

    def document(self, *words: str) -> dict[str, Any]:
        """Return what a command that reads answers as JSON."""
        done = self.sae(*words, "--json")
        try:
            assert done.returncode == 0
            return dict(json.loads(done.stdout))
        except (AssertionError, ValueError) as error:
            answer = f"exit code {done.returncode}, {done.stdout[:200]!r}, {done.stderr[-500:]!r}"
            raise AssertionError(f"sae {' '.join(words)} --json answered no JSON: {answer}") from error

    def note(self, text: str) -> None:
        self.faults.append(text)
        print(f"{time.strftime('%H:%M:%S')} {text}", flush=True)

    # The daemon

    def start_daemon(self) -> None:
        """Start it as process 1 of a container, or beside one that inherits its children."""
        program = (sys.executable, "-c", DAEMON, str(self.root), str(self.offset))
        kind = draw(self.chance, {"process 1": 1, "same container": 2, "new container": 1})
        last = self.containers[-1]
        if kind == "process 1":
            self.containers.append(Container(self.disk, *program, log=self.log))
            self.waiting, self.daemon = self.containers[-1].outer, self.containers[-1].first
        else:
            if kind == "new container" or last is self.users or last.outer.poll() is not None:
                self.containers.append(Container(self.disk, log=self.log))
            self.waiting, self.daemon = self.containers[-1].start(*program, log=self.log)
        self.done[f"daemon as {kind}"] += 1

    def kill_daemon(self) -> None:
        with contextlib.suppress(psutil.NoSuchProcess):
            self.daemon.kill()
        self.waiting.wait(PATIENCE)
        self.done["killed daemons"] += 1
        if self.chance.random() < 0.3:
            time.sleep(self.chance.uniform(0, 15))  # ticks pass meanwhile
        self.start_daemon()

    def restart_daemon(self) -> None:
        """Start it again if it ended, as systemd does: one that starts on a full disk ends with exit code 6."""
        if (code := self.waiting.poll()) is None:
            return
        self.done[f"daemons that ended with {code}"] += 1
        if code != ExitCode.ENVIRONMENT:
            self.note(f"the daemon ended by itself with {code}: see {self.log}")
        self.start_daemon()

    def kill_process(self) -> None:
        """Kill any other process that works on the root: of a run, a hook, a command or the server."""
        found = [one for one in self.processes() if one.pid != self.daemon.pid]
        if found:
            with contextlib.suppress(psutil.NoSuchProcess):
                one = self.chance.choice(found)
                words = one.cmdline()
                one.kill()
                self.done["killed processes"] += 1
                print(f"{time.strftime('%H:%M:%S')} killed {one.pid}: {' '.join(words)[-200:]}", flush=True)

    def processes(self) -> list[psutil.Process]:
        """Return the processes that work on the root, except those that only wait for one in a namespace."""
        found = []
        for one in psutil.process_iter(["cmdline", "name"]):
            words = one.info["cmdline"] or ()
            if one.info["name"] not in ("nsenter", "unshare", "setpriv") and any(str(self.root) in x for x in words):
                found.append(one)
        return found

    # The disk and the clock

    def fill_disk(self) -> None:
        """Fill it for some seconds."""
        with contextlib.suppress(OSError):  # another process took the space first
            self.disk.fill(self.chance.choice([0, 4096, 2**17, 2**21]))
        self.stopping.wait(self.chance.uniform(3, 20))
        self.disk.free()
        self.done["full disks"] += 1

    def move_clock(self) -> None:
        self.set_clock(self.chance.choice([-40.0, -5.0, 0.0, 5.0, 40.0, 90.0]))
        self.done["clock jumps"] += 1

    def fire(self, seconds: float) -> None:
        """Do harm until the time is over."""
        end = time.monotonic() + seconds
        harm: dict[str, Callable[[], None]] = {
            "kill daemon": self.kill_daemon,
            "kill process": self.kill_process,
            "fill": self.fill_disk,
            "clock": self.move_clock,
        }
        while time.monotonic() < end:
            time.sleep(self.chance.uniform(0, 10))
            self.restart_daemon()
            harm[draw(self.chance, {"kill daemon": 2, "kill process": 4, "fill": 2, "clock": 2})]()

    # The users: one only reads, one decides and deletes

    def read(self) -> None:
        """Read by commands and pages, again and again; each must be answered."""
        chance = random.Random(self.chance.random())
        while not self.stopping.is_set():
            begin = time.monotonic()
            if chance.random() < 0.5:
                self._read_by_command(draw(chance, READS))
            else:
                self._read_page(chance.choice(PAGES))
            self.seconds.append(time.monotonic() - begin)

    def _read_by_command(self, command: str) -> None:
        try:
            done = self.sae(*command.split(), timeout=ANSWER)
        except subprocess.TimeoutExpired:
            self.note(f"sae {command} did not answer in {ANSWER:g} s")
            return
        self.done[f"read: exit code {done.returncode}"] += 1
        if done.returncode not in (0, -9, 137) and "there is no run" not in done.stderr:
            self.note(f"sae {command} ended with {done.returncode}: {done.stderr[-500:]}")

    def _read_page(self, page: str) -> None:
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{self.port}{page}", timeout=ANSWER) as answer:
                answer.read()
                status = answer.status
        except urllib.error.HTTPError as error:
            status, text = error.code, error.read().decode(errors="replace")
            if not (page == "/health.json" and status == 503):
                self.note(f"{page} answered {status}: {text[:500]}")
        except OSError as error:
            try:
                self.server.wait(ANSWER)  # it was killed, and the process that started it has yet to see that
            except subprocess.TimeoutExpired:
                self.note(f"{page} was not answered: {error}")
            self.serve()
            return
        self.done[f"page: {status}"] += 1

    def serve(self) -> None:
        """Start the server, also again after it was killed."""
        log = self.folder / f"server{self.done['servers']}.log"
        log.touch()
        self.server, _ = self.users.start(
            sys.executable, "-m", "pipeline", "serve", "--port", "0", "--root", str(self.root), log=log
        )
        self.done["servers"] += 1
        while not (found := re.search(r"http://127\.0\.0\.1:(\d+)", log.read_text())):
            if self.server.poll() is not None or self.stopping.is_set():
                return
            time.sleep(0.1)
        self.port = int(found[1])

    def write(self) -> None:
        """Run, decide, delete and restore, again and again."""
        chance = random.Random(self.chance.random())
        while not self.stopping.is_set():
            time.sleep(chance.uniform(0, 4))
            kind = draw(chance, WRITES)
            run = f"latest~{chance.randrange(4)}"
            if kind in ("pin", "unpin"):
                run = self._run_id(run) or run
            words = {
                "promote": ("promote", run, "--reason", "soak"),
                "rollback": ("rollback", "--reason", "soak"),
                "pin": ("pin", run, "--reason", "soak"),
                "unpin": ("unpin", run, "--reason", "soak"),
                "gc": ("gc", "--yes", "--set", "retention.runs=1", "--set", "retention.max_mib=0"),
                "restore artifact": ("restore", f"{run}:{chance.choice(['Trainer', 'Report', 'Transform'])}"),
                "restore metadata": ("restore", "--metadata"),
                "run": ("run", *WORK, "--seed", str(chance.randrange(1, 4))),
                "resume": ("resume", run),
            }[kind]
            if kind == "unpin":
                self.pinned.discard(run)  # it may be recorded although the command is killed
            done = self.sae(*words)
            self.done[f"{kind}: exit code {done.returncode}"] += 1
            if done.returncode not in _EXPECTED | {-9, 137}:
                self.note(f"sae {' '.join(words)} ended with {done.returncode}: {done.stderr[-500:]}")
            if kind == "pin" and done.returncode == 0 and "had deleted" not in done.stderr:  # before the pin
                self.pinned.add(run)

    def _run_id(self, run: str) -> str:
        done = self.sae("show", run, "--json")
        return str(json.loads(done.stdout)["row"]["id"]) if done.returncode == 0 else ""

    # The end

    def finish(self) -> None:
        """Repair the disk and the clock, run once more to tidy up after killed runs, and stop everything."""
        self.disk.free()
        for words in (("schedule", "pause", NAME), ("schedule", "trigger", NAME)):
            done = self.sae(*words)
            if done.returncode:
                self.note(f"sae {' '.join(words)}: {done.stderr}")
        self.restart_daemon()
        end = time.monotonic() + PATIENCE
        while {tick["state"] for tick in self._ticks()} & {"waiting", "running"}:
            if time.monotonic() > end:
                self.note("what was left to do did not end")
                break
            time.sleep(1)
        if self.waiting.poll() is None:
            self.daemon.send_signal(signal.SIGTERM)
        if self.waiting.wait(PATIENCE):
            self.note(f"the daemon ended with {self.waiting.returncode}")
        for one in psutil.Process(self.server.pid).children():
            one.terminate()
        self.server.wait(PATIENCE)

    def _ticks(self) -> list[dict[str, object]]:
        return list(self.document("schedule", "history", NAME, "--limit", "100000")["ticks"])

    def copied_database(self) -> ScheduleDatabase:
        """Return a copy of the schedule database: SQLite cannot open it from another mount namespace."""
        copy = self.folder / "copy"
        copy.mkdir()
        for path in self.seen.glob("schedules.sqlite*"):
            shutil.copy(path, copy)
        return ScheduleDatabase.open(copy)

    def close(self) -> None:
        self.stopping.set()
        for container in self.containers:
            container.close()
        self.disk.close()


def faults(soak: Soak, database: ScheduleDatabase) -> Iterator[str]:
    """Say what is wrong at the end."""
    yield from outcomes.faults_of_ticks(database, NAME)
    yield from outcomes.left_over(soak.processes(), soak.seen)
    checked = soak.sae("fsck")
    if checked.returncode:
        yield f"sae fsck: {checked.stdout} {checked.stderr}"
    known = {one["id"] for one in soak.document("runs", "--limit", "100000")["runs"]}
    for run in sorted(soak.pinned & known):  # a restored copy of the store may be older than a run
        nodes = soak.document("show", run)["nodes"]
        for output in (one["artifact"] for node in nodes for one in node["outputs"]):
            if output["state"] != "live":
                yield f"artifact {output['id']} of the pinned run {run} is {output['state']}"


def report(soak: Soak, database: ScheduleDatabase) -> None:
    for key, number in sorted(soak.done.items()):
        print(f"{number:6} {key}")
    ticks = database.ticks(NAME)
    print(
        f"{len(ticks):6} ticks:", dict(collections.Counter(f"{one.decision and one.decision.value}" for one in ticks))
    )
    codes = collections.Counter(str(one.exit_code) for tick in ticks for one in tick.attempts)
    print(f"{sum(codes.values()):6} runs of the daemon, exit codes:", dict(codes))
    if soak.seconds:
        middle, most = statistics.median(soak.seconds), max(soak.seconds)
        print(f"{len(soak.seconds):6} answers: median {middle:.1f} s, at most {most:.1f} s")
    print(f"{len(soak.pinned):6} runs pinned", flush=True)


def test_two_containers_share_a_root_on_a_disk_that_fills_up(
    request: pytest.FixtureRequest, tmp_path: pathlib.Path
) -> None:
    soak = Soak(tmp_path, request.config.option.chaos_seed)
    try:
        first = soak.sae("run", *WORK)
        assert first.returncode == 0, first.stderr
        added = soak.sae("schedule", "add", NAME, *SCHEDULE, *WORK, "--on-success", "sleep 1; cat > /dev/null")
        assert added.returncode == 0, added.stderr
        soak.start_daemon()
        soak.serve()
        users = [threading.Thread(target=work) for work in (soak.read, soak.write)]
        for user in users:
            user.start()
        soak.fire(request.config.option.chaos_minutes * 60)
        soak.stopping.set()
        soak.disk.free()
        for user in users:
            user.join(PATIENCE)
            assert not user.is_alive(), "a user's command did not end"
        soak.finish()
        with soak.copied_database() as database:
            report(soak, database)
            for text in faults(soak, database):
                soak.note(text)
        assert soak.faults == []
    finally:
        soak.close()
