"""A sweep on a Dask cluster of a scheduler and two workers: refused, interrupted, with a killed worker; its digests."""

from __future__ import annotations

import contextlib
import json
import os
import pathlib
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from typing import Any

import psutil
import pytest

from pipeline.core import event_log, root_lock
from pipeline.core.errors import UnavailableError
from pipeline.core.events import EpochEnded
from pipeline.core.pipeline_root import Root
from pipeline.metadata import run_properties
from pipeline.metadata.store import open_store
from pipeline.sweeps import dask_cluster
from tests import PROJECT
from tests.e2e.conftest import QUICK_OPTIONS, copy_of_the_project, sae
from tests.waiting import wait_until

pytest.importorskip("distributed", reason="`make setup-cluster` installs it")
pytestmark = [pytest.mark.cluster, pytest.mark.filterwarnings("default")]

SECONDS = 900.0  # at most, to wait for anything
OVER = ("--over", "model.l1=0,1e-5,1e-4,1e-3")  # one waits while a point runs on each worker


class Cluster:
    """A scheduler, and workers of one thread each."""

    def __init__(self, folder: pathlib.Path) -> None:
        self._folder = folder
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            port = free.getsockname()[1]
        self.address = f"tcp://127.0.0.1:{port}"
        self._processes = [self._start("scheduler", "--host", "127.0.0.1", "--port", str(port))]

        def listens() -> bool:
            with socket.socket() as tried:
                return tried.connect_ex(("127.0.0.1", port)) == 0

        wait_until(listens, SECONDS)

    def _start(self, kind: str, *arguments: str, before: tuple[str, ...] = (), project: pathlib.Path = PROJECT) -> Any:
        path = os.pathsep.join(filter(None, [str(project), os.environ.get("PYTHONPATH")]))
        command = [*before, sys.executable, "-m", f"distributed.cli.dask_{kind}", *arguments, "--no-dashboard"]
        with open(self._folder / f"{kind}.log", "ab") as log:
            return subprocess.Popen(
                command, cwd=project, env={**os.environ, "PYTHONPATH": path}, stdout=log, stderr=log
            )

    def add(self, name: str, **options: Any) -> subprocess.Popen[bytes]:
        """Start a worker, and wait until the scheduler knows it."""
        place = ("--local-directory", str(self._folder / "dask"))
        process = self._start("worker", self.address, "--nthreads", "1", "--name", name, *place, **options)
        self._processes.append(process)
        from distributed import Client

        with Client(self.address, timeout=60, set_as_default=False) as client:
            wait_until(lambda: name in names(client), SECONDS)
        return process

    def remove(self, process: subprocess.Popen[bytes]) -> None:
        """End a worker, and wait until the scheduler has forgotten it."""
        from distributed import Client

        with Client(self.address, timeout=60, set_as_default=False) as client:
            before = len(names(client))
            process.terminate()
            process.wait(60)
            wait_until(lambda: len(names(client)) < before, SECONDS)

    def kill_scheduler(self) -> None:
        self._processes[0].kill()

    def close(self) -> None:
        for process in reversed(self._processes):
            process.terminate()
        for process in self._processes:
            try:
                process.wait(30)
            except subprocess.TimeoutExpired:
                process.kill()


def names(client: Any) -> list[str]:
    return [str(one["name"]) for one in client.scheduler_info(n_workers=-1)["workers"].values()]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> pathlib.Path:
    return tmp_path_factory.mktemp("dask")


@pytest.fixture(scope="module")
def cluster(folder: pathlib.Path) -> Iterator[Cluster]:
    made = Cluster(folder)
    try:
        yield made
    finally:
        made.close()


@pytest.fixture(scope="module")
def workers(cluster: Cluster, folder: pathlib.Path) -> Cluster:
    """The cluster with two workers. Before it has them, it is refused."""
    root = Root(folder / "empty")
    root.create()
    root.sweeps.mkdir()
    with pytest.raises(UnavailableError, match="has no workers"), dask_cluster.connect(cluster.address, root, ""):
        pass
    cluster.add("one")
    cluster.add("two")
    return cluster


