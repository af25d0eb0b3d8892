"""Processes of a cluster: recorded before they run, ended with all their children. `tests/cluster` starts real ones."""

from __future__ import annotations

import dataclasses
import errno
import json
import os
import pathlib
import re
import shutil
import signal
import socket
import subprocess
import sys
import time
import zipfile
from collections.abc import Callable, Iterator

import pytest

from pipeline.cluster import local
from pipeline.cluster.engines import FLINK
from pipeline.cluster.flink import FlinkPrograms
from pipeline.cluster.plan import ClusterPlan, Host, Ports, Program, hosts_of_this_machine
from pipeline.core.errors import LockedError, NotFoundError, UnavailableError, UsageError
from pipeline.core.suggestions import Selection
from pipeline.scheduler import process_identity
from pipeline.scheduler.run_process import Process
from pipeline.terminal import cluster as cluster_text
from tests.waiting import lives, wait_until

# A program that ignores SIGTERM, with a child that does too.
STUBBORN = """
import os, signal, subprocess, sys, time
signal.signal(signal.SIGTERM, signal.SIG_IGN)
child = subprocess.Popen(["sleep", "600"])
print(child.pid, flush=True)
time.sleep(600)
"""


def plan_in(folder: pathlib.Path, count: int = 2) -> ClusterPlan:
    return ClusterPlan(FLINK, folder / "parts", folder / "cluster", hosts_of_this_machine(count), 3, ports=Ports(1, 2))


@pytest.fixture
def starter(tmp_path: pathlib.Path) -> Iterator[local.StartedCluster]:
    plan = plan_in(tmp_path)
    (plan.folder / "logs").mkdir(parents=True)
    made = local.StartedCluster(FlinkPrograms(plan, "java", []))
    yield made
    made.end()


def started(starter: local.StartedCluster, name: str, code: str) -> tuple[int, int]:
    """Start Python code that prints the id of its child; return both ids."""
    starter.start(Program(name, (sys.executable, "-c", code)))
    running = starter.cluster.programs[-1]
    log = pathlib.Path(running.log)
    wait_until(lambda: log.read_text().endswith("\n"))
    return running.process, int(log.read_text())


