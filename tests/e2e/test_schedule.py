"""The daemon runs the real pipeline, is killed while it does, and the next one adopts the run."""

from __future__ import annotations

import json
import pathlib
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from pipeline.scheduler import status, triggers
from pipeline.scheduler.store import ScheduleDatabase
from pipeline.scheduler.types import CatchUp, Outcome, Overlap, Schedule, Work
from pipeline_config import SchedulePolicies
from tests.e2e.conftest import PROJECT, QUICK, SampleRun, sae_here

PROGRAM = "import pathlib, sys; from pipeline.scheduler import daemon; sys.exit(daemon.run(pathlib.Path(sys.argv[1])))"
POLICIES = SchedulePolicies(Overlap.SKIP, CatchUp.ONE, 1, 600.0, 0.0, retries=0, retry_wait=1.0, timeout=0.0)
LONGEST = 240.0  # seconds


def until(true: Callable[[], Any], database: ScheduleDatabase) -> Any:
    end = time.monotonic() + LONGEST
    while not (found := true()):
        assert time.monotonic() < end, database.ticks()
        time.sleep(0.1)
    return found


@pytest.fixture
def root(sample_run: SampleRun, tmp_path: pathlib.Path) -> pathlib.Path:
    return sample_run.copy(tmp_path / "root")


@pytest.fixture
def start(root: pathlib.Path) -> Iterator[Callable[[], subprocess.Popen[bytes]]]:
    """Starts a daemon; each is gone when the test ends."""
    begun: list[subprocess.Popen[bytes]] = []

    def begin() -> subprocess.Popen[bytes]:
        one = subprocess.Popen([sys.executable, "-c", PROGRAM, str(root)], cwd=PROJECT, start_new_session=True)
        begun.append(one)
        return one

    yield begin
    for one in begun:
        one.kill()
        one.wait()


def test_a_scheduled_run_outlives_a_daemon_that_is_killed(
    root: pathlib.Path, start: Callable[[], subprocess.Popen[bytes]]
) -> None:
    with ScheduleDatabase.open(root) as database:
        pictures = "evaluation.images_per_label=3"  # a setting of the report alone: all else is cached
        work = Work("sample", assignments=(*QUICK, pictures))
        said = root / "said.json"
        policies = SchedulePolicies(**{**vars(POLICIES), "on_success": f"cat > {said}.part && mv {said}.part {said}"})
        database.add(Schedule("nightly", triggers.every("1d"), work, policies, database.now()))
        data = triggers.on_data_change("1s")
        database.add(Schedule("data", data, Work("sample", assignments=QUICK), POLICIES, database.now()))
        database.pause("data")
        planned = database.trigger("nightly").planned
        first = start()
        [attempt] = until(lambda: [one for one in database.ticks()[0].attempts if one.run_id], database)
        first.kill()
        first.wait()
        assert status.daemon(root).state == "stopped"
        daemon = start()
        until(lambda: database.ticks("nightly")[0].state not in ("waiting", "running"), database)
        [tick] = database.ticks("nightly")
        assert (tick.state, tick.decision, tick.attempts[0].run_id) == (
            "succeeded",
            Outcome.STARTED,
            attempt.run_id,
        )

        shown = json.loads(sae_here("show", "latest", "--root", root, "--json").stdout)
        assert (shown["row"]["id"], shown["row"]["state"]) == (attempt.run_id, "succeeded")
        assert shown["row"]["trigger"] == f"schedule nightly {planned}"
        assert shown["configuration"]["evaluation.images_per_label"] == 3
        noted = json.loads((root / "manifests" / f"{attempt.run_id}.json").read_text())
        assert noted["trigger"] == f"schedule nightly {planned}"
        until(said.exists, database)
        assert json.loads(said.read_text())["row"]["id"] == attempt.run_id

        # The data is what the run was on: the first check records that, the next ones find no change.
        database.resume("data")
        until(lambda: [one.reason for one in database.ticks("data")].count("the data did not change") > 1, database)
        database.pause("data")
        reasons = {one.reason for one in database.ticks("data")}
        assert "first check: a run on this data exists" in reasons
        assert all(one.decision in (Outcome.SKIPPED, Outcome.MISSED) for one in database.ticks("data"))
        daemon.terminate()
        assert daemon.wait() == 0
    assert sae_here("fsck", "--root", root).returncode == 0
