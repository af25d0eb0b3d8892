"""Start a cluster on this machine, show it, and end it.

Each program has a session of its own and is recorded in `cluster.json`, with its identity, before it runs: `down` finds
all of them, also when `up` or one of them was killed.
"""

from __future__ import annotations

import contextlib
import dataclasses
import datetime
import json
import os
import pathlib
import shutil
import socket
import sys
import time
from collections.abc import Callable, Iterator, Mapping

import psutil

from components import atomic_file
from components.errors import cause_text
from pipeline.cluster import java, parts
from pipeline.cluster.flink import FlinkPrograms
from pipeline.cluster.plan import LOOPBACK, ClusterPlan, Host, Ports, Program, Programs, Slots
from pipeline.cluster.spark import SparkPrograms
from pipeline.core import listening, regular_file, root_lock, serialization, shell
from pipeline.core.errors import LockedError, NotFoundError, UnavailableError, UsageError
from pipeline.core.project import PROJECT
from pipeline.core.text import last_line
from pipeline.scheduler.run_process import Child, Process

START_SECONDS = 600.0  # for the whole cluster to start; it takes 20 on a free machine
_STOP_SECONDS = 10.0  # between SIGTERM and SIGKILL
_POLL = 0.2
PROGRAMS: dict[str, type[Programs]] = {"flink": FlinkPrograms, "spark": SparkPrograms}
_RECORD, _LOCK = "cluster.json", "lock"
_OWN_FOLDERS = ("configuration", "work", "logs")


@dataclasses.dataclass(frozen=True)
class Running:
    """A program that was started.

    Attributes:
      name: as in `Program`.
      address: as in `Program`.
      process: its id, also of its session.
      identity: distinguishes it from later processes with this id.
      log: the file of its output.
    """

    name: str
    address: str
    process: int
    identity: str
    log: str


@dataclasses.dataclass(frozen=True)
class LocalCluster:
    """A cluster as `cluster.json` records it.

    Attributes:
      engine: its name.
      version: of the engine.
      folder: which contains its files.
      started: when, in UTC.
      hosts: how many.
      slots: of each host.
      master: `HOST:PORT` of Flink's REST API, or the URL of Spark's master.
      page: the address of the engine's own pages.
      job_endpoint: `HOST:PORT` of Beam's job server.
      worker_address: of the `sae worker` of a host, as its task manager sees it.
      programs: all; empty after `down`.
    """

    engine: str
    version: str
    folder: str
    started: str
    hosts: int
    slots: int
    master: str
    page: str
    job_endpoint: str
    worker_address: str
    programs: tuple[Running, ...] = ()

    @property
    def settings(self) -> dict[str, str]:
        """The settings of a run on it."""
        return {
            "engine.runner": self.engine,
            **({"engine.flink_master": self.master} if self.engine == "flink" else {}),
            "engine.job_endpoint": self.job_endpoint,
            "engine.worker_address": self.worker_address,
            "engine.parallelism": str(self.hosts * self.slots),
        }


@dataclasses.dataclass(frozen=True)
class ProgramStatus:
    """Whether a program runs and listens.

    Attributes:
      state: `runs`, `starts` if it does not listen yet, or `ended`.
    """

    name: str
    address: str
    process: int
    state: str
    log: str


@dataclasses.dataclass(frozen=True)
class Status:
    """What `sae cluster status` shows.

    Attributes:
      cluster: as recorded.
      programs: each with its state.
      slots: of all hosts that the engine knows; None if it does not answer.
      free_slots: of these.
      settings: of a run on it, for --set.
      advice: what to do if a program has ended; else empty.
    """

    cluster: LocalCluster
    programs: tuple[ProgramStatus, ...]
    slots: int | None
    free_slots: int | None
    settings: Mapping[str, str]
    advice: str

    @property
    def is_good(self) -> bool:
        """Return whether all programs run."""
        return all(one.state == "runs" for one in self.programs)


def default_folder() -> pathlib.Path:
    """Return the folder of a cluster, beside the parts."""
    return parts.default_folder() / "running"


def _command(name: str, folder: pathlib.Path) -> str:
    """Return the command of a message, with the folder unless it is the default."""
    option = "" if folder == default_folder() else f" --folder {shell.quoted(str(folder))}"
    return f"`sae cluster {name}{option}`"


