"""A sweep on the sample: a duplicate, a failing point, a kill in the middle, two sweeps at once."""

from __future__ import annotations

import json
import os
import pathlib
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from typing import Any

import pytest

from pipeline.core import event_log, root_lock
from pipeline.core.events import NodeState, RunStarted
from pipeline.core.pipeline_root import Root
from pipeline.metadata import run_properties
from pipeline.metadata.store import open_store
from tests import PROJECT
from tests.e2e.conftest import QUICK_OPTIONS, SampleRun, sae_here

# All nodes of the first point are cached. The gate of the second one expects another number of examples, and fails.
OVER = ("--over", "data.validation_examples=714,99")


@pytest.fixture(scope="module")
def root(sample_run: SampleRun, tmp_path_factory: pytest.TempPathFactory) -> pathlib.Path:
    return sample_run.copy(tmp_path_factory.mktemp("sweep") / "root")


def started(root: pathlib.Path) -> subprocess.Popen[bytes]:
    command = [sys.executable, "-m", "pipeline", "sweep", "run", "gate", *OVER, *QUICK_OPTIONS, "--root", str(root)]
    environment = {**os.environ, "PYTHONPATH": str(PROJECT)}
    return subprocess.Popen(command, cwd=PROJECT, env=environment, stderr=subprocess.DEVNULL, stdout=subprocess.DEVNULL)


def wait_for(condition: Callable[[], bool], process: subprocess.Popen[bytes] | None = None) -> None:
    """Wait for a condition; `process`: fail if it ends before."""
    for _ in range(3_000):
        if condition():
            return
        assert process is None or process.poll() is None
        time.sleep(0.05)
    raise AssertionError("it did not happen")


def has_begun(root: pathlib.Path, point: int) -> bool:
    """Whether the run of a point has begun."""
    try:
        run_id = (root / "sweeps" / "gate" / "trials" / f"{point}.run").read_text().strip()
    except FileNotFoundError:
        return False
    return any(isinstance(one.event, RunStarted) for one in event_log.read(root, run_id))


def here(root: pathlib.Path, *arguments: str) -> tuple[int, str, str]:
    """Run a command that starts no run in this process; return its exit code, its output and its messages."""
    done = sae_here(*arguments, "--root", root)
    return done.returncode, done.stdout, done.stderr


def shown(root: pathlib.Path, name: str = "gate") -> Any:
    code, output, messages = here(root, "sweep", "show", name, "--json")
    assert code == 0, messages
    return json.loads(output)


@pytest.fixture(scope="module")
def killed(root: pathlib.Path) -> dict[str, Any]:
    """A sweep that was killed while its second point ran, with what another one said meanwhile; and its run as well."""
    process = started(root)
    try:
        wait_for(lambda: has_begun(root, 2), process)
        holder = root_lock.holder(Root(root).lock_file)
        assert holder is not None
        os.kill(holder.process, signal.SIGSTOP)  # it does not end meanwhile
        second = here(root, "sweep", "run", "other", *OVER, *QUICK_OPTIONS)
        process.send_signal(signal.SIGKILL)
        process.wait()
        assert root_lock.holder(Root(root).lock_file) is not None  # the run is left behind
        os.kill(holder.process, signal.SIGKILL)
        wait_for(lambda: root_lock.holder(Root(root).lock_file) is None)
    finally:
        process.kill()
        process.wait()
    return {"second": second, "run": holder.run, "points": shown(root)["points"]}


@pytest.fixture(scope="module")
def ended(root: pathlib.Path, killed: dict[str, Any]) -> subprocess.CompletedProcess[str]:
    """The same command again."""
    return sae_here("sweep", "run", "gate", *OVER, *QUICK_OPTIONS, "--root", root, "--json")


def test_a_second_sweep_is_refused(killed: dict[str, Any], root: pathlib.Path) -> None:
    code, _, messages = killed["second"]
    assert code == 5
    [line] = messages.splitlines()
    assert str(root) in line
    assert "gate" in line
    assert not (root / "sweeps" / "other").exists()


def test_a_killed_sweep_knows_what_ended(killed: dict[str, Any]) -> None:
    assert [point["state"] for point in killed["points"]] == ["succeeded", "interrupted"]
    assert killed["points"][1]["run"] == killed["run"]