@pytest.mark.parametrize("leader_is_killed", [False, True])
def test_down_ends_programs_and_their_children(
    leader_is_killed: bool, starter: local.StartedCluster, tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(local, "_STOP_SECONDS", 0.5)
    process, child = started(starter, "one", STUBBORN)
    if leader_is_killed:
        os.kill(process, signal.SIGKILL)
        wait_until(lambda: not lives(process))
        assert lives(child)
    folder = tmp_path / "cluster"
    assert local.down(folder) == (0 if leader_is_killed else 1)
    assert not lives(process)
    assert not lives(child)
    assert local.down(folder) == 0
    with pytest.raises(NotFoundError, match=f"`sae cluster up --folder {folder}`"):
        local.status(folder)


def test_a_process_with_the_id_of_an_ended_program_is_not_waited_for() -> None:
    with subprocess.Popen(["sleep", "600"], start_new_session=True) as other:
        try:
            ended = Process(other.pid, process_identity.identity(os.getpid()))
            assert local._end({"one": ended}, pathlib.Path("cluster")) == 0
            assert other.poll() is None
        finally:
            other.kill()


def test_the_default_folder_needs_no_option(tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SAE_CLUSTER_PARTS", str(tmp_path))
    with pytest.raises(NotFoundError, match="`sae cluster up`"):
        local.status(tmp_path / "running")


def test_status_says_what_runs_starts_and_ended(starter: local.StartedCluster, tmp_path: pathlib.Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
        starter.start(Program("runs", ("sleep", "600"), f"127.0.0.1:{port}"))
        starter.start(Program("starts", ("sleep", "600"), "127.0.0.1:1"))
        starter.start(Program("ended", ("true",)))
        wait_until(lambda: not lives(starter.cluster.programs[-1].process))
        found = local.status(tmp_path / "cluster")
    assert {one.name: one.state for one in found.programs} == {"runs": "runs", "starts": "starts", "ended": "ended"}
    assert (found.is_good, found.slots, found.free_slots) == (False, None, None)
    assert found.settings["engine.parallelism"] == "6"
    assert found.settings["engine.worker_address"] == "sae-worker:50000"
    shown = cluster_text.status(found, Selection(program="python -m pipeline"))
    assert f"`python -m pipeline cluster down --folder {tmp_path / 'cluster'}`" in shown
    assert "--set" not in shown


def test_a_program_that_dies_ends_the_wait_with_its_last_words(starter: local.StartedCluster) -> None:
    starter.start(Program("broken", ("sh", "-c", "echo 'no memory left'; echo '\tat Main.java:3'; exit 7")))
    with pytest.raises(UnavailableError, match="broken ended with exit code 7: no memory left"):
        starter.wait("it", lambda: False)


def test_the_wait_has_an_end(starter: local.StartedCluster) -> None:
    starter._deadline = time.monotonic()
    with pytest.raises(UnavailableError, match="it does not answer"):
        starter.wait("it", lambda: False)


def installed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(local.java, "find", lambda engine: "java")
    monkeypatch.setattr(local.parts, "class_path", lambda place, engine: [])


def test_up_refuses_a_folder_with_a_running_cluster(
    starter: local.StartedCluster, tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    installed(monkeypatch)
    starter.start(Program("one", ("sleep", "600")))
    folder = tmp_path / "cluster"
    with pytest.raises(LockedError) as caught:
        local.up(plan_in(tmp_path))
    assert f"`sae cluster status --folder {folder}`" in str(caught.value)
    assert f"`sae cluster down --folder {folder}`" in str(caught.value)
    assert lives(starter.cluster.programs[0].process)


def test_up_refuses_a_folder_with_other_files(tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch) -> None:
    installed(monkeypatch)
    (tmp_path / "cluster" / "logs").mkdir(parents=True)
    with pytest.raises(UsageError, match="something else"):
        local.up(plan_in(tmp_path))
    assert (tmp_path / "cluster" / "logs").is_dir()


@pytest.mark.parametrize(
    ("field", "option"), [("rest", "--rest-port"), ("job", "--job-port"), ("worker", "--worker-port")]
)
def test_up_names_the_option_of_a_port_that_is_taken(
    field: str, option: str, tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    installed(monkeypatch)
    plan = plan_in(tmp_path, 1)
    free = {name: free_port() for name in ("rest", "job", "worker")}
    with socket.create_server(("127.0.0.1", 0)) as server:
        ports = Ports(**{**free, field: server.getsockname()[1]})
        with pytest.raises(UnavailableError, match=option):
            local.up(dataclasses.replace(plan, ports=ports))


@pytest.mark.parametrize(
    ("ports", "options"),
    [
        (Ports(rest=9, job=9), "--rest-port and --job-port"),
        (Ports(job=9, worker=9), "--job-port and --worker-port"),
        (Ports(rest=9, worker=9), "--rest-port and --worker-port"),
    ],
)
def test_up_refuses_one_port_for_two_programs(ports: Ports, options: str, tmp_path: pathlib.Path) -> None:
    with pytest.raises(UsageError, match=f"{options} are both 9"):
        local.up(dataclasses.replace(plan_in(tmp_path), ports=ports))
    assert not (tmp_path / "cluster").exists()


def test_up_can_be_repeated_after_a_full_disk(tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch) -> None:
    installed(monkeypatch)
    monkeypatch.setattr(local.java, "find", lambda engine: "false")
    plan = dataclasses.replace(plan_in(tmp_path, 1), ports=Ports(free_port(), free_port(), free_port()))
    write = local.atomic_file.write
    for allowed in range(3):  # writes of the record until the disk is full
        left = iter(range(allowed))

        def full(path: pathlib.Path, text: str, left: Iterator[int] = left) -> None:
            if next(left, None) is None:
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), str(path))
            write(path, text)

        monkeypatch.setattr(local.atomic_file, "write", full)
        with pytest.raises(UnavailableError, match=r"cannot write to --folder .*No space left on device"):
            local.up(plan)
        monkeypatch.setattr(local.atomic_file, "write", write)
        with pytest.raises(UnavailableError, match="jobmanager ended"):
            local.up(plan)
        shutil.rmtree(plan.folder)


DAMAGED = {
    "empty": "",
    "other": "[]",
    "nested": "[" * 100_000,
    "bytes": "\udcff",
    "engine": {"engine": "dask"},
    "group": {"process": -1},
    "zero": {"process": 0},
    "address": {"address": "nowhere"},
}


@pytest.mark.parametrize("found", DAMAGED.values(), ids=list(DAMAGED))
@pytest.mark.parametrize("command", [local.status, local.down])
def test_a_damaged_record_is_named(
    command: Callable[[pathlib.Path], object], found: str | dict[str, object], starter: local.StartedCluster
) -> None:
    folder = pathlib.Path(starter.cluster.folder)
    text = found
    if isinstance(found, dict):
        one = {"name": "one", "address": "", "process": 1, "identity": "", "log": "", **found}
        values = {**dataclasses.asdict(starter.cluster), "programs": [one]}
        text = json.dumps({**values, **{key: value for key, value in found.items() if key in values}})
    (folder / "cluster.json").write_text(str(text), errors="surrogateescape")
    with pytest.raises(UnavailableError, match=r"cluster\.json cannot be read .*remove it"):
        command(folder)
    (folder / "cluster.json").unlink()


@pytest.mark.parametrize("make", [os.mkfifo, os.mkdir, lambda path: os.symlink("/dev/zero", path)])
def test_a_record_that_is_no_file_is_named(make: Callable[[str], None], tmp_path: pathlib.Path) -> None:
    make(str(tmp_path / "cluster.json"))
    with pytest.raises(UnavailableError, match=r"cluster\.json cannot be read"):
        local.status(tmp_path)


def test_a_folder_may_be_moved(starter: local.StartedCluster, tmp_path: pathlib.Path) -> None:
    starter.start(Program("one", ("sleep", "600")))
    (tmp_path / "cluster").rename(tmp_path / "moved")
    assert local.status(tmp_path / "moved").cluster.folder == str(tmp_path / "moved")
    assert local.down(tmp_path / "moved") == 1
    assert not (tmp_path / "cluster").exists()
    (tmp_path / "moved").rename(tmp_path / "cluster")


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as server:
        return int(server.getsockname()[1])


def test_a_cluster_whose_program_dies_leaves_only_logs(tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch) -> None:
    installed(monkeypatch)
    monkeypatch.setattr(local.java, "find", lambda engine: "false")
    ports = Ports(free_port(), free_port(), free_port())
    with pytest.raises(UnavailableError, match="jobmanager ended with exit code 1"):
        local.up(dataclasses.replace(plan_in(tmp_path, 1), ports=ports))
    with pytest.raises(NotFoundError):
        local.status(tmp_path / "cluster")
    assert (tmp_path / "cluster" / "logs" / "jobmanager.log").is_file()


def test_the_manifest_names_every_jar_in_lines_that_java_reads(tmp_path: pathlib.Path) -> None:
    jars = [tmp_path / f"folder {number}" / f"a-{number}.jar" for number in range(40)]
    plan = plan_in(tmp_path)
    (plan.folder / "work").mkdir(parents=True)
    jar = FlinkPrograms(plan, "java", jars).job_server_jar()
    text = zipfile.ZipFile(jar).read("META-INF/MANIFEST.MF").decode()
    assert max(len(line) for line in text.splitlines()) <= 72
    words = text.replace("\n ", "").splitlines()[1].split()
    assert words[0] == "Class-Path:"
    assert words[1] == f"file://localhost{jars[0]}".replace(" ", "%20")
    assert len(words) == 41


def settings_of(plan: ClusterPlan, name: str) -> dict[str, str]:
    text = (plan.folder / "configuration" / name / "config.yaml").read_text()
    return dict(line.split(": ", 1) for line in text.splitlines())


def test_java_gets_the_memory_that_flink_counts_with(tmp_path: pathlib.Path) -> None:
    plan = plan_in(tmp_path)
    command = FlinkPrograms(plan, "java", []).host(plan.hosts[0]).command
    found = settings_of(plan, "taskmanager-host1")
    size = {key: int(value.removesuffix("m")) for key, value in found.items() if "memory" in key}
    heap = size["taskmanager.memory.task.heap.size"] + size["taskmanager.memory.framework.heap.size"]
    direct = sum(
        size[f"taskmanager.memory.{name}"] for name in ("task.off-heap.size", "framework.off-heap.size", "network.max")
    )
    assert f"-Xmx{heap}m" in command
    assert f"-XX:MaxDirectMemorySize={direct}m" in command
    assert f"-XX:MaxMetaspaceSize={size['taskmanager.memory.jvm-metaspace.size']}m" in command
    assert found["taskmanager.numberOfTaskSlots"] == "3"


def test_each_of_several_hosts_knows_its_own_worker(tmp_path: pathlib.Path) -> None:
    plan = plan_in(tmp_path)
    for host, address in zip(plan.hosts, ("127.0.0.11", "127.0.0.12"), strict=True):
        program = FlinkPrograms(plan, "java", []).host(host)
        [option] = [one for one in program.command if one.startswith("-Djdk.net.hosts.file=")]
        lines = pathlib.Path(option.partition("=")[2]).read_text().splitlines()
        names = {name: line.split()[0] for line in lines for name in line.split()[1:]}
        assert names["sae-worker"] == address
        assert names["localhost"] == names[socket.gethostname()] == "127.0.0.1"
        assert local.worker(plan, host).address == f"{address}:50000"


def test_one_host_and_hosts_elsewhere_reach_it_as_localhost(tmp_path: pathlib.Path) -> None:
    [alone] = hosts_of_this_machine(1)
    elsewhere = Host("host9", "10.77.0.11", enter=("ip", "netns", "exec", "h1"))
    plan = plan_in(tmp_path)
    for host in (alone, elsewhere):
        command = FlinkPrograms(plan, "java", []).host(host).command
        assert not any("hosts.file" in one for one in command)
        assert command[: len(host.enter)] == host.enter
    assert settings_of(plan, "taskmanager-host9")["taskmanager.host"] == "10.77.0.11"


@pytest.mark.parametrize("command", [local.status, local.down])
def test_a_file_is_no_folder_of_a_cluster(command: Callable[[pathlib.Path], object], tmp_path: pathlib.Path) -> None:
    file = tmp_path / "file"
    file.touch()
    with pytest.raises(UsageError, match=re.escape(str(file))):
        command(file)
