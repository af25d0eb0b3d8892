"""Runs on a Flink cluster of two hosts with networks of their own: the content digests are those of one machine."""

from __future__ import annotations

import os
import pathlib
import signal
import subprocess
import sys
import time

import numpy as np
import pytest

from pipeline.core.errors import ExitCode
from tests import PROJECT
from tests.cluster import sample_runs
from tests.cluster.conftest import HostCluster
from tests.cluster.sample_runs import (
    BEAM_NODES,
    LAST_BEAM_NODE,
    MANY_FILES,
    OUTPUTS_TO_EVALUATOR,
    Digests,
    digests,
    ended,
    failed,
    wait_for,
    wait_for_work,
)
from tests.e2e.conftest import SHARED_DATA

pytestmark = [
    pytest.mark.cluster,
    pytest.mark.filterwarnings("ignore::ResourceWarning"),  # programs run on when their starter is forgotten
]


def start(
    cluster: HostCluster,
    root: pathlib.Path,
    parallelism: int,
    profile: str = "sample",
    *,
    to_node: str = "",
    **settings: str,
) -> subprocess.Popen[str]:
    on_cluster = {**cluster.cluster.settings, "engine.parallelism": str(parallelism)}
    return sample_runs.start(root, {**MANY_FILES, **on_cluster, **settings}, profile, to_node=to_node)


def on_one_machine(root: pathlib.Path, settings: dict[str, str]) -> Digests:
    return sample_runs.on_one_machine(root, "mnist", settings, to_node=LAST_BEAM_NODE)


def check_spread(cluster: HostCluster, root: pathlib.Path, run_id: str) -> None:
    """Check that both hosts worked for each node with a Beam job."""
    jobs = sample_runs.jobs(root)
    assert sorted(jobs) == sorted(BEAM_NODES)
    for node, job in jobs.items():
        assert min(cluster.records(job).values()) > 0, node
    logs = root / "logs" / f"{run_id}.workers"
    assert sorted(path.name for path in logs.iterdir()) == sorted(BEAM_NODES)


def wait_for_end(cluster: HostCluster, root: pathlib.Path, *states: str) -> None:
    """Wait until the last job of StatisticsGen has one of the states."""
    job = sample_runs.jobs(root)["StatisticsGen"]
    wait_for(lambda: cluster.ask(f"/jobs/{job}")["state"] in states, 60)


def test_two_runs_at_once_do_not_see_each_other(
    flink_hosts: HostCluster, of_one_machine: Digests, tmp_path: pathlib.Path
) -> None:
    runs = {
        parallelism: start(flink_hosts, tmp_path / str(parallelism), parallelism, to_node=LAST_BEAM_NODE)
        for parallelism in (1, 2)
    }
    for parallelism, run in runs.items():
        run_id = ended(run)
        found = digests(tmp_path / str(parallelism), run_id)
        assert len(found) == OUTPUTS_TO_EVALUATOR
        assert found == {output: of_one_machine[output] for output in found}
        if parallelism == 2:
            check_spread(flink_hosts, tmp_path / "2", run_id)


def test_a_host_killed_in_each_beam_node_does_not_change_the_digests(
    flink_hosts: HostCluster, of_one_machine: Digests, tmp_path: pathlib.Path
) -> None:
    run = start(flink_hosts, tmp_path / "root", 2)
    for number, node in enumerate(BEAM_NODES):
        wait_for_work(run, tmp_path / "root", node)
        host = flink_hosts.hosts[number % 2]
        flink_hosts.kill(host)
        flink_hosts.restore(host)
    assert digests(tmp_path / "root", ended(run)) == of_one_machine
    assert not sample_runs.leftovers(tmp_path / "root")


def test_a_run_goes_on_after_each_interruption(
    flink_hosts: HostCluster, of_one_machine: Digests, tmp_path: pathlib.Path
) -> None:
    root = tmp_path / "root"
    run = start(flink_hosts, root, 4)
    wait_for_work(run, root, "StatisticsGen")
    run.send_signal(signal.SIGINT)
    run.communicate(timeout=60)
    assert run.returncode == ExitCode.INTERRUPTED
    wait_for_end(flink_hosts, root, "CANCELED")

    run = sample_runs.resume(root)
    wait_for_work(run, root, "StatisticsGen")
    os.kill(flink_hosts.program("jobserver").process, signal.SIGKILL)
    assert "job server" in failed(run)
    wait_for_end(flink_hosts, root, "CANCELED", "FINISHED")  # the job server is noticed after 60 s
    flink_hosts.restore_job_server()

    run = sample_runs.resume(root)
    wait_for_work(run, root, "StatisticsGen")
    manager = flink_hosts.program("jobmanager").process
    os.kill(manager, signal.SIGSTOP)
    time.sleep(20)
    os.kill(manager, signal.SIGCONT)
    wait_for_work(run, root, "Evaluator")
    flink_hosts.kill(flink_hosts.hosts[0])  # two slots are left, and the job needs four
    assert "slot" in failed(run)
    flink_hosts.restore(flink_hosts.hosts[0])

    run_id = ended(sample_runs.resume(root))
    assert digests(root, run_id) == of_one_machine
    check_spread(flink_hosts, root, run_id)
    assert not sample_runs.leftovers(root)


def test_float_data_has_the_digests_of_one_machine(flink_hosts: HostCluster, tmp_path: pathlib.Path) -> None:
    generator = np.random.default_rng(1)
    magnitudes = 10.0 ** generator.integers(-6, 6, (600, 16))
    np.save(tmp_path / "vectors.npy", (generator.normal(size=(600, 16)) * magnitudes).astype(np.float32))
    add = ["data", "add", "vectors", str(tmp_path / "vectors.npy"), "--data-dir", str(tmp_path / "data")]
    subprocess.run([sys.executable, "-m", "pipeline", *add], cwd=PROJECT, check=True, capture_output=True)
    settings = {
        "data.dataset": "vectors",
        "data.data_dir": str(tmp_path / "data"),
        "data.scaling": "standard",
        "data.shard_examples": "100",  # several files in a split
        "training.epochs": "1",
        "model.hidden_layers": "16",
        "model.code_units": "8",
    }
    run_id = ended(start(flink_hosts, tmp_path / "root", 2, "mnist", to_node=LAST_BEAM_NODE, **settings))
    assert set(sample_runs.jobs(tmp_path / "root")) == set(BEAM_NODES)
    assert digests(tmp_path / "root", run_id) == on_one_machine(tmp_path / "local", settings)


@pytest.mark.skipif(not SHARED_DATA.is_dir(), reason="no prepared MNIST beside the project")
def test_mnist_has_the_digests_of_one_machine(flink_hosts: HostCluster, tmp_path: pathlib.Path) -> None:
    settings = {"data.data_dir": str(SHARED_DATA), "data.shard_examples": "500", "training.epochs": "1"}
    run_id = ended(start(flink_hosts, tmp_path / "root", 2, "mnist", to_node=LAST_BEAM_NODE, **settings))
    check_spread(flink_hosts, tmp_path / "root", run_id)
    assert digests(tmp_path / "root", run_id) == on_one_machine(tmp_path / "local", settings)