def up(plan: ClusterPlan, note: Callable[[str], None] = lambda text: None) -> StartedCluster:
    """Start a cluster and wait until all of it answers. What was started ends again if that fails.

    `note` gets a line before the wait.

    Raises:
      LockedError: a cluster runs in this folder.
      UsageError: the folder contains something else, or two programs have the same port.
      UnavailableError: a part is missing or damaged, a port is taken, the folder cannot be written, or a program did
        not start.
    """
    _check_distinct(plan.ports)
    path, jars = java.find(plan.engine), parts.class_path(plan.parts, plan.engine)
    with _writing(plan.folder), _locked(plan.folder):
        earlier = _read(plan.folder)
        processes = _processes(earlier)
        if earlier is not None and any(one.lives() for one in processes.values()):
            raise LockedError(
                f"a cluster of {earlier.engine} runs in {plan.folder} since {earlier.started}: "
                f"{_command('status', plan.folder)} shows it, {_command('down', plan.folder)} ends it; "
                "or choose another with --folder"
            )
        _end(processes, plan.folder)  # children that outlived them
        _check_ports(plan)
        with listening.bound(plan.manager, 0) as probe:
            ports = dataclasses.replace(plan.ports, rpc=probe.getsockname()[1])
        plan = dataclasses.replace(plan, ports=ports)
        started = StartedCluster(PROGRAMS[plan.engine.name](plan, path, jars))
        started.record(())  # from here on the folder is that of a cluster, also if the disk is full
        for name in _OWN_FOLDERS:
            shutil.rmtree(plan.folder / name, ignore_errors=True)
            (plan.folder / name).mkdir()
        note(f"{plan.engine} starts; this takes 20 s, or minutes on a busy machine")
        try:
            started.start_all()
        except BaseException:
            started.end()
            raise
        return started


def worker(plan: ClusterPlan, host: Host) -> Program:
    """Return the `sae worker` of a host."""
    command = (sys.executable, "-m", "pipeline", "worker", "--host", host.address, "--port", str(plan.ports.worker))
    return Program(f"worker-{host.name}", (*host.enter, *command), f"{host.address}:{plan.ports.worker}")


class StartedCluster:
    """Starts the programs of a cluster, and records each before it runs.

    Attributes:
      cluster: as recorded.
    """

    def __init__(self, programs: Programs) -> None:
        plan = programs.plan
        self._programs = programs
        self._children: dict[str, Child] = {}
        self._deadline = time.monotonic() + START_SECONDS
        self.cluster = LocalCluster(
            plan.engine.name,
            plan.engine.version,
            str(plan.folder),
            datetime.datetime.now(datetime.timezone.utc).isoformat(timespec="seconds"),
            len(plan.hosts),
            plan.slots,
            programs.master,
            f"http://{plan.manager}:{plan.ports.rest}",
            programs.job_endpoint,
            f"{plan.hosts[0].worker_name}:{plan.ports.worker}",
        )

    def start_all(self) -> None:
        """Start all programs, and wait until they answer. Raises `UnavailableError`."""
        self.start(self._programs.manager())
        self.wait("its manager", lambda: self._slots() is not None)
        for host in self._programs.plan.hosts:
            self.start_host(host)
        self.start_job_server()
        self.wait("a part of the cluster", self._is_complete)

    def start_host(self, host: Host) -> None:
        """Start the programs of a host, also again after they ended."""
        self.start(self._programs.host(host))
        self.start(worker(self._programs.plan, host))

    def start_job_server(self) -> None:
        """Start Beam's job server, also again after it ended."""
        self.start(self._programs.job_server())

    def wait_until_complete(self) -> None:
        """Wait until all programs answer and all slots are free or used. Raises `UnavailableError`."""
        self._deadline = time.monotonic() + START_SECONDS
        self.wait("a part of the cluster", self._is_complete)

    def _is_complete(self) -> bool:
        slots = self._slots()
        return slots is not None and slots.all == self._programs.plan.parallelism and self.listen()

    def _slots(self) -> Slots | None:
        return self._programs.slots(self.cluster.page)

    def record(self, programs: tuple[Running, ...]) -> None:
        """Record the programs that may run."""
        self.cluster = dataclasses.replace(self.cluster, programs=programs)
        _write(self.cluster)

    def start(self, program: Program) -> None:
        """Start a program. Raises `OSError`."""
        log = pathlib.Path(self.cluster.folder, "logs", f"{program.name}.log")
        child = Child(program.command, log, PROJECT, {**os.environ, **program.environment})
        self._children[program.name] = child
        added = Running(program.name, program.address, child.id, child.identity, str(log))
        self.record((*(one for one in self.cluster.programs if one.name != added.name), added))
        child.open_gate()

    def end(self) -> None:
        """End all that was started."""
        _end(self._children, pathlib.Path(self.cluster.folder))
        self.record(())

    def listen(self) -> bool:
        """Return whether each program with an address listens on it."""
        return all(_listens(one.address) for one in self.cluster.programs if one.address)

    def wait(self, what: str, condition: Callable[[], bool]) -> None:
        """Wait for a condition.

        Raises:
          UnavailableError: a program ended, or it takes too long.
        """
        while not condition():
            for one in self.cluster.programs:
                if self._children[one.name].ended():
                    code = self._children[one.name].exit_code()
                    raise UnavailableError(
                        f"{one.name} ended with exit code {code}: {_last_line(one.log)}; see {one.log}, and try again"
                    )
            if time.monotonic() > self._deadline:
                logs = pathlib.Path(self.cluster.folder, "logs")
                raise UnavailableError(f"after {START_SECONDS:.0f} s {what} does not answer: see {logs}, and try again")
            time.sleep(_POLL)


