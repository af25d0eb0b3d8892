"""Clusters for the tests: each on hosts of its own, with free ports, and ended in any case."""

from __future__ import annotations

import contextlib
import dataclasses
import json
import os
import pathlib
import shutil
import socket
import urllib.request
from collections.abc import Iterator
from typing import Any

import pytest

from pipeline.cluster import java, local, parts
from pipeline.cluster.engines import FLINK, SPARK, ClusterEngine
from pipeline.cluster.plan import LOOPBACK, ClusterPlan, Host, Ports
from pipeline.core.errors import UnavailableError
from tests.cluster import namespaces, sample_runs
from tests.cluster.sample_runs import Digests

_END_SECONDS = 60.0  # for Flink to show that a job has ended


@dataclasses.dataclass(frozen=True)
class HostCluster:
    """A cluster on hosts with networks of their own.

    Attributes:
      started: it, as `local.up` returned it.
      hosts: its hosts.
    """

    started: local.StartedCluster
    hosts: tuple[Host, ...]

    @property
    def cluster(self) -> local.LocalCluster:
        """Its addresses, and the settings of a run on it."""
        return self.started.cluster

    def kill(self, host: Host) -> None:
        """Kill all processes of a host."""
        namespaces.kill(host)

    def restore(self, host: Host) -> None:
        """Start the programs of a host again, and wait for them."""
        self.started.start_host(host)
        self.started.wait_until_complete()

    def restore_job_server(self) -> None:
        """Start Beam's job server again, and wait for it."""
        self.started.start_job_server()
        self.started.wait_until_complete()

    def program(self, name: str) -> local.Running:
        """Return a program that was started."""
        [found] = [one for one in self.cluster.programs if one.name == name]
        return found

    def ask(self, path: str) -> Any:
        """Return the answer of Flink's REST API."""
        opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
        with opener.open(self.cluster.page + path, timeout=30) as answer:
            return json.load(answer)

    def job(self, name: str) -> str:
        """Return the id of a job."""
        [found] = [one["jid"] for one in self.ask("/jobs/overview")["jobs"] if one["name"] == name]
        return str(found)

    def records(self, job: str) -> dict[str, int]:
        """Return how many records all steps of a job have read, by the address of the host; the job by its id.

        Flink answers for some seconds as it did before, also once the job has ended, so this waits for the end.
        """
        sample_runs.wait_for(lambda: self.ask(f"/jobs/{job}")["state"] == "FINISHED", _END_SECONDS)
        counts = dict.fromkeys((host.address for host in self.hosts), 0)
        for vertex in self.ask(f"/jobs/{job}")["vertices"]:
            for task in self.ask(f"/jobs/{job}/vertices/{vertex['id']}")["subtasks"]:
                counts[task["host"].partition(":")[0]] += task["metrics"]["read-records"]
        return counts


def free_ports(manager: str, worker: str) -> Ports:
    """Return ports that are free now, at these addresses."""
    with contextlib.ExitStack() as stack:
        servers = [stack.enter_context(socket.create_server((host, 0))) for host in (manager, LOOPBACK, worker)]
        return Ports(*(server.getsockname()[1] for server in servers))


@pytest.fixture(scope="session", autouse=True)
def java_for_minutes() -> Iterator[None]:
    """Let Java compile quickly: within minutes, better code does not pay for a third of the processor time."""
    with pytest.MonkeyPatch.context() as patch:
        earlier = os.environ.get("JDK_JAVA_OPTIONS", "")
        patch.setenv("JDK_JAVA_OPTIONS", f"{earlier} -XX:TieredStopAtLevel=1 -XX:+UseSerialGC".strip())
        yield


@pytest.fixture(scope="session")
def parts_folder() -> pathlib.Path:
    """The folder with the installed engines."""
    return parts.default_folder()


def why_not(engine: ClusterEngine, parts_folder: pathlib.Path) -> str:
    """Return why this machine cannot install or start an engine; empty if it can."""
    try:
        java.find(engine)
    except UnavailableError as error:
        return str(error)
    missing = parts.damage(parts.engine_folder(parts_folder, engine), parts.read_lock(engine))
    if missing and shutil.which("mvn") is None:
        return f"needs Maven, or the folder that `{parts.install_command(engine, parts_folder)}` makes: {missing}"
    return ""


@contextlib.contextmanager
def running(engine: ClusterEngine, parts_folder: pathlib.Path, folder: pathlib.Path) -> Iterator[HostCluster]:
    """Run a cluster on two hosts with networks of their own, two slots each."""
    if reason := namespaces.why_not() or why_not(engine, parts_folder):
        pytest.skip(reason)
    parts.install(engine, parts_folder)
    with namespaces.made(2) as (manager, hosts):
        started = local.up(ClusterPlan(engine, parts_folder, folder, hosts, 2, manager, free_ports(manager, manager)))
        try:
            yield HostCluster(started, hosts)
        finally:
            started.end()


@pytest.fixture(scope="session")
def of_one_machine(tmp_path_factory: pytest.TempPathFactory) -> Digests:
    """The content digests of the sample without a cluster."""
    return sample_runs.on_one_machine(tmp_path_factory.mktemp("local") / "root", settings=sample_runs.MANY_FILES)


@pytest.fixture(scope="module")
def flink_hosts(tmp_path_factory: pytest.TempPathFactory, parts_folder: pathlib.Path) -> Iterator[HostCluster]:
    """A Flink cluster on two hosts."""
    with running(FLINK, parts_folder, tmp_path_factory.mktemp("flink")) as cluster:
        yield cluster


@pytest.fixture(scope="module")
def spark_hosts(tmp_path_factory: pytest.TempPathFactory, parts_folder: pathlib.Path) -> Iterator[HostCluster]:
    """A Spark cluster on two hosts."""
    with running(SPARK, parts_folder, tmp_path_factory.mktemp("spark")) as cluster:
        yield cluster
