"""A run that is killed twice, and gone on with, ends as an unbroken one."""

from __future__ import annotations

import dataclasses
import os
import pathlib
import signal
import subprocess
from typing import Any

import pytest

from pipeline.core.errors import ExitCode
from pipeline.core.events import NodeState
from pipeline.core.pipeline_root import Root
from pipeline.inspection.locations import open_reader
from pipeline.inspection.views import NodeRunState, RunState
from pipeline.maintenance import fsck
from pipeline.metadata import backup
from pipeline.metadata.store import open_store
from pipeline.orchestration import run
from pipeline.orchestration.summary import Summary
from pipeline.sparse_autoencoder.definition import PIPELINE
from pipeline.terminal.progress import display
from tests import PROJECT
from tests.builders.roots import tree
from tests.chaos import kill_points as kills
from tests.e2e.conftest import QUICK, QUICK_OPTIONS, SampleRun, run_here

ASSIGNMENTS = (*QUICK, "training.epochs=4", "engine.checkpoint_seconds=0")
OPTIONS = ("--profile", "sample", *(word for one in ASSIGNMENTS for word in ("--set", one)))
_KEPT = ("ExampleGen", "SchemaGen", "StatisticsGen", "ExampleValidator", "DataGate", "Transform")


@dataclasses.dataclass(frozen=True)
class Survived:
    """What was seen on the way.

    Attributes:
      root: of the run.
      run_id: of it.
      messages: what the first attempt left on standard error.
      unfinished: the run as a command that only reads has it after the first kill.
      untouched: whether that changed no file.
      summary: of the end.
    """

    root: Root
    run_id: str
    messages: str
    unfinished: Any
    untouched: bool
    summary: Summary


@pytest.fixture(scope="module")
def survived(sample_run: SampleRun, tmp_path_factory: pytest.TempPathFactory) -> Survived:
    """In a copy of the root of the sample: the nodes before the Trainer are cached."""
    folder = sample_run.copy(tmp_path_factory.mktemp("survived") / "root")
    process = subprocess.Popen(
        kills.command(folder, *OPTIONS), cwd=PROJECT, stderr=subprocess.PIPE, text=True, start_new_session=True
    )
    with process:
        assert process.stderr is not None
        assert any(line.startswith("Trainer epoch 2/") for line in process.stderr)
        os.killpg(process.pid, signal.SIGKILL)
        messages = process.stderr.read()
    root = Root(folder)
    before = tree(folder)
    with open_reader(PIPELINE, None, root) as reader:
        unfinished = reader.run("latest")
    untouched = tree(folder) == before
    resume = kills.command(folder, name="resume")
    assert kills.run_until(resume, folder, kills.after_node("Trainer", 0.2))
    summary = run.resume(PIPELINE, root, "", display)
    return Survived(root, unfinished.row.id, messages, unfinished, untouched, summary)


def test_commands_that_read_show_it_as_broken_off_and_write_nothing(survived: Survived) -> None:
    assert survived.unfinished.row.state is RunState.UNFINISHED
    assert f"`sae resume {survived.run_id}` resumes it" in survived.unfinished.row.error
    states = {node.node: node.state for node in survived.unfinished.nodes}
    assert states["Trainer"] is NodeRunState.UNFINISHED
    assert states["Transform"] is NodeRunState.CACHED
    assert survived.untouched


def test_the_last_lines_of_the_log_are_shown(survived: Survived) -> None:
    [error] = [line for line in survived.messages.splitlines() if line.startswith("error: ")]
    log = survived.root.logs / f"{survived.run_id}.log"
    for words in (survived.run_id, "killed", f"`sae resume {survived.run_id}`", str(log)):
        assert words in error


