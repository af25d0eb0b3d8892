"""`sae cluster` on this machine: what starts answers, and nothing is left."""

from __future__ import annotations

import json
import os
import pathlib
import signal
import subprocess
import sys
from collections.abc import Iterator
from typing import Any

import psutil
import pytest

from pipeline.cluster.engines import FLINK
from pipeline.cluster.plan import LOOPBACK
from pipeline.core.errors import ExitCode
from tests import PROJECT
from tests.cluster import small_job
from tests.cluster.conftest import free_ports, why_not
from tests.waiting import lives, wait_until

pytestmark = pytest.mark.cluster


def sae_cluster(*arguments: str) -> tuple[int, Any]:
    """Run a command with --json; return its exit code and its document."""
    command = [sys.executable, "-m", "pipeline", "cluster", *arguments, "--json"]
    done = subprocess.run(command, stdout=subprocess.PIPE, text=True, cwd=PROJECT, check=False)
    return done.returncode, json.loads(done.stdout) if done.stdout else None


def processes_of(folder: pathlib.Path) -> list[str]:
    """Return the command lines that name a folder."""
    found = []
    for process in psutil.process_iter(["cmdline"]):
        line = " ".join(process.info["cmdline"] or [])
        if str(folder) in line and process.pid != os.getpid():
            found.append(line)
    return found


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory, parts_folder: pathlib.Path) -> Iterator[pathlib.Path]:
    if reason := why_not(FLINK, parts_folder):
        pytest.skip(reason)
    code, done = sae_cluster("install", "--to", str(parts_folder))
    assert code == ExitCode.DONE
    assert done["engine"] == FLINK.name
    folder = tmp_path_factory.mktemp("cluster")
    yield folder
    sae_cluster("down", "--folder", str(folder))


@pytest.fixture(scope="module")
def status(folder: pathlib.Path, parts_folder: pathlib.Path) -> Any:
    ports = free_ports(LOOPBACK, "127.0.0.11")
    code, found = sae_cluster(
        *("up", "--hosts", "2", "--slots", "1", "--folder", str(folder), "--parts", str(parts_folder)),
        *("--rest-port", str(ports.rest), "--job-port", str(ports.job), "--worker-port", str(ports.worker)),
    )
    assert code == ExitCode.DONE
    return found


def test_all_programs_run_and_two_hosts_have_a_slot_each(status: Any) -> None:
    assert {one["name"]: one["state"] for one in status["programs"]} == dict.fromkeys(
        ["jobmanager", "taskmanager-host1", "worker-host1", "taskmanager-host2", "worker-host2", "jobserver"], "runs"
    )
    assert (status["slots"], status["free_slots"]) == (2, 2)


def test_flink_and_the_workers_listen_on_loopback_only(status: Any) -> None:
    open_to_all = {
        one["name"]
        for one in status["programs"]
        for found in psutil.Process(one["process"]).net_connections()
        if found.status == psutil.CONN_LISTEN and not found.laddr.ip.removeprefix("::ffff:").startswith("127.")
    }
    assert open_to_all <= {"jobserver"}  # which docs/cluster.md says


def test_a_job_runs_with_the_settings_that_status_shows(status: Any, tmp_path: pathlib.Path) -> None:
    small_job.main(status["settings"], str(tmp_path), "small", 0.0)
    assert small_job.sums(tmp_path) == small_job.SUMS


def test_down_leaves_nothing_also_after_a_program_was_killed(status: Any, folder: pathlib.Path) -> None:
    killed = status["programs"][1]
    os.kill(killed["process"], signal.SIGKILL)
    wait_until(lambda: not lives(killed["process"]))
    code, found = sae_cluster("status", "--folder", str(folder))
    assert code == ExitCode.ENVIRONMENT
    assert [one["name"] for one in found["programs"] if one["state"] == "ended"] == [killed["name"]]
    assert sae_cluster("down", "--folder", str(folder))[0] == ExitCode.DONE
    assert not processes_of(folder)
    assert [one["name"] for one in status["programs"] if lives(one["process"])] == []
    assert sorted(os.listdir(folder)) == ["cluster.json", "lock", "logs"]
    assert sae_cluster("status", "--folder", str(folder))[0] == ExitCode.NOT_FOUND


def test_down_ends_what_a_killed_up_had_started(folder: pathlib.Path, parts_folder: pathlib.Path) -> None:
    ports = free_ports(LOOPBACK, LOOPBACK)
    command = [sys.executable, "-m", "pipeline", "cluster", "up", "--folder", str(folder), "--parts", str(parts_folder)]
    command += ["--rest-port", str(ports.rest), "--job-port", str(ports.job), "--worker-port", str(ports.worker)]
    with subprocess.Popen(command, cwd=PROJECT) as up:
        while not processes_of(folder / "configuration"):
            assert up.poll() is None
        up.kill()
    assert sae_cluster("down", "--folder", str(folder))[0] == ExitCode.DONE
    assert not processes_of(folder)
