"""A process that imports TensorFlow and TFX before it becomes `sae run`."""

from __future__ import annotations

import os
import pathlib
import signal
from collections.abc import Iterator

import pytest

from pipeline.core.pipeline_root import Root
from pipeline.scheduler import process_identity
from pipeline.sweeps.trials import LocalTrial, Standby
from pipeline_config import EngineConfig
from tests.waiting import wait_until

pytestmark = pytest.mark.component


@pytest.fixture
def own_pipeline(tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch) -> pathlib.Path:
    """The module of a pipeline, which all processes use; it writes a file when it is imported."""
    module = tmp_path / "own_pipeline.py"
    marker = f"import pathlib; pathlib.Path({str(tmp_path / 'imported')!r}).touch()\n"
    module.write_text(f"from pipeline.sparse_autoencoder.definition import PIPELINE\n{marker}")
    monkeypatch.setenv("PYTHONPATH", f"{tmp_path}{os.pathsep}{os.environ.get('PYTHONPATH', '')}")
    monkeypatch.setenv("SAE_PIPELINE", "own_pipeline:PIPELINE")
    return module


@pytest.fixture
def standby(root: Root, tmp_path: pathlib.Path) -> Iterator[Standby]:
    found = Standby(root, EngineConfig(), tmp_path)
    yield found
    found.end()


def test_it_ends_with_the_exit_code_and_the_error_of_the_run(root: Root, standby: Standby, tmp_path: pathlib.Path):
    trial = LocalTrial(3, root, ("--profile", "none", "--root", str(root.path)), tmp_path, standby)
    wait_until(trial.ended)
    assert trial.exit_code() == 2
    assert "none" in trial.error()
    assert trial.run_id == ""


def test_code_that_was_changed_meanwhile_is_imported_anew(
    own_pipeline: pathlib.Path, root: Root, tmp_path: pathlib.Path
):
    standby = Standby(root, EngineConfig(), tmp_path)
    try:
        wait_until(tmp_path.joinpath("imported").exists)
        own_pipeline.write_text("raise RuntimeError('the new code')\n")
    finally:
        trial = LocalTrial(1, root, ("--root", str(root.path)), tmp_path, standby)
        wait_until(trial.ended)
    assert "the new code" in trial.error()


def test_if_it_was_killed_the_run_starts_without_it(root: Root, standby: Standby, tmp_path: pathlib.Path):
    os.kill(standby._child.id, signal.SIGKILL)
    wait_until(lambda: not process_identity.lives(standby._child.id, standby._child.identity))
    trial = LocalTrial(1, root, ("--profile", "none", "--root", str(root.path)), tmp_path, standby)
    wait_until(trial.ended)
    assert trial.exit_code() == 2


def test_it_ends_without_a_run(root: Root, standby: Standby):
    standby.end()
    assert not process_identity.lives(standby._child.id, standby._child.identity)
    assert not list(root.logs.glob("*"))