def test_it_ends_under_its_id_and_what_had_ended_is_not_run_again(survived: Survived) -> None:
    assert (survived.summary.run_id, survived.summary.state) == (survived.run_id, "succeeded")
    told = {node["id"]: node["reason"] for node in survived.summary.nodes}
    assert [name for name, reason in told.items() if reason == "it ended in an earlier attempt"] == [*_KEPT, "Trainer"]
    store = open_store(survived.root, read_only=True)
    assert store.run_ids()[0] == survived.run_id
    assert len(store.run_ids()) == 2  # with that of the sample
    for name in _KEPT:
        assert len(store.executions_of(survived.run_id, name)) == 1, name


def test_each_attempt_is_kept_with_its_reason(survived: Survived) -> None:
    with open_reader(PIPELINE, None, survived.root) as reader:
        found = reader.run(survived.run_id)
    assert (found.row.state, found.row.error) == (RunState.SUCCEEDED, "")
    assert [one.state for one in found.attempts] == ["failed", "failed", "succeeded"]
    assert found.attempts[0].error.startswith("died in Trainer")
    cached = {node.node for node in found.nodes if node.state is NodeRunState.CACHED}
    executed = {node.node for node in found.nodes if node.state is NodeRunState.EXECUTED}
    assert (cached, executed) == ({*_KEPT, "PixelProbe"}, {*PIPELINE.names} - {*_KEPT, "PixelProbe"})
    store = open_store(survived.root, read_only=True)
    failed, ended = (store.execution(one) for one in store.executions_of(survived.run_id, "Trainer"))
    assert (failed.state, ended.state) == (NodeState.FAILED, NodeState.EXECUTED)
    assert store.outputs(failed.id) == {}
    log = (survived.root.logs / f"{survived.run_id}.log").read_text(encoding="utf-8", errors="replace")
    assert "training resumes after epoch " in log


def test_nothing_is_left_half_done(survived: Survived) -> None:
    assert fsck.check(survived.root).exit_code == 0
    assert not list(survived.root.checkpoints.iterdir())
    assert not list(survived.root.path.rglob("*.unfinished"))
    # The store is one file again, and the run that succeeded has left a copy of it; of a database none is made.
    assert not list(survived.root.path.glob("metadata.sqlite-*"))
    copies = [copy.stem for copy in backup.copies(survived.root)]
    assert (survived.run_id in copies) == (not survived.root.metadata_url())


def test_the_bits_are_those_of_an_unbroken_training(survived: Survived) -> None:
    whole = run_here(survived.root.path, *ASSIGNMENTS, from_node="Trainer", to_node="Trainer", use_cache=False)
    store = open_store(survived.root, read_only=True)
    made, broken = (store.outputs(store.executions(run_id)["Trainer"].id) for run_id in (whole.run_id, survived.run_id))
    assert not {output.uri for output in made.values()} & {output.uri for output in broken.values()}
    assert {key: output.content for key, output in made.items()} == {
        key: output.content for key, output in broken.items()
    }
    assert pathlib.Path(made["model"].uri).is_dir()


def test_a_run_whose_root_is_renamed_ends_and_resumes_in_the_new_place(
    tmp_path: pathlib.Path, sample_run: SampleRun
) -> None:
    """All nodes but the Report are cached."""
    root, moved = sample_run.copy(tmp_path / "root"), tmp_path / "moved"
    command = kills.command(root, *QUICK_OPTIONS, "--set", "evaluation.images_per_label=2")
    process = subprocess.Popen(command, cwd=PROJECT, stderr=subprocess.PIPE, text=True)
    with process:
        assert process.stderr is not None
        assert any(line.startswith("Report started") for line in process.stderr)
        root.rename(moved)
        *_, line = process.stderr.read().splitlines()
    assert process.returncode == ExitCode.ENVIRONMENT
    assert line.startswith(f"error: {root} was renamed to {moved}")
    assert not root.exists()
    assert run.resume(PIPELINE, Root(moved), "", display).state == "succeeded"
    assert fsck.check(Root(moved)).damaged == 0
    assert not root.exists()
