"""Which workers of a Dask cluster are refused, and how many points run at once; without Dask."""

from __future__ import annotations

import dataclasses
import pathlib
import sys

import pytest

from pipeline.core.errors import UnavailableError, UsageError
from pipeline.core.pipeline_root import Root
from pipeline.orchestration.portable.worker_identity import Identity
from pipeline.sweeps import dask_cluster
from pipeline.sweeps.dask_cluster import DaskTrials
from pipeline.sweeps.dask_task import WorkerState
from pipeline.sweeps.trials import LocalTrials

HERE = Identity("c" * 64, "1" * 64, "3.10.13", "p" * 64)
OTHER = dataclasses.replace(HERE, code="d" * 64)


@pytest.mark.parametrize("address", ["tcp://host:8786", "tls://10.0.0.1:1", "tcp://[::1]:8786"])
def test_an_address_is_that_of_a_scheduler(address: str) -> None:
    dask_cluster.check_address(address)


@pytest.mark.parametrize(
    "address", ["", "host:8786", "http://host:8787", "tcp://host", "tcp://host:x", "tcp://a b:1", "tcp://host:99999"]
)
def test_another_address_is_refused(address: str) -> None:
    with pytest.raises(UsageError):
        dask_cluster.check_address(address)


class Security:
    """Dask's, with or without certificates."""

    def __init__(self, context: object) -> None:
        self._context = context

    def get_connection_args(self, role: str) -> dict[str, object]:
        assert role == "client"
        return {"ssl_context": self._context, "require_encryption": False}


def test_tls_needs_certificates() -> None:
    with pytest.raises(UnavailableError, match=r"tls://h:8786 needs certificates"):
        dask_cluster.check_certificates(Security(None), "tls://h:8786")
    dask_cluster.check_certificates(Security(object()), "tls://h:8786")
    dask_cluster.check_certificates(Security(None), "tcp://h:8786")


def test_without_dask_the_command_names_how_to_install_it(
    tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "dask", None)
    with (
        pytest.raises(UnavailableError, match="make setup-cluster") as raised,
        dask_cluster.connect("tcp://127.0.0.1:1", Root(tmp_path), ""),
    ):
        pass
    assert raised.value.exit_code == 6


@pytest.mark.parametrize(
    ("found", "parts"),
    [
        (WorkerState("node7", HERE, "abc", ""), []),
        (WorkerState("node7", OTHER, "abc", ""), ["w1", "node7", "code", "dddddddddddd"]),
        (WorkerState("node7", HERE, "", "cannot read /r/.token"), ["w1", "node7", "root", "cannot read /r/.token"]),
        (WorkerState("node7", HERE, "another", ""), ["w1", "node7", "root"]),
        (ModuleNotFoundError("No module named 'pipeline'"), ["w1", "10.0.0.7", "No module named 'pipeline'"]),
        (TimeoutError(), ["w1", "10.0.0.7", "TimeoutError"]),
    ],
)
def test_a_worker_is_refused_by_name_and_host(found: object, parts: list[str]) -> None:
    problem = dask_cluster.worker_problem("w1", "10.0.0.7", found, "abc", HERE)
    assert bool(problem) == bool(parts)
    assert all(part in problem for part in parts)


class Cluster:
    """The connection to a cluster whose workers have this many threads."""

    address = "tcp://host:8786"

    def __init__(self, threads: int) -> None:
        self.count = threads

    def threads(self) -> int:
        return self.count


def trials(root: pathlib.Path, threads: int, most: int | None = None) -> DaskTrials:
    local = LocalTrials(Root(root), "l1", "sample", ("Evaluator",))
    return DaskTrials(local, most, print, Cluster(threads), "")  # type: ignore[arg-type]


def test_the_first_point_runs_alone_then_as_many_as_there_are_threads(tmp_path: pathlib.Path) -> None:
    found = trials(tmp_path, 3)
    assert found.capacity == 1
    found._base = "r1"
    assert found.capacity == 3


def test_the_number_of_points_can_be_limited(tmp_path: pathlib.Path) -> None:
    found = trials(tmp_path, 3, most=2)
    found._base = "r1"
    assert found.capacity == 2


def test_without_workers_the_sweep_waits(tmp_path: pathlib.Path) -> None:
    found = trials(tmp_path, 0)
    assert "tcp://host:8786" in found.blocked_by()
    assert found.capacity == 1  # the engine ends when it has nothing to start
    found._cluster.count = 1  # type: ignore[attr-defined]
    assert found.blocked_by() == ""
