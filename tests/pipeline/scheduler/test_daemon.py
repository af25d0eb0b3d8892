"""The real daemon in a process of its own; a tiny program stands in for `sae`."""

from __future__ import annotations

import contextlib
import dataclasses
import itertools
import json
import os
import pathlib
import random
import resource
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import psutil
import pytest

from pipeline.core.errors import ExitCode
from pipeline.core.pipeline_root import Root
from pipeline.scheduler import process_identity, status, times, triggers, wording
from pipeline.scheduler.attempts import Attempts
from pipeline.scheduler.run_process import DaemonFiles
from pipeline.scheduler.store import ScheduleDatabase
from pipeline.scheduler.tick_outcomes import TickOutcomes
from pipeline.scheduler.types import CatchUp, Outcome, Overlap, Tick, Timing, TimingKind, Work
from tests import PROJECT
from tests.builders import namespaces
from tests.builders import schedules as examples
from tests.builders.schedules import new_schedule as schedule
from tests.waiting import lives

pytestmark = pytest.mark.component

STAND_IN = pathlib.Path(__file__).with_name("stand_in.py")
PROGRAM = """
import logging, pathlib, sys
from pipeline.core.errors import SaeError
from pipeline.scheduler import daemon
from pipeline.scheduler.commands import Commands
from pipeline.scheduler.types import DaemonConfig
from tests.builders.schedules import QuickClock

logging.basicConfig(level=logging.INFO, format="%(message)s")
root = pathlib.Path(sys.argv[1])
try:
    config = DaemonConfig(poll=float(sys.argv[3]), interrupt_grace=float(sys.argv[4]))
    commands = Commands(root, (sys.executable, sys.argv[2]))
    code = daemon.run(root, commands, clock=QuickClock(float(sys.argv[5])), config=config)
except SaeError as error:
    print(error, file=sys.stderr)
    code = error.exit_code
heavy = {"tensorflow", "tfx", "apache_beam", "ml_metadata"} & set(sys.modules)
sys.exit(f"it imported {heavy}" if heavy else int(code))
"""
LONGEST = 60.0  # seconds that a busy machine may take for what takes one