def down(folder: pathlib.Path) -> int:
    """End a cluster and all that its programs started; return how many programs ran. Logs stay.

    Raises:
      UnavailableError: a program cannot be ended, or the folder cannot be written.
    """
    if _read(folder) is None:
        return 0
    with _writing(folder), _locked(folder):
        cluster = _read(folder)
        if cluster is None:
            return 0
        ran = _end(_processes(cluster), folder)
        _write(dataclasses.replace(cluster, programs=()))
        for name in _OWN_FOLDERS[:2]:
            shutil.rmtree(folder / name, ignore_errors=True)
    return ran


def status(folder: pathlib.Path) -> Status:
    """Return the state of a cluster. Raises `NotFoundError` if there is none."""
    cluster = _read(folder)
    if cluster is None or not cluster.programs:
        raise NotFoundError(f"no cluster in {folder}: {_command('up', folder)} starts one")
    programs = tuple(
        ProgramStatus(one.name, one.address, one.process, _state(one), one.log) for one in cluster.programs
    )
    answers = programs[0].state == "runs"  # otherwise another cluster may have its port
    slots = PROGRAMS[cluster.engine].slots(cluster.page) if answers else None
    ended = any(one.state == "ended" for one in programs)
    advice = f"{_command('down', folder)} ends the others, then {_command('up', folder)} starts all again"
    return Status(
        cluster,
        programs,
        slots.all if slots else None,
        slots.free if slots else None,
        cluster.settings,
        advice if ended else "",
    )


def _state(program: Running) -> str:
    if not _process(program).lives():
        return "ended"
    return "runs" if not program.address or _listens(program.address) else "starts"


def _process(program: Running) -> Process:
    return Process(program.process, program.identity)


def _processes(cluster: LocalCluster | None) -> dict[str, Process]:
    return {one.name: _process(one) for one in cluster.programs} if cluster else {}


def _end(found: Mapping[str, Process], folder: pathlib.Path) -> int:
    """End the programs of a folder with their children, and return how many of them ran.

    Raises:
      UnavailableError: one does not end.
    """
    ran = sum(process.lives() for process in found.values())
    for process in found.values():
        process.terminate()
    deadline, killed = time.monotonic() + _STOP_SECONDS, False
    while left := _left(found):
        if time.monotonic() > deadline:
            if killed:
                again = _command("down", folder)
                raise UnavailableError(f"cannot end {', '.join(left)}: try {again} again, as the same user")
            killed, deadline = True, time.monotonic() + _STOP_SECONDS
            for name in left:
                found[name].kill()
        time.sleep(_POLL)
    return ran


def _left(found: Mapping[str, Process]) -> list[str]:
    """Return the programs that have not ended, or whose children have not."""
    ended = {name: process.ended() for name, process in found.items()}  # this kills the children of those that have
    running = {one.pid for one in psutil.process_iter(["status"]) if one.info["status"] != psutil.STATUS_ZOMBIE}
    sessions = set()
    for one in running:
        with contextlib.suppress(ProcessLookupError, PermissionError):
            sessions.add(os.getsid(one))
    # The id of an ended program may be that of another process by now, with a session of its own.
    reused = {process.id for process in found.values() if process.id in running and not process.lives()}
    return [name for name, process in found.items() if not ended[name] or process.id in sessions - reused]


