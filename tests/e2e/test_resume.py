"""A run that is killed, then loses its root to another name, and is resumed twice, ends as an unbroken one."""

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
from tests.e2e.conftest import QUICK, SampleRun, run_here

ASSIGNMENTS = (*QUICK, "training.epochs=4", "engine.checkpoint_seconds=0")
OPTIONS = ("--profile", "sample", *(word for one in ASSIGNMENTS for word in ("--set", one)))
_KEPT = ("ExampleGen", "SchemaGen", "StatisticsGen", "ExampleValidator", "DataGate", "Transform")


@dataclasses.dataclass(frozen=True)
class Survived:
    """What was seen on the way.

    Attributes:
      before: where the root was when the first two attempts began.
      root: of the run, in its new place.
      run_id: of it.
      messages: what the first attempt, which was killed, left on standard error.
      unfinished: the run as a command that only reads has it after the kill.
      untouched: whether that changed no file.
      renamed: exit code of the second attempt, whose root was renamed, and the last line on its standard error.
      summary: of the end.
    """

    before: Root
    root: Root
    run_id: str
    messages: str
    unfinished: Any
    untouched: bool
    renamed: tuple[int, str]
    summary: Summary


@pytest.fixture(scope="module")
def survived(sample_run: SampleRun, tmp_path_factory: pytest.TempPathFactory) -> Survived:
    """In a copy of the root of the sample: the nodes before the Trainer are cached."""
    folder = sample_run.copy(tmp_path_factory.mktemp("survived") / "root")
    before, root = Root(folder), Root(folder.with_name("moved"))
    with _started(*kills.command(folder, *OPTIONS)) as process:
        _read_until(process, "Trainer epoch 2/")
        os.killpg(process.pid, signal.SIGKILL)
        messages = _rest(process)
    files = tree(folder)
    with open_reader(PIPELINE, None, before) as reader:
        unfinished = reader.run("latest")
    untouched = tree(folder) == files
    with _started(*kills.command(folder, name="resume")) as process:
        _read_until(process, "Encode started")
        folder.rename(root.path)
        *_, line = _rest(process).splitlines()
    renamed = process.returncode, line
    summary = run.resume(PIPELINE, root, "", display)
    return Survived(before, root, unfinished.row.id, messages, unfinished, untouched, renamed, summary)


def _started(*command: str) -> subprocess.Popen[str]:
    return subprocess.Popen(command, cwd=PROJECT, stderr=subprocess.PIPE, text=True, start_new_session=True)


def _read_until(process: subprocess.Popen[str], beginning: str) -> None:
    assert process.stderr is not None
    assert any(line.startswith(beginning) for line in process.stderr)


def _rest(process: subprocess.Popen[str]) -> str:
    assert process.stderr is not None
    return process.stderr.read()


def test_commands_that_read_show_it_as_broken_off_and_write_nothing(survived: Survived) -> None:
    assert survived.unfinished.row.state is RunState.UNFINISHED
    assert f"`sae resume {survived.run_id}` resumes it" in survived.unfinished.row.error
    states = {node.node: node.state for node in survived.unfinished.nodes}
    assert states["Trainer"] is NodeRunState.UNFINISHED
    assert states["Transform"] is NodeRunState.CACHED
    assert survived.untouched


def test_the_last_lines_of_the_log_are_shown(survived: Survived) -> None:
    [error] = [line for line in survived.messages.splitlines() if line.startswith("error: ")]
    log = survived.before.logs / f"{survived.run_id}.log"
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


def test_a_run_whose_root_is_renamed_ends_with_one_line_and_leaves_no_folder_there(survived: Survived) -> None:
    code, line = survived.renamed
    assert code == ExitCode.ENVIRONMENT
    assert line.startswith(f"error: {survived.before.path} was renamed to {survived.root.path}")
    assert not survived.before.path.exists()