def test_the_same_command_continues_and_a_failing_point_is_recorded(
    ended: subprocess.CompletedProcess[str], killed: dict[str, Any], root: pathlib.Path, sample_run: SampleRun
) -> None:
    assert ended.returncode == 0, ended.stderr
    found = json.loads(ended.stdout)
    assert [point["state"] for point in found["points"]] == ["succeeded", "failed"]
    first, second = found["points"]
    assert first["run"] == killed["points"][0]["run"]
    assert second["run"] > killed["run"]
    assert second["error"].startswith("DataGate: ")
    assert (found["row"]["state"], found["row"]["counts"]) == ("complete", {"succeeded": 1, "failed": 1})
    [best] = [one for one in found["combinations"] if one["best"]]
    assert best["number"] == 1
    assert found["row"]["objectives"][0]["chosen_by"] == "validation_bce"
    # The result is that of the run before, because nothing that it depends on differs.
    assert first["metrics"]["test_bce"] == sample_run.summary["metrics"]["test_bce"]
    assert not list((root / "sweeps" / "gate").glob("trials/*"))


def test_a_point_whose_result_is_known_executes_no_node(
    ended: subprocess.CompletedProcess[str], root: pathlib.Path
) -> None:
    first = json.loads(ended.stdout)["points"][0]
    run = json.loads(here(root, "show", first["run"], "--json")[1])
    states = {node["node"]: node["state"] for node in run["nodes"]}
    assert {states.pop(name) for name in ("PushGate", "Pusher", "Report")} == {"skipped"}
    assert set(states.values()) == {"cached"}
    assert run["row"]["trigger"] == "sweep gate point 1"


def test_the_result_is_an_artifact_and_a_complete_sweep_runs_nothing(
    ended: subprocess.CompletedProcess[str], root: pathlib.Path
) -> None:
    before = json.loads(ended.stdout)
    code, output, _ = here(root, "sweep", "run", "gate", "--json")
    found = json.loads(output)
    assert code == 0
    assert (found["artifact"], found["digest"], found["points"]) == (
        before["artifact"], before["digest"], before["points"],
    )  # fmt: skip
    assert found["digest"].startswith("sweep-1:")
    assert here(root, "fsck")[0] == 0


def test_the_best_model_is_promoted(ended: subprocess.CompletedProcess[str], root: pathlib.Path) -> None:
    code, _, messages = here(root, "sweep", "promote", "gate", "--reason", "best")
    assert code == 2, messages  # the run of the sample pushed this model already
    assert "is served already" in messages


@pytest.fixture(scope="module")
def pictures(ended: subprocess.CompletedProcess[str], root: pathlib.Path) -> subprocess.CompletedProcess[str]:
    """A sweep with two workers over a setting of the report alone: all other nodes are cached."""
    over = ("--over", "evaluation.images_per_label=1,2,3")
    return sae_here("sweep", "run", "pictures", *over, "--parallel", "2", *QUICK_OPTIONS, "--json", "--root", root)


def test_points_that_run_at_once_are_taken_over_from_workers(
    pictures: subprocess.CompletedProcess[str], root: pathlib.Path, sample_run: SampleRun
) -> None:
    assert pictures.returncode == 0, pictures.stderr
    points = json.loads(pictures.stdout)["points"]
    assert [point["state"] for point in points] == ["succeeded"] * 3
    assert {point["metrics"]["test_bce"] for point in points} == {sample_run.summary["metrics"]["test_bce"]}
    store = open_store(Root(root), read_only=True)
    places = [store.run_properties(point["run"]).get(run_properties.ADOPTED_FROM) for point in points]
    workers = root / "sweeps" / "pictures" / "workers"
    assert places[0] is None  # a run of the root itself, which made what the workers take
    assert set(places[1:]) <= {str(workers / "1"), str(workers / "2")}
    assert not workers.exists()
    for point in points[1:]:
        assert {one.state for one in store.executions(point["run"]).values()} == {NodeState.CACHED}
    assert here(root, "fsck")[0] == 0


def test_another_round_has_new_runs_and_the_same_digest(
    pictures: subprocess.CompletedProcess[str], root: pathlib.Path
) -> None:
    before = json.loads(pictures.stdout)
    again = sae_here("sweep", "run", "pictures", "--again", "--root", root, "--json")
    found = json.loads(again.stdout)
    assert again.returncode == 0, again.stderr
    assert all(new["run"] > old["run"] for new, old in zip(found["points"], before["points"], strict=True))
    assert (found["artifact"], found["digest"]) == (before["artifact"], before["digest"])
