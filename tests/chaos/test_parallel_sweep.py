"""A sweep whose points run at once is killed, continues, and has the result of one whose points ran one by one."""

from __future__ import annotations

import json
import os
import pathlib
import signal
import subprocess
import sys
import time

import pytest

from pipeline.core import root_lock
from pipeline.core.pipeline_root import Root
from tests import PROJECT
from tests.e2e.conftest import QUICK_OPTIONS, sae

pytestmark = pytest.mark.chaos
SWEEP = ("sweep", "run", "seeds", "--over", "training.seed=1,2,3,4,5", *QUICK_OPTIONS)


def busy_workers(root: pathlib.Path) -> list[root_lock.Holder]:
    """Who works in the workers now."""
    places = (root / "sweeps" / "seeds" / "workers").glob("[0-9]*")
    found = (root_lock.holder(Root(place).lock_file) for place in places)
    return [holder for holder in found if holder is not None and holder.run]


def test_a_parallel_sweep_that_is_killed_continues(tmp_path: pathlib.Path) -> None:
    root = tmp_path / "parallel"
    command = [sys.executable, "-m", "pipeline", *SWEEP, "--parallel", "2", "--root", str(root)]
    process = subprocess.Popen(command, cwd=PROJECT, env={**os.environ, "PYTHONPATH": str(PROJECT)})
    try:
        while len(busy := busy_workers(root)) < 2:
            assert process.poll() is None
            time.sleep(0.1)
        process.send_signal(signal.SIGKILL)
        process.wait()
        os.kill(busy[0].process, signal.SIGKILL)  # one of the runs; the other one is left behind
    finally:
        process.kill()
        process.wait()
    ended = sae(*SWEEP, "--parallel", "2", "--json", "--root", root)
    assert ended.returncode == 0, ended.stderr
    assert "left behind" in ended.stderr
    found = json.loads(ended.stdout)
    assert found["row"]["counts"] == {"succeeded": 5}
    assert busy[1].run in {point["run"] for point in found["points"]}
    assert not (root / "sweeps" / "seeds" / "workers").exists()
    fsck = sae("fsck", "--root", root)
    assert fsck.returncode == 0, fsck.stdout
    one_by_one = sae(*SWEEP, "--json", "--root", tmp_path / "one")
    assert json.loads(one_by_one.stdout)["digest"] == found["digest"]
