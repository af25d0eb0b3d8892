"""What a worker of a Dask cluster does for a sweep, without Dask."""

from __future__ import annotations

import dataclasses
import os
import pathlib
import socket
import threading
import time

import pytest

from pipeline.core import parent_process
from pipeline.core.errors import ExitCode
from pipeline.core.pipeline_root import Root
from pipeline.definition.spec import PIPELINE_VARIABLE
from pipeline.orchestration.portable.worker_identity import Identity
from pipeline.sweeps import dask_task
from pipeline.sweeps.dask_task import Order, TrialOutcome
from tests.builders.roots import Recorded

IDENTITY = Identity("c" * 64, "1" * 64, "3.10.13", "p" * 64)


@dataclasses.dataclass
class Wish:
    """The trial is wanted or not; if it is, until a file exists. Counts how often it was asked."""

    wanted: bool = True
    until: pathlib.Path | None = None
    asked: int = 0

    def lasts(self) -> bool:
        self.asked += 1
        return self.wanted and not (self.until and self.until.exists())


@pytest.fixture(autouse=True)
def short_poll(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(dask_task, "_POLL", 0.02)


def ended(recorded: Recorded, state: str | None) -> None:
    """Record the run r1; without a state it was killed."""
    recorded.run("r1", names=("SchemaGen",))
    recorded.end("r1", state=state, trigger="sweep l1 point 1")


@pytest.fixture
def order(tmp_path: pathlib.Path) -> Order:
    return Order(tmp_path / "root", ("--bogus",), tmp_path / "1.run", tmp_path / "1.output", {}, "", IDENTITY, "stop")


def test_a_worker_shows_what_it_sees(tmp_path: pathlib.Path) -> None:
    token = tmp_path / "token"
    token.write_text("abc")
    found = dask_task.state(token, "")
    assert (found.token, found.problem, found.host) == ("abc", "", socket.gethostname())
    assert found.identity == dask_task.identity("")
    assert len(found.identity.code) == 64


def test_a_worker_that_cannot_read_the_token_says_why(tmp_path: pathlib.Path) -> None:
    found = dask_task.state(tmp_path / "missing" / "token", "")
    assert found.token == ""
    assert str(tmp_path / "missing" / "token") in found.problem


def test_a_trial_has_the_data_and_the_numeric_variables_of_who_asked(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("SAE_PIPELINE", "TFDS_DATA_DIR", "ONEDNN_MAX_CPU_ISA"):
        monkeypatch.setenv(name, "x")
    monkeypatch.setenv("SAE_ROOT", "/elsewhere")
    monkeypatch.setenv(parent_process.VARIABLE, "1")
    found = dask_task.environment()
    assert {name for name, value in found.items() if value == "x"} == {
        "SAE_PIPELINE", "TFDS_DATA_DIR", "ONEDNN_MAX_CPU_ISA",
    }  # fmt: skip
    assert not {"SAE_ROOT", "PATH", parent_process.VARIABLE} & set(found)


def test_an_attempt_returns_the_exit_code_and_the_last_error(order: Order) -> None:
    found = dask_task._run(order, Wish())  # type: ignore[arg-type]
    assert found.exit_code == ExitCode.USAGE
    assert "--bogus" in found.error
    assert order.output.is_file()


def test_an_attempt_is_interrupted_when_nobody_wants_it(
    order: Order, tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its process has begun, and waits at its import of the pipeline: how quick the machine is does not matter."""
    begun = tmp_path / "begun"
    module = f"import pathlib, time\npathlib.Path({str(begun)!r}).touch()\ntime.sleep(60)\n"
    (tmp_path / "slow_pipeline.py").write_text(module + "from pipeline.sparse_autoencoder.definition import PIPELINE\n")
    monkeypatch.setenv("PYTHONPATH", str(tmp_path), prepend=os.pathsep)
    order = dataclasses.replace(
        order,
        options=("--profile", "sample", "--root", str(order.root)),
        environment={PIPELINE_VARIABLE: "slow_pipeline:PIPELINE"},
    )
    found = dask_task._run(order, Wish(until=begun))  # type: ignore[arg-type]
    assert found.exit_code == ExitCode.INTERRUPTED
    assert not order.run_file.exists()


def test_an_unwanted_trial_does_not_start(order: Order) -> None:
    assert dask_task._run(order, Wish(wanted=False)) == TrialOutcome(int(ExitCode.INTERRUPTED))  # type: ignore[arg-type]
    assert not order.output.exists()


def test_an_attempt_waits_for_an_earlier_one_that_still_runs(order: Order) -> None:
    root = Root(order.root)
    root.create()
    ended: list[TrialOutcome] = []
    wish = Wish()
    thread = threading.Thread(target=lambda: ended.append(dask_task._run(order, wish)))  # type: ignore[arg-type]
    with root.lock():
        thread.start()
        while wish.asked < 5 and thread.is_alive():  # it looks after each question
            time.sleep(0.01)
        assert not order.output.exists()
    thread.join(60)
    assert ended[0].exit_code == ExitCode.USAGE


@pytest.mark.parametrize(
    ("state", "code"),
    [("succeeded", ExitCode.DONE), ("failed", ExitCode.NODE_FAILED), ("cancelled", ExitCode.INTERRUPTED)],
)
def test_a_trial_that_ended_before_its_worker_died_is_not_run_again(
    order: Order, recorded: Recorded, state: str, code: ExitCode
) -> None:
    ended(recorded, state)
    order.run_file.write_text("r1\n")
    order = dataclasses.replace(order, root=recorded.root.path)
    assert dask_task._run(order, Wish()).exit_code == code  # type: ignore[arg-type]
    assert not order.output.exists()


def test_a_trial_whose_worker_was_killed_is_run_again(order: Order, recorded: Recorded) -> None:
    ended(recorded, None)
    order.run_file.write_text("r1\n")
    order = dataclasses.replace(order, root=recorded.root.path)
    assert dask_task._run(order, Wish()).exit_code == ExitCode.USAGE  # type: ignore[arg-type]
