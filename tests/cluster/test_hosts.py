"""A small job on two hosts with networks of their own: both work, and it survives that one of them dies."""

from __future__ import annotations

import json
import os
import pathlib
import signal
import subprocess
import sys
import time
from collections.abc import Callable

import pytest

from pipeline.core.errors import ExitCode
from tests import PROJECT
from tests.cluster import small_job
from tests.cluster.conftest import HostCluster

pytestmark = [
    pytest.mark.cluster,
    pytest.mark.filterwarnings("ignore::ResourceWarning"),  # programs run on when their starter is forgotten
]

SECONDS = 600.0  # at most, for a job; it takes half a minute on a free machine


def start(cluster: HostCluster, folder: pathlib.Path, name: str, seconds: float) -> subprocess.Popen[bytes]:
    settings = json.dumps(cluster.cluster.settings)
    command = [sys.executable, "-m", "tests.cluster.small_job", settings, str(folder), name, str(seconds)]
    return subprocess.Popen(command, cwd=PROJECT)


def wait_for(condition: Callable[[], object], seconds: float = SECONDS) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.2)


def test_both_hosts_work(flink_hosts: HostCluster, tmp_path: pathlib.Path) -> None:
    with start(flink_hosts, tmp_path, "both", 0.0) as job:
        assert job.wait(SECONDS) == ExitCode.DONE
    assert small_job.sums(tmp_path) == small_job.SUMS
    # Each of the 200 numbers is read by several steps; the keys alone would be 5 records.
    records = flink_hosts.records("both")
    assert len(records) == 2
    assert min(records.values()) >= 50
    assert len({path.read_text() for path in tmp_path.glob("began-*")}) == 2


def test_a_killed_host_does_not_change_the_result(flink_hosts: HostCluster, tmp_path: pathlib.Path) -> None:
    with start(flink_hosts, tmp_path, "killed", 0.2) as job:
        wait_for(lambda: len(list(tmp_path.glob("began-*"))) >= 2)
        flink_hosts.kill(flink_hosts.hosts[0])
        assert job.poll() is None
        flink_hosts.restore(flink_hosts.hosts[0])
        assert job.wait(SECONDS) == ExitCode.DONE
    assert small_job.sums(tmp_path) == small_job.SUMS


def test_a_killed_job_server_ends_the_job_with_an_error(flink_hosts: HostCluster, tmp_path: pathlib.Path) -> None:
    [server] = [one for one in flink_hosts.cluster.programs if one.name == "jobserver"]
    with start(flink_hosts, tmp_path, "orphan", 0.2) as job:
        wait_for(lambda: list(tmp_path.glob("began-*")))
        os.kill(server.process, signal.SIGKILL)
        assert job.wait(SECONDS) != ExitCode.DONE


def test_both_hosts_work_on_spark(spark_hosts: HostCluster, tmp_path: pathlib.Path) -> None:
    with start(spark_hosts, tmp_path, "spark", 0.02) as job:
        assert job.wait(SECONDS) == ExitCode.DONE
    assert small_job.sums(tmp_path) == small_job.SUMS
    assert len({path.read_text() for path in tmp_path.glob("began-*")}) == 2
    log = pathlib.Path(spark_hosts.cluster.folder, "logs", "jobserver.log").read_text()
    assert log.count("Added JAR") == 1  # the one that names the others
