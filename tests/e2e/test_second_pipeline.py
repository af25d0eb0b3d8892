"""Another pipeline than that of this project runs on the same orchestrator: other nodes, settings, model and data.

Its ExampleGen writes the rows of the CSV file in their order. The stock CsvExampleGen shuffles them without a seed, so
another order would be other content, and `sae verify` would rightly say so.
"""

from __future__ import annotations

import contextlib
import dataclasses
import json
import os
import pathlib
import subprocess
import sys
import time
from collections.abc import Iterator

import pytest
from starlette.testclient import TestClient

from pipeline import cli
from pipeline.core.errors import UsageError
from pipeline.core.events import NodeState
from pipeline.core.pipeline_root import Root
from pipeline.definition.spec import load
from pipeline.inspection.locations import open_location
from pipeline.metadata.store import open_store
from pipeline.orchestration import run
from pipeline.orchestration.summary import Summary
from pipeline.scheduler.store import ScheduleDatabase
from pipeline.terminal.progress import display
from pipeline.web import app
from tests import environment
from tests.e2e.conftest import PROJECT, run_here, sae, sae_here, states

pytestmark = pytest.mark.e2e

LOCATION = "tests.second_pipeline.definition:PIPELINE"
NODES = {"CsvExampleGen", "StatisticsGen", "LineTrainer"}


def command(root: pathlib.Path, *arguments: str) -> dict:
    """What a command prints as JSON. The root says which pipeline it is of."""
    done = sae_here(*arguments, "--root", root, "--json")
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def run_lines(root: pathlib.Path, *assignments: str, **options: str) -> Summary:
    """Run the pipeline in this process, which spares the imports of TensorFlow and TFX."""
    return run_here(root, *assignments, profile="points", pipeline=load(LOCATION), **options)


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> pathlib.Path:
    place = tmp_path_factory.mktemp("second") / "root"
    with environment.restored(), pytest.raises(SystemExit) as ended:
        cli.main(["--pipeline", LOCATION, "run", "--root", str(place)])
    assert not ended.value.code
    store = open_store(Root(place), read_only=True)
    found = {name: one.state for name, one in store.executions(store.run_ids()[0]).items()}
    assert found == dict.fromkeys(NODES, NodeState.EXECUTED)
    return place


def test_it_is_planned_explained_and_its_cache_is_used(root: pathlib.Path) -> None:
    assert {one["verdict"] for one in command(root, "plan")["nodes"]} == {"cached"}
    assert {one["state"] for one in command(root, "run")["nodes"]} == {"cached"}
    changed = run_lines(root, "line.steps=60")
    assert states(changed) == {"CsvExampleGen": "cached", "StatisticsGen": "cached", "LineTrainer": "executed"}
    answer = command(root, "why", changed.run_id, "LineTrainer")
    assert [(one["field"], one["old"], one["new"]) for one in answer["changes"]] == [("steps", "50", "60")]
    assert states(run_lines(root, from_node="LineTrainer"))["StatisticsGen"] == "skipped"


def test_its_nodes_run_in_the_context_that_it_gives(root: pathlib.Path) -> None:
    found: list[set[str]] = []

    def executed() -> set[str]:
        store = open_store(Root(root), read_only=True)
        executions = store.executions(store.run_ids()[0])
        return {name for name, one in executions.items() if one.state == NodeState.EXECUTED}

    @contextlib.contextmanager
    def around() -> Iterator[None]:
        found.append(executed())
        yield
        found.append(executed())

    before = executed()
    pipeline = dataclasses.replace(load(LOCATION), around_nodes=around)
    run_here(root, "line.steps=61", profile="points", pipeline=pipeline)
    assert found == [before, {"LineTrainer"}]


def test_a_killed_run_is_resumed(root: pathlib.Path) -> None:
    words = [sys.executable, "-m", "pipeline", "run", "--root", str(root), "--set", "line.steps=70"]
    killed = subprocess.Popen(
        words, cwd=PROJECT, env={**os.environ, "SECOND_PIPELINE_SLEEP": "60"}, stderr=subprocess.PIPE, text=True
    )
    assert killed.stderr is not None
    run_id = ""
    for line in killed.stderr:
        run_id = line.split()[1] if line.startswith("run ") else run_id
        if line.startswith("LineTrainer started"):
            break
    killed.kill()
    killed.communicate()
    assert run_id
    summary = run.resume(load(LOCATION), Root(root), "", display)
    assert summary.run_id == run_id
    assert states(summary)["LineTrainer"] == "executed"
    assert json.loads((root / "manifests" / f"{run_id}.json").read_text())["pipeline"] == LOCATION


def test_it_is_verified_and_its_root_is_sound(root: pathlib.Path) -> None:
    done = sae("verify", "latest", "--root", root, "--json")  # starts others, which find the pipeline as it does
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout)
    assert found["verified"]
    assert {one["node"] for one in found["artifacts"]} == NODES
    command(root, "fsck")
    command(root, "gc")


def test_its_pages_are_served(root: pathlib.Path) -> None:
    with open_location(load(LOCATION), None, Root(root)) as place:
        client = TestClient(app.build(place, "127.0.0.1"), base_url="http://localhost:8000")
        run_id = client.get("/runs.json").json()["runs"][0]["id"]
        for path in ("/", f"/runs/{run_id}", "/artifacts", "/models", f"/runs/{run_id}/nodes/LineTrainer"):
            page = client.get(path)
            assert page.status_code == 200, (path, page.text[:300])
        assert "LineTrainer" in client.get(f"/runs/{run_id}").text


def test_it_is_scheduled(root: pathlib.Path) -> None:
    added = sae_here("schedule", "add", "often", "--every", "1d", "--root", root)
    assert added.returncode == 0, added.stderr
    assert sae_here("schedule", "trigger", "often", "--root", root).returncode == 0
    daemon = subprocess.Popen(
        [sys.executable, "-m", "pipeline", "schedule", "run", "--root", str(root)], cwd=PROJECT, start_new_session=True
    )
    try:
        with ScheduleDatabase.open(root) as database:
            end = time.monotonic() + 120
            while not (ended := [one for one in database.ticks() if one.state in ("succeeded", "failed")]):
                assert time.monotonic() < end, database.ticks()
                time.sleep(0.2)
    finally:
        daemon.terminate()
        daemon.wait()
    row = command(root, "show", "latest")["row"]
    assert row["trigger"].startswith("schedule often ")
    assert row["state"] == "succeeded", ended


@pytest.mark.parametrize("given", ["nowhere:PIPELINE", "pipeline.definition.spec:Node", "tests.second_pipeline"])
def test_what_names_no_pipeline_is_a_usage_error(
    tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch, given: str
) -> None:
    monkeypatch.setenv("SAE_PIPELINE", given)
    done = sae_here("plan", "--root", tmp_path)
    assert (done.returncode, done.stdout, len(done.stderr.splitlines())) == (2, "", 1)


def test_a_root_is_of_one_pipeline(root: pathlib.Path) -> None:
    with pytest.raises(UsageError) as refused:
        run_here(root)
    assert str(root) in str(refused.value)
