"""The same content comes out in other surroundings: each is changed in turn, in a process of its own."""

from __future__ import annotations

import json
import os
import pathlib
import shutil
import subprocess
import sys
from collections.abc import Callable
from typing import Any

import pytest

from pipeline import metadata
from tests.e2e.conftest import PROJECT, QUICK

ARGUMENTS = ["run", "--profile", "sample", "--json", *(word for setting in QUICK for word in ("--set", setting))]
Contents = dict[tuple[str, str], str]
Rerun = Callable[..., Contents]


@pytest.fixture(scope="module")
def rerun(tmp_path_factory: pytest.TempPathFactory) -> Rerun:
    """Runs the pipeline in a root and a process of its own; returns the digest of each output's content."""

    def run(
        *settings: str,
        root: str = "root",
        before: tuple[str, ...] = (),
        source: pathlib.Path = PROJECT,
        **environment: str,
    ) -> Contents:
        folder = tmp_path_factory.mktemp("run")
        command = [*before, sys.executable, "-m", "pipeline", *ARGUMENTS, "--root", str(folder / root)]
        done = subprocess.run(
            [*command, *(word for setting in settings for word in ("--set", setting))],
            cwd=folder,
            env={**os.environ, "PYTHONPATH": str(source), **environment},
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, done.stderr
        store = metadata.Store(folder / root / "metadata.sqlite")
        return {
            (node, key): output.content
            for node, execution in store.executions(json.loads(done.stdout)["run_id"]).items()
            for key, output in store.outputs(execution.id).items()
        }

    return run


@pytest.fixture(scope="module")
def usual(rerun: Rerun) -> Contents:
    return rerun()


def test_every_output_has_a_canonical_form(usual: Contents) -> None:
    assert len(usual) == 11
    forms = {content.partition(":")[0].rpartition("-")[0] for content in usual.values()}
    assert len(forms) == 11
    assert "raw" not in forms


CHANGES: dict[str, dict[str, Any]] = {
    "two Beam workers": {"settings": ("engine.beam_workers=2",)},
    "a folder with another name": {"root": "elsewhere/Größe und Maß"},
    "another hash seed": {"PYTHONHASHSEED": "4711"},
    "another date and hour, by its time zone": {"TZ": "Pacific/Kiritimati"},
    "another locale": {"LC_ALL": "C", "LANG": "C", "PYTHONUTF8": "0"},
    "another umask": {"before": ("sh", "-c", 'umask 077; exec "$@"', "sh")},
    "one core": {"before": ("taskset", "--cpu-list", "0")},
}


@pytest.mark.parametrize("change", CHANGES)
def test_the_content_is_the_same_with(change: str, rerun: Rerun, usual: Contents) -> None:
    options = dict(CHANGES[change])
    assert rerun(*options.pop("settings", ()), **options) == usual


def test_a_seed_that_is_taken_away_is_seen(rerun: Rerun, usual: Contents, tmp_path: pathlib.Path) -> None:
    source = copy_of_the_project(tmp_path)
    module = source / "components" / "autoencoder.py"
    text = module.read_text()
    assert "GlorotUniform(seed=seeds[layer])" in text
    module.write_text(text.replace("GlorotUniform(seed=seeds[layer])", "GlorotUniform()"))
    found = rerun(source=source)
    differ = {name for name in usual if found[name] != usual[name]}
    assert {("Trainer", "model"), ("Trainer", "model_run"), ("Evaluator", "evaluation")} <= differ
    assert {node for node, _ in differ} <= {"Trainer", "Evaluator", "Pusher", "Report"}


def copy_of_the_project(folder: pathlib.Path) -> pathlib.Path:
    """Its code, to be changed."""
    for name in ("components", "pipeline"):
        shutil.copytree(PROJECT / name, folder / name, ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copy2(PROJECT / "pipeline_config.py", folder)
    return folder