class Place:
    """A root, its schedule database, and its daemons, whose clock goes `speed` times as fast as that of the machine."""

    def __init__(self, root: pathlib.Path, speed: int) -> None:
        self.root = root
        self.speed = speed
        Root(root).create()
        self.database = ScheduleDatabase.open(root, examples.QuickClock(speed))
        self.daemons: list[subprocess.Popen[bytes]] = []

    @property
    def log(self) -> str:
        return (self.root / "daemon.txt").read_text(encoding="utf-8")

    def start(self, poll: float = 0.1, grace: float = 20.0, command: Sequence[str] = ()) -> subprocess.Popen[bytes]:
        """A daemon, once it is there; `command` begins its command line and starts it in another PID namespace."""
        words = [sys.executable, "-c", PROGRAM, *map(str, (self.root, STAND_IN, poll, grace, self.speed))]
        with open(self.root / "daemon.txt", "ab") as log:
            begun = subprocess.Popen(
                [*command, *words],
                cwd=PROJECT,
                env={**os.environ, "PYTHONPATH": str(PROJECT)},
                stderr=log,
                start_new_session=True,
            )
        self.daemons.append(begun)

        def is_there() -> bool:
            found = status.daemon(self.root)
            return found.state == "running" if command else found.process == begun.pid

        self.until(lambda: is_there() or begun.poll() is not None)
        return begun

    def kill_daemon(self) -> None:
        """Kill the newest daemon."""
        self.daemons[-1].kill()
        self.daemons[-1].wait()

    def stop_daemon(self) -> None:
        """Stop the newest daemon, which has no run."""
        self.daemons[-1].terminate()
        assert self.daemons[-1].wait() == ExitCode.DONE

    def until(self, true: Callable[[], Any]) -> Any:
        """Waits for something."""
        end = time.monotonic() + LONGEST
        while not (found := true()):
            assert time.monotonic() < end, f"{self.database.ticks()}\n{self.log}"
            time.sleep(0.05)
        return found

    def add(self, name: str, do: str = "", found: Timing | None = None, **policies: Any) -> None:
        """A schedule without ticks of its own in the time of a test, unless a timing is given."""
        work = Work("sample", assignments=(f"do={do}",))
        policies = {"retry_wait": 0.1, **policies}
        added = schedule(name, found or triggers.every("3650d"), self.database.now(), **policies)
        self.database.add(dataclasses.replace(added, work=work))

    def let_runs_end(self, may_end: bool = True) -> None:
        """Let runs with the step `wait` end, or make those that start from now on wait."""
        if may_end:
            (self.root / "go").touch()
        else:
            (self.root / "go").unlink(missing_ok=True)

    def trigger(self, name: str) -> None:
        self.database.trigger(name)

    def tick(self, name: str) -> Tick:
        return self.database.ticks(name, 1)[0]

    def in_state(self, name: str, state: str) -> Tick:
        """The newest tick, once it is so."""
        self.until(lambda: self.tick(name).state == state)
        return self.tick(name)

    def run_of(self, name: str) -> int:
        """The process of the newest tick's run, once it works."""
        run_id = self.until(lambda: wording.run_of(self.tick(name)))
        return next(line["pid"] for line in self.ran() if line["id"] == run_id)

    def all_ended(self) -> bool:
        return all(tick.state not in ("waiting", "running") for tick in self.database.ticks())

    def succeeded(self) -> int:
        """The number of ticks."""
        return [tick.state for tick in self.database.ticks()].count("succeeded")

    def hooks_ended(self) -> bool:
        return bool(self.database.connection.execute("SELECT told FROM ticks").fetchone()[0])

    def ran(self) -> list[dict[str, Any]]:
        path = self.root / "ran.jsonl"
        return [json.loads(line) for line in path.read_text().splitlines()] if path.exists() else []

    def close(self) -> None:
        for one in self.daemons:
            one.kill()
            one.wait()
        for line in self.ran():
            for number in (line["pid"], line.get("child", 0)):
                if (number and "stand_in" in _command(number)) or "sleep" in _command(number):
                    with contextlib.suppress(ProcessLookupError):
                        os.kill(number, signal.SIGKILL)
        self.database.close()


def _command(process: int) -> str:
    with contextlib.suppress(OSError):
        return pathlib.Path(f"/proc/{process}/cmdline").read_text()
    return ""


@pytest.fixture
def place(tmp_path: pathlib.Path, request: pytest.FixtureRequest) -> Iterator[Place]:
    found = Place(tmp_path / "root", getattr(request, "param", 1))
    yield found
    found.close()


# Five seconds take one: ticks are at whole seconds.
quick = pytest.mark.parametrize("place", [5], indirect=True, ids=["quick clock"])


def test_results_of_runs(place: Place) -> None:
    place.start()
    place.add("good", "child:1", on_success="cat > said.json; echo $SAE_SCHEDULE $SAE_STATE > said.txt")
    told = place.root / "told"
    place.add("bad", "exit:1", retries=1, on_failure=f"cat >> {told}; echo $SAE_RUN $SAE_EXIT_CODE >> {told}")
    place.add("gate", "exit:4")
    place.add("early", "early:6", retries=0, on_failure=f"cat > {told}.early; echo +$SAE_RUN+ >> {told}.early")
    place.add("slow", "sleep:100", timeout=1.0)
    names = ("good", "bad", "gate", "early", "slow")
    for name in names:
        place.trigger(name)
    place.until(lambda: all(place.tick(name).state in ("succeeded", "failed", "interrupted") for name in names))
    good, bad, gate, early, slow = (place.tick(name) for name in names)

    assert (good.state, good.decision, good.manual) == ("succeeded", Outcome.STARTED, True)
    place.until(lambda: (place.root / "said.txt").exists() and (place.root / "said.txt").read_text())
    assert json.loads((place.root / "said.json").read_text())["row"]["state"] == "succeeded"
    assert (place.root / "said.txt").read_text() == "good succeeded\n"
    [attempt] = good.attempts
    assert (attempt.exit_code, attempt.reason) == (0, "")
    assert attempt.run_id
    assert attempt.ended >= attempt.started
    first = next(line for line in place.ran() if line["id"] == attempt.run_id)
    assert first["trigger"] == f"schedule good {good.planned}"
    [child] = [line["child"] for line in place.ran() if "child" in line]
    place.until(lambda: not lives(child))  # nothing that a run started outlives it

    assert (bad.state, [one.exit_code for one in bad.attempts]) == ("failed", [1, 1])
    assert bad.attempts[0].reason == "Trainer: it does not learn"
    place.until(lambda: told.exists() and told.read_text().count("\n") == 2)
    run, said = told.read_text().splitlines()
    assert json.loads(run)["row"] == {"id": bad.attempts[1].run_id, "state": "failed", "error": bad.attempts[1].reason}
    assert said == f"{bad.attempts[1].run_id} 1"  # once, after the last attempt

    assert (gate.state, [one.exit_code for one in gate.attempts]) == ("failed", [4])  # the same answer again
    assert (early.state, early.attempts[0].run_id) == ("failed", "")
    assert early.attempts[0].reason == "there is no data; bring it"
    place.until(lambda: (place.root / "told.early").exists() and (place.root / "told.early").read_text() == "++\n")
    assert (slow.state, slow.attempts[0].exit_code) == ("interrupted", 130)
    assert slow.attempts[0].reason == "interrupted after its timeout of 1 s"

    place.stop_daemon()
    assert list((place.root / "scheduling").iterdir()) == []
    assert status.daemon(place.root).state == "stopped"


