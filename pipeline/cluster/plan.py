"""What a cluster on this machine consists of: hosts, ports, and the programs to start."""

from __future__ import annotations

import abc
import dataclasses
import pathlib
import socket
import zipfile
from collections.abc import Mapping, Sequence

from pipeline.cluster.engines import ClusterEngine

LOOPBACK = "127.0.0.1"
# The name of the worker beside a task manager, on a machine with several: it is another address for each of them.
WORKER_NAME = "sae-worker"


@dataclasses.dataclass(frozen=True)
class Host:
    """A host of a cluster: a task manager of Flink or a worker of Spark, and a `sae worker` beside it.

    Attributes:
      name: `host1`.
      address: its IP address; hosts on one machine have one each.
      worker_name: the name by which its task manager reaches its `sae worker`.
      enter: a command before each of its programs, which runs them elsewhere: `ip netns exec NAME`.
    """

    name: str
    address: str
    worker_name: str = "localhost"
    enter: tuple[str, ...] = ()


@dataclasses.dataclass(frozen=True)
class Ports:
    """The ports of a cluster's programs; all others are free ones.

    Attributes:
      rest: of Flink's REST API and pages, or of Spark's master.
      job: of Beam's job server.
      worker: of each `sae worker`.
      rpc: between the job manager and its task managers; 0 is replaced by a free one.
    """

    rest: int = 8081
    job: int = 8099
    worker: int = 50000
    rpc: int = 0


@dataclasses.dataclass(frozen=True)
class ClusterPlan:
    """A cluster that is to be started.

    Attributes:
      engine: which runs on it.
      parts: the folder with the jars.
      folder: for configuration, logs and work files; absolute.
      hosts: at least one.
      slots: tasks that a host runs at once.
      manager: the IP address of the job manager.
      ports: of its programs.
    """

    engine: ClusterEngine
    parts: pathlib.Path
    folder: pathlib.Path
    hosts: tuple[Host, ...]
    slots: int
    manager: str = LOOPBACK
    ports: Ports = Ports()

    @property
    def parallelism(self) -> int:
        """The slots of all hosts."""
        return self.slots * len(self.hosts)


@dataclasses.dataclass(frozen=True)
class Program:
    """A program of a cluster.

    Attributes:
      name: of its log: `taskmanager-host1`.
      command: program and arguments.
      address: `HOST:PORT` on which it listens; empty if the port is a free one.
      environment: variables beside those of this process.
    """

    name: str
    command: tuple[str, ...]
    address: str = ""
    environment: Mapping[str, str] = dataclasses.field(default_factory=dict)


@dataclasses.dataclass(frozen=True)
class Slots:
    """The slots of a cluster: tasks that it runs at once."""

    all: int
    free: int


class Programs(abc.ABC):
    """The programs of an engine's cluster, and their configuration, which the methods write.

    Attributes:
      plan: the cluster.
      java: the path of `java`.
      jars: of the engine.
    """

    def __init__(self, plan: ClusterPlan, java: str, jars: Sequence[pathlib.Path]) -> None:
        self.plan = plan
        self.java = java
        self.jars = jars

    @property
    @abc.abstractmethod
    def master(self) -> str:
        """The address by which the engine's own clients know the cluster."""

    @abc.abstractmethod
    def manager(self) -> Program:
        """Return the program that knows all hosts."""

    @abc.abstractmethod
    def host(self, host: Host) -> Program:
        """Return the program of a host that runs tasks."""

    @abc.abstractmethod
    def job_server(self) -> Program:
        """Return Beam's job server."""

    def job_server_jar(self) -> pathlib.Path:
        """Write the one jar of the job server's class path, whose manifest names all others, and return its path.

        With each job, Beam ships the jars that it finds on the class path of its job server. It does not follow
        addresses with a host, as Java does; so it ships only this jar, and the others are on the class path of each
        host anyway.
        """
        addresses = [jar.absolute().as_uri().replace("file://", "file://localhost", 1) for jar in self.jars]
        text = f"Class-Path: {' '.join(addresses)}"
        lines = [text[:70], *(f" {text[start : start + 69]}" for start in range(70, len(text), 69))]  # at most 72 bytes
        path = self.plan.folder / "work" / "jobserver.jar"
        with zipfile.ZipFile(path, "w") as file:
            file.writestr("META-INF/MANIFEST.MF", "\n".join(["Manifest-Version: 1.0", *lines, "", ""]))
        return path

    @property
    def job_server_options(self) -> tuple[str, ...]:
        """The options of Beam's job server that all engines have."""
        return (
            f"--job-host={LOOPBACK}",
            f"--job-port={self.plan.ports.job}",
            "--artifact-port=0",
            "--expansion-port=-1",
            f"--artifacts-dir={self.plan.folder / 'work' / 'jobserver'}",
        )

    @property
    def job_endpoint(self) -> str:
        """The address of Beam's job server."""
        return f"{LOOPBACK}:{self.plan.ports.job}"

    @staticmethod
    def names_option(host: Host, names: pathlib.Path) -> str:
        """Return the option of Java by which a host finds the `sae worker` beside it; empty if that is at localhost.

        `names` is the file of names that the option gives.
        """
        if host.worker_name != WORKER_NAME:
            return ""
        here = f"{LOOPBACK} localhost {socket.gethostname()}"
        names.write_text(f"{here}\n{host.address} {host.address} {WORKER_NAME}\n")
        return f"-Djdk.net.hosts.file={names}"

    @staticmethod
    @abc.abstractmethod
    def slots(page: str) -> Slots | None:
        """Return the slots of the cluster with these pages; None if it does not answer."""


def hosts_of_this_machine(count: int) -> tuple[Host, ...]:
    """Return hosts on loopback addresses of this machine.

    A task manager reaches the `sae worker` beside it by one address that is the same for all. So with several, that
    address contains a name, which each task manager reads from a file of its own.
    """
    if count == 1:
        return (Host("host1", LOOPBACK),)
    return tuple(Host(f"host{number}", f"127.0.0.{10 + number}", WORKER_NAME) for number in range(1, count + 1))
