"""A node that is executed beside another one is recorded after it, as if it had run then."""

from __future__ import annotations

import dataclasses
import errno
import os
import pathlib
import shutil
import tempfile
import threading
import time
from collections.abc import Callable, Collection
from typing import Any

import pytest

from pipeline.core import abandoned
from pipeline.core.errors import ExitCode
from pipeline.core.pipeline_root import Root
from pipeline.definition.spec import ComponentInputs, Node, Outputs, Pipeline, load
from pipeline.metadata.store import Store, open_store
from pipeline.orchestration.summary import Summary
from tests import lazy
from tests.e2e.conftest import run_here, states

pytestmark = pytest.mark.e2e

meeting = lazy.module("tests.second_pipeline.meeting")
beside = lazy.module("pipeline.orchestration.tfx.beside")


def pipeline(host: tuple[str, ...] = (), guest: tuple[str, ...] = ()) -> Pipeline:
    """An ExampleGen, Host, and Guest, which may run beside Host; with what is true of each."""
    loaded = load("tests.second_pipeline.definition:PIPELINE")

    def node(name: str, true: tuple[str, ...], beside: str = "") -> Node:
        def component(given: ComponentInputs) -> object:
            return getattr(meeting, name)(**given.inputs, **given.parameters)

        return Node(
            name,
            component,
            inputs={"examples": ("CsvExampleGen", "examples")},
            outputs=("met",),
            code="tests.second_pipeline.meeting",
            parameters=lambda config, dataset: dict.fromkeys(true, True),
            beside=beside,
        )

    nodes = (loaded.nodes[0], node("Host", host), node("Guest", guest, "Host"))
    return dataclasses.replace(loaded, nodes=nodes, model=None)


def executed(root: pathlib.Path, declared: Pipeline, **options: str) -> tuple[Summary, Store]:
    """The result of a run, in which Host waits for Guest."""
    meeting.arrived.clear()
    meeting.may_end.clear() if any(node.meanwhile for node in declared.nodes) else meeting.may_end.set()
    meeting.threads.clear()
    summary = run_here(root, profile="points", pipeline=declared, **options)
    assert not os.listdir(root / "tmp")
    return summary, open_store(Root(root), read_only=True)


def test_both_are_executed_at_once_and_recorded_one_after_the_other(tmp_path: pathlib.Path) -> None:
    summary, store = executed(tmp_path / "root", pipeline())
    assert states(summary) == dict.fromkeys(["CsvExampleGen", "Host", "Guest"], "executed")
    [thread] = meeting.threads
    assert thread != "MainThread"
    executions = store.executions(summary.run_id)
    assert executions["Host"].id < executions["Guest"].id
    output = store.outputs(executions["Guest"].id)["met"]
    assert output.uri == str(tmp_path / "root" / "artifacts" / "Guest" / "met" / str(executions["Guest"].id))
    assert pathlib.Path(output.uri, "splits").read_text() == '["train", "eval"]'
    assert output.properties["said"] == "hello"
    again, _ = executed(tmp_path / "root", pipeline())
    assert states(again) == dict.fromkeys(["CsvExampleGen", "Host", "Guest"], "cached")
    assert not meeting.threads


def test_it_is_executed_when_the_other_one_is_cached(tmp_path: pathlib.Path) -> None:
    executed(tmp_path / "root", pipeline())
    summary, _ = executed(tmp_path / "root", pipeline(guest=("fails_beside",)), from_node="Guest")
    assert summary.exit_code == ExitCode.NODE_FAILED
    assert meeting.threads == ["MainThread"]


def test_a_failure_beside_is_one_only_if_it_fails_again(tmp_path: pathlib.Path) -> None:
    summary, _ = executed(tmp_path / "root", pipeline(guest=("fails_beside",)))
    assert states(summary)["Guest"] == "executed"
    assert len(meeting.threads) == 2
    assert meeting.threads[1] == "MainThread"
    summary, _ = executed(tmp_path / "root", pipeline(host=("fails_beside",), guest=("fails",)))
    assert states(summary) == {"CsvExampleGen": "cached", "Host": "executed", "Guest": "failed"}
    assert summary.error == "Guest: ValueError: no guest"


def test_it_is_executed_later_if_it_cannot_begin(tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch) -> None:
    make = tempfile.mkdtemp

    def full(*arguments: Any, **named: Any) -> str:
        if named.get("prefix") == "Guest-":
            meeting.arrived.set()  # the host waits for it
            raise OSError(errno.ENOSPC, "No space left on device")
        return make(*arguments, **named)

    monkeypatch.setattr(tempfile, "mkdtemp", full)
    summary, _ = executed(tmp_path / "root", pipeline())
    assert states(summary) == dict.fromkeys(["CsvExampleGen", "Host", "Guest"], "executed")
    assert meeting.threads == ["MainThread"]