def test_a_sweep_is_named_with_its_points_and_no_retention_follows(place: Place) -> None:
    added = schedule("weekly", triggers.every("3650d"), place.database.now(), on_success="touch told")
    place.database.add(dataclasses.replace(added, work=Work("sample", sweep="l1")))
    place.start()
    place.trigger("weekly")
    tick = place.in_state("weekly", "succeeded")
    [attempt] = tick.attempts
    assert (attempt.run_id, attempt.reason) == ("", "6 of 6 points of sweep l1")
    assert f"weekly {tick.planned}: sweep: succeeded, 6 of 6 points of sweep l1\n" in place.log
    place.until((place.root / "told").exists)
    assert not (place.root / "tidied.jsonl").exists()


@quick
def test_ticks_of_an_interval_come_and_overlapping_ones_are_skipped(place: Place) -> None:
    place.add("often", "wait", triggers.every("1s"))
    place.start()
    place.until(lambda: "skipped" in [tick.state for tick in place.database.ticks()])
    place.let_runs_end()
    place.until(lambda: place.succeeded() >= 2)
    skipped = [tick for tick in place.database.ticks() if tick.decision is Outcome.SKIPPED]
    assert skipped[-1].reason.startswith("a run held the root: the run of often ")


def test_the_daemon_wakes_for_the_next_tick(place: Place) -> None:
    place.add("often", found=triggers.every("1s"))
    place.start(poll=3600.0)
    place.until(lambda: place.succeeded() >= 2)


@quick
def test_changed_schedules_are_read_while_the_daemon_waits(place: Place) -> None:
    daemon = place.start()
    place.add("one", found=triggers.every("1s"))
    daemon.send_signal(signal.SIGHUP)
    place.until(lambda: any(tick.state == "succeeded" for tick in place.database.ticks("one")))
    place.database.remove("one")
    count = len(place.database.ticks("one"))
    place.add("two", found=triggers.every("1s"))
    place.until(lambda: len(place.database.ticks("two")) >= 2)
    assert len(place.database.ticks("one")) == count


def test_old_skipped_ticks_are_merged(place: Place) -> None:
    place.add("quiet")
    for minute in (10, 20, 30):
        tick = examples.tick(
            "skipped", Outcome.SKIPPED, (), "same", planned=f"2020-01-01T00:{minute}:00Z", name="quiet"
        )
        examples.write(place.database, tick)
    place.start()
    place.until(lambda: len(place.database.ticks("quiet")) == 1)
    assert (place.tick("quiet").count, place.tick("quiet").since) == (3, "2020-01-01T00:10:00Z")
    place.until(lambda: "merged 2 old skipped ticks" in place.log)