def _listens(address: str) -> bool:
    host, _, port = address.rpartition(":")
    with (
        contextlib.suppress(OSError, UnicodeError, OverflowError),
        socket.create_connection((host, int(port)), timeout=1.0),
    ):
        return True
    return False


def _last_line(log: str) -> str:
    """Return the last line of a log that says something, without those of a stack trace."""
    text = pathlib.Path(log).read_text(encoding="utf-8", errors="replace")
    return last_line(text, ("at ", "... ")) or "it printed nothing"


def _check_distinct(ports: Ports) -> None:
    """Check that no two programs have the same port. Raises `UsageError`."""
    options: dict[int, str] = {}
    for option, port in (("--rest-port", ports.rest), ("--job-port", ports.job), ("--worker-port", ports.worker)):
        if port in options:
            raise UsageError(f"{options[port]} and {option} are both {port}: give each program a port of its own")
        options[port] = option


def _check_ports(plan: ClusterPlan) -> None:
    """Check that the ports are free. Raises `UnavailableError`."""
    wanted = [
        (plan.manager, plan.ports.rest, "--rest-port"),
        (LOOPBACK, plan.ports.job, "--job-port"),
        *((host.address, plan.ports.worker, "--worker-port") for host in plan.hosts if not host.enter),
    ]
    for host, port, option in wanted:
        try:
            listening.bound(host, port).close()
        except OSError as error:
            raise UnavailableError(
                f"cannot listen on {host}:{port} ({cause_text(error)}): "
                f"end the program that listens there, or set {option}"
            ) from error


@contextlib.contextmanager
def _writing(folder: pathlib.Path) -> Iterator[None]:
    """Turn errors of the file system into `UnavailableError`."""
    try:
        yield
    except OSError as error:
        raise UnavailableError(
            f"cannot write to --folder {folder}: {cause_text(error)}; free space there, or choose another folder"
        ) from error


@contextlib.contextmanager
def _locked(folder: pathlib.Path) -> Iterator[None]:
    recorded = _read(folder)
    folder.mkdir(parents=True, exist_ok=True)
    if recorded is None and any(path.name != _LOCK for path in folder.iterdir()):
        raise UsageError(f"--folder {folder} contains something else: choose a new folder, or an empty one")
    with root_lock.hold(
        folder / _LOCK, f"another command works on the cluster in {folder}", "wait for it", what="command"
    ):
        yield


def _read(folder: pathlib.Path) -> LocalCluster | None:
    """Return the cluster that is recorded in a folder; None without one.

    Raises:
      UsageError: the folder is a file.
      UnavailableError: the record is damaged, or cannot be read.
    """
    path = folder / _RECORD
    try:
        found = serialization.build(LocalCluster, json.loads(regular_file.text(path)))
        _check(found)
    except FileNotFoundError:
        return None
    except NotADirectoryError as error:
        raise UsageError(f"--folder {folder} is a file: give the folder of a cluster, or a new one") from error
    except PermissionError as error:
        raise UnavailableError(
            f"{path} cannot be read ({cause_text(error)}): call the command as the user who started the cluster"
        ) from error
    except (OSError, ValueError, KeyError, TypeError, RecursionError) as error:
        reason = cause_text(error)
        raise UnavailableError(f"{path} cannot be read ({reason}): end its processes by hand, and remove it") from error
    return dataclasses.replace(found, folder=str(folder))  # which may have been moved


def _check(found: LocalCluster) -> None:
    """Check the values of a record that commands rely on. Raises `ValueError`."""
    if found.engine not in PROGRAMS:
        raise ValueError(f"there is no engine {found.engine!r}")
    for one in found.programs:
        if one.process < 1:  # signals to 0 or below reach groups of processes
            raise ValueError(f"no process has the id {one.process}")
        if one.address and not one.address.rpartition(":")[2].isdecimal():
            raise ValueError(f"{one.address!r} is no address")


def _write(cluster: LocalCluster) -> None:
    atomic_file.write(pathlib.Path(cluster.folder, _RECORD), serialization.document(cluster))
