"""Runs of the sample on two hosts with networks of their own: the content digests are those of one machine."""

from __future__ import annotations

import json
import pathlib
import subprocess
import sys
import time
from collections.abc import Mapping

import pytest

from pipeline.core.pipeline_root import Root
from pipeline.metadata.properties import CONTENT_DIGEST
from pipeline.metadata.store import open_store
from tests import PROJECT
from tests.cluster.conftest import HostCluster

pytestmark = [
    pytest.mark.cluster,
    pytest.mark.filterwarnings("ignore::ResourceWarning"),  # programs run on when their starter is forgotten
]

SECONDS = 900.0  # at most, for a run; it takes two minutes on a free machine
BEAM_NODES = ("ExampleGen", "StatisticsGen", "Evaluator")


def start(root: pathlib.Path, settings: Mapping[str, str]) -> subprocess.Popen[str]:
    assigned = [word for name, value in settings.items() for word in ("--set", f"{name}={value}")]
    command = [sys.executable, "-m", "pipeline", "run", "--profile", "sample", "--root", str(root), "--json"]
    return subprocess.Popen(
        [*command, "--set", "training.epochs=2", *assigned], cwd=PROJECT, stdout=subprocess.PIPE, text=True
    )


def ended(run: subprocess.Popen[str]) -> str:
    """Wait for a run; return its id."""
    summary = json.loads(run.communicate(timeout=SECONDS)[0])
    assert not summary["error"]
    return str(summary["run_id"])


def digests(root: pathlib.Path, run_id: str) -> dict[tuple[str, str], str]:
    store = open_store(Root(root), read_only=True)
    return {
        (node, key): str(output.properties[CONTENT_DIGEST])
        for node, execution in store.executions(run_id).items()
        for key, output in store.outputs(execution.id).items()
    }


@pytest.fixture(scope="module")
def of_one_machine(tmp_path_factory: pytest.TempPathFactory) -> dict[tuple[str, str], str]:
    root = tmp_path_factory.mktemp("local") / "root"
    found = digests(root, ended(start(root, {})))
    assert len(found) >= 12
    return found


def test_both_hosts_work_for_each_beam_node_and_digests_are_equal(
    flink_hosts: HostCluster, of_one_machine: dict[tuple[str, str], str], tmp_path: pathlib.Path
) -> None:
    settings = {**flink_hosts.cluster.settings, "engine.parallelism": "2"}
    run_id = ended(start(tmp_path / "root", settings))
    assert digests(tmp_path / "root", run_id) == of_one_machine
    for node in BEAM_NODES:
        assert min(flink_hosts.records(f"sae-{run_id}-{node}-").values()) > 0
    logs = tmp_path / "root" / "logs" / f"{run_id}.workers"
    assert sorted(path.name for path in logs.iterdir()) == sorted(BEAM_NODES)


def test_a_killed_host_does_not_change_the_digests(
    flink_hosts: HostCluster, of_one_machine: dict[tuple[str, str], str], tmp_path: pathlib.Path
) -> None:
    run = start(tmp_path / "root", {**flink_hosts.cluster.settings, "engine.parallelism": "2"})
    logs, deadline = tmp_path / "root" / "logs", time.monotonic() + SECONDS
    while not list(logs.glob("*.workers/StatisticsGen/*.log")):
        assert run.poll() is None
        assert time.monotonic() < deadline
        time.sleep(0.2)
    flink_hosts.kill(flink_hosts.hosts[0])
    flink_hosts.restore(flink_hosts.hosts[0])
    run_id = ended(run)
    assert digests(tmp_path / "root", run_id) == of_one_machine
    outputs = (tmp_path / "root" / "artifacts").rglob("*")
    assert not [path for path in outputs if path.name.startswith("beam-temp") or path.suffix == ".unfinished"]
