"""The same content comes out in other surroundings, in a process of its own."""

from __future__ import annotations

import json
import os
import pathlib
import shutil
import subprocess
import sys

import pytest

from pipeline.metadata.store import Store
from pipeline.sparse_autoencoder.definition import PIPELINE
from tests.e2e.conftest import PROJECT, QUICK_OPTIONS, SampleRun

Contents = dict[tuple[str, str], str]


def rerun(
    root: pathlib.Path,
    *settings: str,
    before: tuple[str, ...] = (),
    source: pathlib.Path = PROJECT,
    **environment: str,
) -> tuple[Contents, set[str]]:
    """Runs the pipeline in a process of its own; returns the digest of each output's content, and what was executed."""
    command = [*before, sys.executable, "-m", "pipeline", "run", *QUICK_OPTIONS, "--json", "--root", str(root)]
    done = subprocess.run(
        [*command, *(word for setting in settings for word in ("--set", setting))],
        cwd=root.parent,
        env={**os.environ, "PYTHONPATH": str(source), **environment},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    summary = json.loads(done.stdout)
    executed = {node["id"] for node in summary["nodes"] if node["state"] == "executed"}
    return contents(root, summary["run_id"]), executed


def contents(root: pathlib.Path, run_id: str) -> Contents:
    store = Store(root / "metadata.sqlite")
    return {
        (node, key): output.content
        for node, execution in store.executions(run_id).items()
        for key, output in store.outputs(execution.id).items()
    }


@pytest.fixture(scope="module")
def usual(sample_run: SampleRun) -> Contents:
    return contents(sample_run.root, sample_run.run_id)


def test_every_output_has_a_canonical_form(usual: Contents) -> None:
    assert len(usual) == 12
    forms = {content.partition(":")[0].rpartition("-")[0] for content in usual.values()}
    assert len(forms) == 12
    assert "raw" not in forms


def test_the_content_is_the_same_in_another_environment(usual: Contents, tmp_path: pathlib.Path) -> None:
    """All at once: were the content other, each change alone would tell which it is."""
    root = tmp_path / "root"
    narrow = ("taskset", "--cpu-list", "0", "sh", "-c", 'umask 077; exec "$@"', "sh")
    locale = {"LC_ALL": "C", "LANG": "C", "PYTHONUTF8": "0"}
    clock = {"TZ": "Pacific/Kiritimati", "PYTHONHASHSEED": "4711"}
    assert rerun(root, "engine.beam_workers=2", before=narrow, **locale, **clock) == (usual, set(PIPELINE.names))


def test_a_seed_that_is_taken_away_is_seen(sample_run: SampleRun, usual: Contents, tmp_path: pathlib.Path) -> None:
    source = copy_of_the_project(tmp_path / "project")
    module = source / "components" / "model" / "autoencoder.py"
    text = module.read_text()
    assert "GlorotUniform(seed=seeds[layer])" in text
    module.write_text(text.replace("GlorotUniform(seed=seeds[layer])", "GlorotUniform()"))
    any_loss = "serving.max_bce_to_served=inf"  # how good a model it is, nobody knows
    found, executed = rerun(sample_run.copy(tmp_path / "root"), any_loss, source=source)
    assert executed == {"Trainer", "Evaluator", "PushGate", "Pusher", "Report"}
    differ = {name for name in usual if found[name] != usual[name]}
    assert {("Trainer", "model"), ("Trainer", "model_run"), ("Evaluator", "evaluation")} <= differ
    assert {node for node, _ in differ} <= executed


def copy_of_the_project(folder: pathlib.Path) -> pathlib.Path:
    """Its code, to be changed."""
    for name in ("components", "pipeline"):
        shutil.copytree(PROJECT / name, folder / name, ignore=shutil.ignore_patterns("__pycache__"))
    for name in ("pipeline_config.py", "requirements.txt"):
        shutil.copy2(PROJECT / name, folder)
    return folder