def test_a_second_daemon_is_refused_also_where_the_lock_file_was_removed(place: Place) -> None:
    first = place.start()
    assert place.start().wait() == ExitCode.LOCKED
    assert f"another daemon runs the schedules of {place.root}: process {first.pid} since " in place.log
    DaemonFiles(place.root).lock.unlink()
    assert place.start().wait() == ExitCode.LOCKED
    assert first.poll() is None
    place.until(DaemonFiles(place.root).lock.exists)


@quick
def test_a_run_by_hand_holds_the_root(place: Place) -> None:
    place.start()
    place.add("a")
    with Root(place.root).lock():
        place.add("b", found=triggers.every("1s"), overlap=Overlap.SKIP)
        place.trigger("a")
        place.until(lambda: place.database.ticks("b") and place.tick("b").state == "skipped")
        assert place.tick("b").reason.startswith("a run held the root: a run started at 20")
        place.database.pause("b")
        assert place.tick("a").state == "waiting"
    place.in_state("a", "succeeded")


@quick
def test_one_signal_lets_the_run_finish_and_a_second_interrupts_it(place: Place) -> None:
    daemon = place.start()
    place.add("short", "sleep:0.5")
    place.trigger("short")
    place.run_of("short")
    place.add("late", found=triggers.every("1s"))
    daemon.send_signal(signal.SIGINT)
    assert daemon.wait() == ExitCode.DONE
    assert place.tick("short").state == "succeeded"
    place.database.remove("late")

    daemon = place.start()
    place.add("long", "sleep:100")
    place.trigger("long")
    run = place.run_of("long")
    daemon.send_signal(signal.SIGTERM)
    place.until(lambda: status.daemon(place.root).state == "stopping")
    daemon.send_signal(signal.SIGINT)
    assert daemon.wait() == ExitCode.DONE
    assert (place.tick("long").state, place.tick("long").attempts[0].exit_code) == ("interrupted", 130)
    assert place.tick("long").attempts[0].reason == "interrupted: the daemon was stopped at once"
    assert not process_identity.identity(run)


def test_the_configuration_reaches_the_runs(place: Place) -> None:
    place.start(grace=0.5)
    place.add("deaf", "deaf:1,sleep:15", timeout=1.0)
    place.trigger("deaf")
    place.in_state("deaf", "interrupted")
    assert place.tick("deaf").attempts[0].exit_code == -signal.SIGKILL


def test_a_killed_run_is_retried(place: Place) -> None:
    place.start()
    place.add("killed", "wait")
    place.trigger("killed")
    os.kill(place.run_of("killed"), signal.SIGKILL)
    place.let_runs_end()
    tick = place.in_state("killed", "succeeded")
    assert [one.exit_code for one in tick.attempts] == [-signal.SIGKILL, 0]
    assert tick.attempts[0].reason == "the run was killed by SIGKILL"


@pytest.mark.parametrize("during", ["gc", "hook"])
def test_the_hook_of_a_tick_runs_though_the_daemon_died_meanwhile(place: Place, during: str) -> None:
    told = place.root / "told"
    place.start()
    wait = f"until [ -e {place.root / 'go'} ]; do sleep 0.1; done"
    place.add(
        "bad",
        "exit:1,slowgc" if during == "gc" else "exit:1",
        retries=0,
        on_failure=f"echo $SAE_SCHEDULE $SAE_TICK $SAE_RUN >> {told}; {wait}",
    )
    place.trigger("bad")
    waited_for = place.root / "tidied.jsonl" if during == "gc" else told
    place.until(lambda: waited_for.exists() and waited_for.read_text().count("\n") == 1)
    place.kill_daemon()
    place.let_runs_end()
    place.start()
    times_told = 1 if during == "gc" else 2
    place.until(lambda: told.exists() and told.read_text().count("\n") == times_told)
    tick = place.tick("bad")
    assert set(told.read_text().splitlines()) == {f"bad {tick.planned} {tick.attempts[0].run_id}"}
    place.until(place.hooks_ended)


