"""A small job on two hosts with networks of their own: both work, and it survives that one of them dies."""

from __future__ import annotations

import os
import pathlib
import signal

import pytest

from pipeline.core.errors import ExitCode
from tests.cluster import small_job
from tests.cluster.conftest import HostCluster
from tests.cluster.sample_runs import SECONDS, wait_for

pytestmark = [
    pytest.mark.cluster,
    pytest.mark.filterwarnings("ignore::ResourceWarning"),  # programs run on when their starter is forgotten
]


def test_both_hosts_work(flink_hosts: HostCluster, tmp_path: pathlib.Path) -> None:
    with small_job.start(flink_hosts.cluster.settings, tmp_path, "both", 0.0) as job:
        assert job.wait(SECONDS) == ExitCode.DONE
    assert small_job.sums(tmp_path) == small_job.SUMS
    # Each of the 200 numbers is read by several steps; the keys alone would be 5 records.
    records = flink_hosts.records(flink_hosts.job("both"))
    assert len(records) == 2
    assert min(records.values()) >= 50
    assert len({path.read_text() for path in tmp_path.glob("began-*")}) == 2


def test_a_killed_host_does_not_change_the_result(flink_hosts: HostCluster, tmp_path: pathlib.Path) -> None:
    with small_job.start(flink_hosts.cluster.settings, tmp_path, "killed", 0.2) as job:
        wait_for(lambda: len(list(tmp_path.glob("began-*"))) >= 2)
        flink_hosts.kill(flink_hosts.hosts[0])
        assert job.poll() is None
        flink_hosts.restore(flink_hosts.hosts[0])
        assert job.wait(SECONDS) == ExitCode.DONE
    assert small_job.sums(tmp_path) == small_job.SUMS


def test_a_killed_job_server_ends_the_job_with_an_error(flink_hosts: HostCluster, tmp_path: pathlib.Path) -> None:
    with small_job.start(flink_hosts.cluster.settings, tmp_path, "orphan", 0.2) as job:
        wait_for(lambda: list(tmp_path.glob("began-*")))
        os.kill(flink_hosts.program("jobserver").process, signal.SIGKILL)
        assert job.wait(SECONDS) != ExitCode.DONE
