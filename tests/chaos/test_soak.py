"""The daemon under fire: the sample every few seconds, while daemon and runs are killed at random.

The last third of the time the daemon is left alone, so that its memory can be compared.
"""

from __future__ import annotations

import collections
import contextlib
import os
import pathlib
import random
import signal
import statistics
import subprocess
import sys
import time
from collections.abc import Iterator

import psutil
import pytest

from pipeline.scheduler import times, triggers
from pipeline.scheduler.store import ScheduleDatabase
from pipeline.scheduler.types import CatchUp, Overlap, Schedule, Tick, Work
from pipeline_config import SchedulePolicies
from tests import PROJECT
from tests.chaos import outcomes

PROGRAM = (
    "import logging, pathlib, sys; from pipeline.scheduler import daemon; "
    "logging.basicConfig(level=logging.INFO, format='%(asctime)s %(levelname)s %(message)s'); "
    "sys.exit(daemon.run(pathlib.Path(sys.argv[1])))"
)
NAME = "soak"
# A model that has hardly learned, so that a run that was killed does not take long to make again.
WORK = Work(
    "sample",
    assignments=(
        "training.epochs=2",
        "training.batch_size=32",
        "evaluation.max_bce=0.6",
        "evaluation.max_bce_worst_label=0.7",
        "evaluation.max_bce_to_mean_image=0.99",
    ),
)
GROWTH = 8.0  # MiB that the memory of a daemon may vary by
PATIENCE = 600.0  # seconds for what is left to do at the end


class Soak:
    """A root under fire."""

    def __init__(self, root: pathlib.Path, chance: random.Random) -> None:
        self.root = root
        self.chance = chance
        self.log = root.with_name("daemon.log")
        self.killed: collections.Counter[str] = collections.Counter()
        self.memory: list[float] = []  # MiB, of the daemon that is there, over time
        self.daemon = self.start()

    def start(self) -> subprocess.Popen[bytes]:
        self.memory = []
        with open(self.log, "ab") as log:
            return subprocess.Popen(
                [sys.executable, "-c", PROGRAM, str(self.root)], cwd=PROJECT, stderr=log, start_new_session=True
            )

    def kill_daemon(self) -> None:
        self.daemon.kill()
        self.daemon.wait()
        self.killed["daemon"] += 1
        if self.chance.random() < 0.3:
            time.sleep(self.chance.uniform(0, 15))  # ticks pass meanwhile
        self.daemon = self.start()

    def kill_run(self) -> None:
        """Any process of a run: the leader, or one that waits at the gate."""
        found = [one for one in self.processes() if one.pid != self.daemon.pid]
        if found:
            with contextlib.suppress(psutil.NoSuchProcess):
                self.chance.choice(found).kill()
                self.killed["run"] += 1

    def processes(self) -> list[psutil.Process]:
        """All that work on the root."""
        found = []
        for one in psutil.process_iter(["cmdline"]):
            if one.pid != os.getpid() and any(str(self.root) in word for word in one.info["cmdline"] or ()):
                found.append(one)
        return found

    def note_memory(self) -> None:
        with contextlib.suppress(psutil.NoSuchProcess):
            self.memory.append(psutil.Process(self.daemon.pid).memory_info().rss / 2**20)

    def fire(self, seconds: float, kills: bool) -> None:
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            time.sleep(self.chance.uniform(0, 10 if kills else 2))
            if self.daemon.poll() is not None:
                raise RuntimeError(f"the daemon ended by itself with {self.daemon.returncode}: see {self.log}")
            self.note_memory()
            if kills:
                self.chance.choices([self.kill_daemon, self.kill_run, lambda: None], [1, 2, 3])[0]()

    def finish(self, database: ScheduleDatabase) -> bool:
        """One run more, to tidy up after killed ones; then the daemon is stopped. Returns whether all ended."""
        database.pause(NAME)
        database.trigger(NAME)
        end = time.monotonic() + PATIENCE
        while any(tick.state in ("waiting", "running") for tick in database.ticks(NAME)):
            if time.monotonic() > end:
                return False
            time.sleep(1)
        self.daemon.send_signal(signal.SIGTERM)
        return self.daemon.wait(PATIENCE) == 0


def faults(soak: Soak, database: ScheduleDatabase, ended: bool) -> Iterator[str]:
    """What is wrong, in sentences."""
    if not ended:
        yield "what was left to do did not end, or the daemon ended badly"
    yield from outcomes.faults_of_ticks(database, NAME)
    yield from outcomes.left_over(soak.processes(), soak.root)
    settled = soak.memory[len(soak.memory) // 3 :]
    if settled and max(settled) - min(settled) > GROWTH:
        yield f"memory went from {min(settled):.1f} to {max(settled):.1f} MiB"
    checked = subprocess.run(
        [sys.executable, "-m", "pipeline", "fsck", "--root", str(soak.root)],
        cwd=PROJECT,
        capture_output=True,
        text=True,
        check=False,
    )
    if checked.returncode:
        yield f"sae fsck: {checked.stdout} {checked.stderr}"


def report(soak: Soak, ticks: tuple[Tick, ...]) -> None:
    started = [tick for tick in ticks if tick.attempts]
    late = [
        (times.from_text(tick.attempts[0].started) - times.from_text(tick.planned)).total_seconds()
        for tick in started
        if tick.decision is not None and tick.decision.value == "started" and not tick.manual
    ]
    codes = collections.Counter(
        "unseen" if one.exit_code is None else str(one.exit_code) for tick in started for one in tick.attempts
    )
    decisions = collections.Counter(tick.decision.value if tick.decision else "none" for tick in ticks)
    states = collections.Counter(tick.state for tick in ticks)
    for name, counted in (("killed", soak.killed), ("decisions", decisions), ("states", states), ("exit codes", codes)):
        print(f"{name:<12}", ", ".join(f"{key} {number}" for key, number in sorted(counted.items())) or "none")
    if late:
        print(f"{'seconds late':<12} median {statistics.median(late):g}, at most {max(late):g}")
    if soak.memory:
        first, last, most = soak.memory[0], soak.memory[-1], max(soak.memory)
        print(f"{'memory':<12} {first:.1f} MiB at first, {last:.1f} at last, {most:.1f} at most")


def test_each_tick_has_one_outcome_and_nothing_is_left_over(
    request: pytest.FixtureRequest, tmp_path: pathlib.Path
) -> None:
    minutes = request.config.option.chaos_minutes
    root = tmp_path / "root"
    with ScheduleDatabase.open(root) as database:
        policies = SchedulePolicies(Overlap.SKIP, CatchUp.ALL, 2, 10.0, 0.0, retries=3, retry_wait=2.0, timeout=0.0)
        database.add(Schedule(NAME, triggers.every("5s"), WORK, policies, database.now()))
        soak = Soak(root, random.Random(request.config.option.chaos_seed))
        try:
            soak.fire(minutes * 40, kills=True)
            soak.fire(minutes * 20, kills=False)
            ended = soak.finish(database)
        finally:
            soak.daemon.kill()
            soak.daemon.wait()
        report(soak, database.ticks(NAME))
        assert list(faults(soak, database, ended)) == []