@pytest.mark.parametrize("ends", [False, True], ids=["the shell lives", "only its child lives"])
def test_the_next_daemon_ends_what_is_left_of_a_hook_before_it_runs_it_again(place: Place, ends: bool) -> None:
    told = place.root / "told"
    place.start()
    wait = "true" if ends else "wait"
    stay = "while [ -e go ]; do sleep 0.05; done"
    place.add("bad", "exit:1", retries=0, on_failure=f"sleep 600 & echo $! >> {told}; {wait}; {stay}")
    place.let_runs_end()
    place.trigger("bad")
    place.until(lambda: told.exists() and told.read_text().endswith("\n"))
    [child] = told.read_text().split()
    place.kill_daemon()
    if ends:
        shell = psutil.Process(int(child)).parent()
        assert shell is not None
        for one in (shell, *shell.parents()):
            if one.pid != os.getpid() and os.getpgid(one.pid) == os.getpgid(int(child)):
                one.kill()
    place.start()
    place.until(lambda: len(told.read_text().split()) == 2)
    place.until(lambda: not lives(int(child)))
    place.let_runs_end(may_end=False)
    psutil.Process(int(told.read_text().split()[1])).kill()
    place.until(place.hooks_ended)
    place.until(lambda: not list((place.root / "scheduling").iterdir()))


def test_a_run_that_outlives_its_daemon_is_adopted(place: Place) -> None:
    place.add("long", "wait")
    place.add("longer", "sleep:100", timeout=1.0)
    for name, state in (("long", "succeeded"), ("longer", "interrupted")):
        place.start()
        place.trigger(name)
        run = place.run_of(name)
        place.kill_daemon()
        assert process_identity.identity(run)
        place.start()
        place.let_runs_end()
        tick = place.in_state(name, state)
        [attempt] = tick.attempts
        assert (attempt.exit_code, attempt.ended, tick.decision) == (None, "", Outcome.STARTED)
        place.stop_daemon()


@quick
def test_a_daemon_in_a_container_is_healthy_and_sees_runs_outside_of_it(place: Place) -> None:
    place.add("held")
    place.let_runs_end()
    with Root(place.root).lock():
        place.start(command=namespaces.in_pid_namespace())
        assert status.daemon(place.root).state == "running"
        place.add("more", found=Timing(TimingKind.EVERY, every=1.0))
        place.until(lambda: place.database.ticks("more") and place.tick("more").state == "skipped")
    place.trigger("held")
    place.in_state("held", "succeeded")


def test_a_daemon_that_is_process_1_reaps_what_hooks_leave_and_obeys_sigterm(place: Place) -> None:
    container = place.start(command=namespaces.in_pid_namespace())
    [daemon] = psutil.Process(container.pid).children()
    # The command ends once its children have sessions of their own; until then they end with it.
    leave = "setsid sh -c 'touch begun; sleep 0.5; touch left' & setsid sh -c 'touch left-at-once' & "
    leave += "until [ -e begun ] && [ -e left-at-once ]; do sleep 0.02; done"
    place.add("bad", "early:6", retries=0, on_failure=leave)
    for _ in range(3):
        place.trigger("bad")
        place.until(lambda: (place.root / "left").exists())
        for name in ("begun", "left", "left-at-once"):
            (place.root / name).unlink()
        place.until(lambda: not daemon.children(recursive=True))
    daemon.send_signal(signal.SIGTERM)
    assert container.wait(LONGEST) == ExitCode.DONE
    assert all(tick.state == "failed" for tick in place.database.ticks("bad"))


def test_a_killed_run_of_a_container_does_not_hold_the_root(place: Place) -> None:
    """Its process number, 1 or a bit more, is in use in the next container as well."""
    container = namespaces.in_pid_namespace()
    place.start(command=container)
    place.add("both", "wait")
    place.trigger("both")
    place.run_of("both")
    place.kill_daemon()
    place.until(lambda: status.daemon(place.root).state == "stopped")
    place.let_runs_end()
    place.start(command=container)
    tick = place.in_state("both", "succeeded")
    assert [one.exit_code for one in tick.attempts] == [None, 0]


def test_a_run_in_another_container_is_adopted(place: Place) -> None:
    """The daemon there was killed, but not process 1 of its container."""
    shell = namespaces.in_pid_namespace("/bin/sh", "-c", '"$@"; sleep 600', "sh")
    container = place.start(command=shell)
    place.add("long", "wait")
    place.trigger("long")
    place.run_of("long")
    [daemon] = [
        one
        for one in psutil.Process(container.pid).children(recursive=True)
        if PROGRAM in one.cmdline() and "/bin/sh" not in one.cmdline()
    ]
    daemon.kill()
    place.until(lambda: status.daemon(place.root).state == "stopped")
    place.start()
    place.until(lambda: "adopted the run of long" in place.log)
    assert place.tick("long").state == "running"
    place.let_runs_end()
    tick = place.in_state("long", "succeeded")
    assert len(tick.attempts) == 1
    assert len({line["id"] for line in place.ran()}) == 1