def started(name: str, *options: str, root: pathlib.Path, on: Cluster) -> subprocess.Popen[str]:
    """Start `sae sweep run` on a cluster."""
    words = ["sweep", "run", name, *options, "--on", on.address, "--json", "--root", str(root)]
    return subprocess.Popen(
        [sys.executable, "-m", "pipeline", *words],
        cwd=PROJECT,
        env={**os.environ, "PYTHONPATH": os.pathsep.join([str(PROJECT), os.environ.get("PYTHONPATH", "")])},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def running(root: pathlib.Path) -> dict[str, psutil.Process]:
    """The runs in progress in a root and in the roots of its trials, by their ids."""
    found = {}
    for place in (root, *(root / "sweeps" / "l1" / "workers").glob("[0-9]*")):
        holder = root_lock.holder(Root(place).lock_file)
        if holder is not None and holder.run:
            with contextlib.suppress(psutil.NoSuchProcess):
                found[holder.run] = psutil.Process(holder.process)
    return found


def trains(root: pathlib.Path) -> list[str]:
    """The runs in progress in roots of trials that have ended an epoch."""
    places = list((root / "sweeps" / "l1" / "workers").glob("[0-9]*"))
    return [
        run
        for run in running(root)
        for place in places
        if any(isinstance(one.event, EpochEnded) for one in event_log.read(place, run))
    ]


@pytest.fixture(scope="module")
def sweep(workers: Cluster, folder: pathlib.Path) -> dict[str, Any]:
    """The sweep, interrupted while its second point ran, then continued, then a worker killed."""
    root = folder / "root"
    process = started("l1", *OVER, *QUICK_OPTIONS, root=root, on=workers)
    try:
        wait_until(lambda: process.poll() is not None or len(running(root)) == 2, SECONDS)
        process.send_signal(signal.SIGINT)
        _, interrupted = process.communicate(timeout=300)
        code, left = process.returncode, running(root)
    finally:
        process.kill()
    process = started("l1", root=root, on=workers)
    try:
        wait_until(lambda: process.poll() is not None or bool(trains(root)), SECONDS)
        [run, *_] = trains(root)
        trial = running(root)[run]
        worker = trial.parent()
        assert worker is not None
        worker.kill()
        _, alive = psutil.wait_procs([trial], timeout=30)
        output, errors = process.communicate(timeout=1800)
    finally:
        process.kill()
    return {
        "interrupted": (code, interrupted, left),
        "killed": (run, alive),
        "ended": (process.returncode, errors),
        "found": json.loads(output),
        "root": root,
    }


@pytest.fixture(scope="module")
def one_by_one(folder: pathlib.Path) -> dict[str, Any]:
    """The same sweep on this machine, one point after the other."""
    root = folder / "local"
    done = sae("sweep", "run", "l1", *OVER, *QUICK_OPTIONS, "--parallel", "1", "--json", "--root", root)
    assert done.returncode == 0, done.stderr
    return {"found": json.loads(done.stdout), "root": root}


def contents(root: pathlib.Path, point: dict[str, Any]) -> dict[tuple[str, str], str]:
    """The content digests of a point, by node and output."""
    store = open_store(Root(root), read_only=True)
    return {
        (node, key): artifact.content
        for node, execution in store.executions(point["run"]).items()
        for key, artifact in store.outputs(execution.id).items()
    }


def test_ctrl_c_cancels_the_trials_and_leaves_nothing_running(sweep: dict[str, Any]) -> None:
    code, errors, left = sweep["interrupted"]
    assert code == 130, errors
    assert left == {}


def test_all_points_succeed_although_a_worker_was_killed(sweep: dict[str, Any]) -> None:
    code, errors = sweep["ended"]
    assert code == 0, errors
    assert sweep["found"]["row"]["counts"] == {"succeeded": 4}
    run, alive = sweep["killed"]
    assert alive == []  # what a killed worker started ends with it
    points = [point for point in sweep["found"]["points"] if point["run"] != run]
    assert len(points) == 4
    assert "died; it runs again" in errors


def test_trials_run_in_roots_of_their_own_and_leave_nothing(sweep: dict[str, Any]) -> None:
    root: pathlib.Path = sweep["root"]
    store = open_store(Root(root), read_only=True)
    places = [store.run_properties(one["run"]).get(run_properties.ADOPTED_FROM) for one in sweep["found"]["points"]]
    assert places[0] is None
    assert {pathlib.Path(str(place)).parent for place in places[1:]} == {root / "sweeps" / "l1" / "workers"}
    assert sorted(path.name for path in (root / "sweeps" / "l1").iterdir()) == ["results", "sweep.json"]
    assert not list(root.glob("sweeps/.*"))
    assert sae("fsck", "--root", root).returncode == 0


def test_the_digests_are_those_of_a_sweep_one_by_one(sweep: dict[str, Any], one_by_one: dict[str, Any]) -> None:
    for here, there in zip(sweep["found"]["points"], one_by_one["found"]["points"], strict=True):
        found = contents(sweep["root"], here)
        assert len(found) == 12
        assert found == contents(one_by_one["root"], there)
    assert sweep["found"]["digest"] == one_by_one["found"]["digest"]


def test_a_worker_with_other_code_is_refused_by_the_name_of_its_host(
    workers: Cluster, folder: pathlib.Path, tmp_path: pathlib.Path
) -> None:
    other = copy_of_the_project(tmp_path)
    with open(other / "pipeline_config.py", "a", encoding="utf-8") as file:
        file.write("\n# changed\n")
    process = workers.add("changed", project=other)
    try:
        refused = f"changed on host {socket.gethostname()} has another installation: code "
        with (
            pytest.raises(UnavailableError, match=refused) as raised,
            dask_cluster.connect(workers.address, Root(folder / "empty"), ""),
        ):
            pass
        assert raised.value.exit_code == 6
    finally:
        workers.remove(process)


@pytest.mark.skipif(os.geteuid() != 0, reason="needs root, to hide the folder from a worker")
def test_a_worker_that_does_not_see_the_root_is_refused(workers: Cluster, folder: pathlib.Path) -> None:
    place = folder / "empty"
    script = f'mount -t tmpfs none "{place}" && exec "$@"'
    process = workers.add("blind", before=("unshare", "--mount", "sh", "-c", script, "sh"))
    try:
        with (
            pytest.raises(UnavailableError, match=r"blind on host .* does not see the pipeline root: .*No such file"),
            dask_cluster.connect(workers.address, Root(place), ""),
        ):
            pass
        assert not list(place.glob("sweeps/.*"))
    finally:
        workers.remove(process)


def test_a_server_that_is_no_scheduler_is_refused(folder: pathlib.Path) -> None:
    """It takes the connection and says nothing."""
    with socket.socket() as server:
        server.bind(("127.0.0.1", 0))
        server.listen()
        address = f"tcp://127.0.0.1:{server.getsockname()[1]}"
        with (
            pytest.raises(UnavailableError, match="cannot be reached"),
            dask_cluster.connect(address, Root(folder / "empty"), ""),
        ):
            pass


def test_a_scheduler_that_is_gone_ends_the_sweep_and_its_trials(workers: Cluster, sweep: dict[str, Any]) -> None:
    """The last test: nothing is left of the cluster."""
    root: pathlib.Path = sweep["root"]
    process = started("gone", "--over", "training.learning_rate=0.002,0.003", *QUICK_OPTIONS, root=root, on=workers)
    try:
        wait_until(lambda: process.poll() is not None or bool(running(root)), SECONDS)
        trials = list(running(root).values())
        workers.kill_scheduler()
        _, errors = process.communicate(timeout=300)
    finally:
        process.kill()
    assert process.returncode == 6, errors
    assert f"the Dask scheduler {workers.address} is gone" in errors.splitlines()[-1]
    assert len(trials) == 1
    assert psutil.wait_procs(trials, timeout=60)[1] == []