def test_its_outputs_are_handed_over_from_another_file_system(
    tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    rename = os.rename

    def across(source: str, target: str) -> None:
        if "/tmp/Guest-" in str(source):
            raise OSError(errno.EXDEV, "Invalid cross-device link")
        rename(source, target)

    monkeypatch.setattr(os, "rename", across)
    summary, store = executed(tmp_path / "root", pipeline())
    [thread] = meeting.threads
    assert thread != "MainThread"
    output = store.outputs(store.executions(summary.run_id)["Guest"].id)["met"]
    assert pathlib.Path(output.uri, "splits").read_text() == '["train", "eval"]'


def test_it_is_executed_again_if_its_outputs_cannot_be_handed_over(
    tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    move = shutil.move

    def full(source: str, target: str) -> object:
        if "/tmp/Guest-" in source:
            raise OSError(errno.ENOSPC, "No space left on device")
        return move(source, target)

    monkeypatch.setattr(shutil, "move", full)
    summary, store = executed(tmp_path / "root", pipeline())
    assert states(summary)["Guest"] == "executed"
    assert meeting.threads[1:] == ["MainThread"]
    output = store.outputs(store.executions(summary.run_id)["Guest"].id)["met"]
    assert pathlib.Path(output.uri, "splits").read_text() == '["train", "eval"]'


def test_work_that_has_not_begun_when_its_node_ends_is_not_done() -> None:
    begun, go_on, ended = threading.Event(), threading.Event(), threading.Event()
    done: list[str] = []

    def wait() -> None:
        begun.set()
        go_on.wait(meeting.SECONDS)
        done.append("first")

    executions = beside.Executions()
    with executions:
        with executions.doing(wait, "Host"):
            assert begun.wait(meeting.SECONDS)
            with executions.doing(lambda: done.append("second"), "Host"):
                pass
        go_on.set()
        with executions.doing(ended.set, "Host"):
            assert ended.wait(meeting.SECONDS)
    assert done == ["first"]


def with_meanwhile(declared: Pipeline, work: Callable[[Outputs, Collection[str]], None]) -> Pipeline:
    """The pipeline, with work that Host has done meanwhile."""
    nodes = [dataclasses.replace(node, meanwhile=work) if node.name == "Host" else node for node in declared.nodes]
    return dataclasses.replace(declared, nodes=tuple(nodes))


def test_work_is_done_meanwhile_with_the_inputs_after_what_is_executed_beside(tmp_path: pathlib.Path) -> None:
    done: list[tuple[str, ...]] = []

    def work(inputs: Outputs, later: Collection[str]) -> None:
        done.append((threading.current_thread().name, inputs["examples"].type, *later, *meeting.threads))
        meeting.may_end.set()

    declared = with_meanwhile(pipeline(), work)
    executed(tmp_path / "root", declared)
    [(thread, *others)] = done
    assert others == ["Examples", "Guest", thread]
    assert thread != "MainThread"
    executed(tmp_path / "root", declared)  # everything is cached
    assert len(done) == 1


def test_what_fails_meanwhile_changes_nothing(tmp_path: pathlib.Path) -> None:
    def work(inputs: Outputs, later: Collection[str]) -> None:
        meeting.may_end.set()
        raise ValueError("no time")

    summary, _ = executed(tmp_path / "root", with_meanwhile(pipeline(), work))
    assert states(summary) == dict.fromkeys(["CsvExampleGen", "Host", "Guest"], "executed")
    assert "no time" in pathlib.Path(summary.log).read_text()


def test_its_result_is_dropped_if_the_other_one_fails(tmp_path: pathlib.Path) -> None:
    summary, store = executed(tmp_path / "root", pipeline(host=("fails",)))
    assert states(summary) == {"CsvExampleGen": "executed", "Host": "failed", "Guest": "skipped"}
    assert set(store.executions(summary.run_id)) == {"CsvExampleGen", "Host"}
    assert not (tmp_path / "root" / "artifacts" / "Guest").exists()


def test_a_failed_run_does_not_wait_for_it(tmp_path: pathlib.Path) -> None:
    meeting.may_leave.clear()
    try:
        summary, store = executed(tmp_path / "root", pipeline(host=("fails",)))
        assert abandoned.is_running()
    finally:
        meeting.may_leave.set()
    assert states(summary) == {"CsvExampleGen": "executed", "Host": "failed", "Guest": "skipped"}
    assert set(store.executions(summary.run_id)) == {"CsvExampleGen", "Host"}
    until = time.monotonic() + meeting.SECONDS
    while abandoned.is_running() and time.monotonic() < until:
        time.sleep(0.01)
    assert not abandoned.is_running()
    assert not os.listdir(tmp_path / "root" / "tmp")  # it found its folder removed
    assert not (tmp_path / "root" / "artifacts" / "Guest").exists()