def test_runs_that_ended_without_a_daemon_are_read_from_ml_metadata(place: Place) -> None:
    for name, do, state in (("good", "wait", "succeeded"), ("bad", "wait,exit:1", "failed")):
        place.start()
        place.add(name, do)
        place.trigger(name)
        run = place.run_of(name)
        place.kill_daemon()
        place.let_runs_end()
        place.until(lambda run=run: not lives(run))
        place.let_runs_end(False)
        place.start()
        assert len(place.in_state(name, state).attempts) == 1
        place.stop_daemon()
    assert place.tick("bad").attempts[0].reason == "Trainer: it does not learn"


def test_a_run_that_died_with_its_daemon_is_retried(place: Place) -> None:
    """As after a reboot."""
    place.start()
    place.add("both", "wait")
    place.trigger("both")
    run = place.run_of("both")
    place.kill_daemon()
    os.kill(run, signal.SIGKILL)
    place.until(lambda: not lives(run))
    place.let_runs_end()
    place.start()
    tick = place.in_state("both", "succeeded")
    assert [one.exit_code for one in tick.attempts] == [None, 0]
    assert tick.attempts[0].reason == "the run ended without a daemon, and did not finish"


def test_a_daemon_that_died_between_outcome_and_start(place: Place) -> None:
    """The next one begins the run, also where nothing is to be tried again, and where its process is known."""
    for name in ("begun", "gated"):
        place.add(name, retries=0)
        place.trigger(name)
    attempts = Attempts(place.database)
    found = {one.schedule: attempts.start(one) for one in TickOutcomes(place.database).candidates()}
    assert found["begun"] is not None
    assert found["gated"] is not None
    attempts.record_process(found["gated"], 2**22 + 1, "one that ended at its gate")
    place.start()
    for name in found:
        tick = place.in_state(name, "succeeded")
        assert [one.exit_code for one in tick.attempts] == [None, 0]
        assert tick.attempts[0].reason == "the daemon ended before the run started"


def test_killed_at_any_moment_no_tick_is_lost_or_run_twice(place: Place) -> None:
    """Each daemon lives for a random time; in the end all ticks are there, each with one decision."""
    place.add("often", "sleep:0.1", triggers.every("1s"), catch_up=CatchUp.ALL, catch_up_limit=1000, max_late=0.5)
    chance = random.Random(0)
    for _ in range(5):
        place.start()
        time.sleep(chance.uniform(0, 1))
        place.kill_daemon()
    place.start()
    place.until(lambda: place.ran())
    place.database.pause("often")
    place.until(place.all_ended)
    place.stop_daemon()

    ticks = place.database.ticks("often")
    assert all(tick.decision is not None for tick in ticks)
    added = place.database.schedule("often")
    seconds = [times.from_text(tick.planned) for tick in reversed(ticks)]
    wanted = triggers.between(added.timing, times.from_text(added.created), times.from_text(added.created), seconds[-1])
    assert seconds == list(wanted)
    began = [line["id"] for line in place.ran() if "arguments" in line]
    noted = [one.run_id for tick in ticks for one in tick.attempts if one.run_id]
    assert len(noted) == len(set(noted))
    assert set(noted) <= set(began)
    succeeded = [line["trigger"] for line in place.ran() if line["state"] == "succeeded"]
    assert len(succeeded) == len(set(succeeded))  # no tick ran to its end twice
    for tick in ticks:
        assert bool(tick.attempts) is (tick.decision in (Outcome.STARTED, Outcome.CAUGHT_UP))


def test_schedules_keep_all_options_of_a_run(place: Place) -> None:
    added = schedule("all", triggers.every("3650d"), place.database.now())
    work = Work("mnist", "/etc/sae.toml", ("a=b c", "do="), 7)
    place.database.add(dataclasses.replace(added, work=work))
    place.trigger("all")
    place.start()
    place.in_state("all", "succeeded")
    [line] = [line for line in place.ran() if "arguments" in line]
    arguments = line["arguments"]
    assert arguments[:3] == ["run", "--profile", "mnist"]
    assert arguments[3:11] == ["--config", "/etc/sae.toml", "--set", "a=b c", "--set", "do=", "--seed", "7"]
    assert arguments[11:15] == ["--root", str(place.root), "--trigger", line["trigger"]]


@pytest.mark.skipif(not hasattr(resource, "prlimit"), reason="needs Linux: limits are set from outside")
def test_a_full_disk_loses_nothing(place: Place) -> None:
    """No file may grow any more, which is what a full disk comes to."""
    daemon = place.start()
    place.add("often", "", triggers.every("1s"), catch_up=CatchUp.ALL, catch_up_limit=1000, max_late=0.5)
    place.until(lambda: place.succeeded() >= 2)
    resource.prlimit(daemon.pid, resource.RLIMIT_FSIZE, (0, resource.RLIM_INFINITY))
    time.sleep(0.5)  # what it was doing
    before = place.database.ticks()
    time.sleep(1.5)  # at least one tick
    assert place.database.ticks() == before
    assert daemon.poll() is None
    resource.prlimit(daemon.pid, resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
    place.until(lambda: len(place.database.ticks()) >= len(before) + 3)
    place.database.pause("often")
    place.until(place.all_ended)
    assert "the schedule database can be written again" in place.log
    moments = [times.from_text(tick.planned) for tick in reversed(place.database.ticks())]
    assert {(later - sooner).total_seconds() for sooner, later in itertools.pairwise(moments)} == {1.0}
    began = [line["trigger"] for line in place.ran() if "arguments" in line]
    assert len(began) == len(set(began))


@quick
def test_runs_when_the_data_changed(place: Place, tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = tmp_path / "mnist" / "3.0.1" / "train.tfrecord"
    file.parent.mkdir(parents=True)
    file.write_text("one")
    (file.parent / "features.json").write_text("{}")
    (file.parent / "dataset_info.json").write_text('{"splits": [{"name": "train"}, {"name": "test"}]}')
    monkeypatch.setenv("TFDS_DATA_DIR", str(tmp_path))
    added = schedule("data", triggers.on_data_change("1s"), place.database.now(), overlap=Overlap.QUEUE)
    place.database.add(dataclasses.replace(added, work=Work("mnist")))
    place.start()

    def checks(reason: str, state: str) -> int:
        return [(tick.reason, tick.state) for tick in place.database.ticks()].count((reason, state))

    place.until(lambda: checks("", "succeeded") == 1)  # no run on it yet
    place.until(lambda: checks("the data did not change", "skipped") > 1)
    file.write_text("two")
    place.until(lambda: checks("", "succeeded") == 2)
    shutil.rmtree(file.parent)
    place.until(lambda: checks("", "succeeded") == 3)  # the sample stands in
    seen = checks("the data did not change", "skipped")
    place.until(lambda: checks("the data did not change", "skipped") > seen)
    assert checks("", "succeeded") == 3


@quick
@pytest.mark.parametrize("removed", [False, True])
def test_a_daemon_whose_root_is_renamed_or_removed_ends_and_makes_no_new_one(place, tmp_path, removed):
    place.add("often", "wait", triggers.every("1s"))
    begun = place.start()
    place.until(lambda: place.database.ticks("often"))
    moved = tmp_path / "moved"
    begun.send_signal(signal.SIGSTOP)  # it checks every 0.1 s, perhaps between the two changes
    place.root.rename(moved)
    log = (moved / "daemon.txt").open(encoding="utf-8")
    if removed:
        shutil.rmtree(moved)
    begun.send_signal(signal.SIGCONT)
    assert begun.wait(LONGEST) == ExitCode.ENVIRONMENT
    with log:
        [*_, line] = log.read().splitlines()
    assert line.startswith(f"error: {place.root} was {'removed' if removed else 'renamed'}")
    place.until(lambda: not any(str(place.root) in _command(one) for one in psutil.pids()))  # a run begun just before
    assert not place.root.exists()
