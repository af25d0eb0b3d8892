"""The worked examples of docs/extending.md: each is applied to a copy of the project, and the pipeline runs with all.

What they touch is counted: one to three files each, beside tests and docs.
"""

from __future__ import annotations

import json
import os
import pathlib
import re
import shutil
import subprocess
import sys

import pytest

from tests import PROJECT

GUIDE = PROJECT / "docs" / "extending.md"
CODE = ("pipeline", "components", "pipeline_config.py", "requirements.txt", "pyproject.toml")
# The model is not to pass its gates after so short a training.
SETTINGS = ("training.epochs=2", "training.beta_1=0.8", "training.batch_size=38")
TOUCHED = {"setting": 3, "metric": 2, "node": 2, "artifact type": 3, "model": 2}


def examples() -> dict[str, str]:
    """The diffs of the guide by what they add: from each section `## Add a ...`."""
    sections = re.split(r"^## Add an? ", GUIDE.read_text(encoding="utf-8"), flags=re.MULTILINE)[1:]
    found = {}
    for section in sections:
        if diffs := re.findall(r"```diff\n(.*?)```", section, re.DOTALL):
            found[section.partition("\n")[0].strip()] = "".join(diffs)
    return found


def touched(diff: str) -> set[str]:
    return set(re.findall(r"^\+\+\+ b/(\S+)$", diff, re.MULTILINE))


def test_each_example_touches_one_to_three_files():
    assert {name: len(touched(diff)) for name, diff in examples().items()} == TOUCHED


@pytest.fixture(scope="module")
def extended(tmp_path_factory) -> pathlib.Path:
    """A copy of the project with all examples applied."""
    folder = tmp_path_factory.mktemp("extended")
    for name in CODE:
        source, target = PROJECT / name, folder / name
        if source.is_dir():
            shutil.copytree(source, target, ignore=shutil.ignore_patterns("__pycache__"))
        else:
            shutil.copy(source, target)
    subprocess.run(["git", "init", "-q"], cwd=folder, check=True)
    for name, diff in examples().items():
        done = subprocess.run(
            ["git", "apply", "-"], input=diff, cwd=folder, text=True, capture_output=True, check=False
        )
        assert done.returncode == 0, f"{name}: {done.stderr}"
    return folder


def test_each_example_applies_to_the_code_as_it_is(extended):
    assert all((extended / name).is_file() for diff in examples().values() for name in touched(diff))


@pytest.mark.e2e
def test_the_pipeline_runs_with_all_of_them(extended, sample_run, tmp_path):
    sample_run.copy(tmp_path / "root")  # which spares the nodes before the Trainer

    def sae(*words: str) -> subprocess.CompletedProcess[str]:
        # Not the installed package, but the copy.
        environment = {**os.environ, "PYTHONPATH": str(extended)}
        command = [sys.executable, "-m", "pipeline", *words, "--root", str(tmp_path / "root")]
        return subprocess.run(command, cwd=extended, env=environment, text=True, capture_output=True, check=False)

    run = sae("run", "--profile", "sample", "--json", *(word for one in SETTINGS for word in ("--set", one)))
    assert run.returncode in (0, 4), run.stderr  # 4: trained too short to be blessed
    summary = json.loads(run.stdout)
    states = {node["id"]: node["state"] for node in summary["nodes"]}
    assert states["ModelSize"] == "executed"
    assert states["Transform"] == "cached"  # no example touches its code
    answer = json.loads(sae("why", "latest", "Trainer", "--json").stdout)
    assert ("code", "components/model/adapter.py") in {(one["part"], one["field"]) for one in answer["changes"]}
    assert 0 < summary["metrics"]["test_largest_error"] <= 1
    size = json.loads(sae("artifact", "latest:ModelSize", "--json").stdout)
    assert size["row"]["content"].startswith("model-size-1:")
    assert size["preview"]["sections"][0]["values"]["files"] >= 3
    model = json.loads(sae("artifact", "latest:Trainer:model", "--json").stdout)
    [layers] = [one for one in model["preview"]["sections"] if one["title"] == "layers"]
    assert [row[0] for row in layers["rows"]] == ["code", "logits"]
    shown = json.loads(sae("show", "latest", "--json").stdout)
    assert shown["configuration"]["training.beta_1"] == 0.8
    assert sae("why", "latest", "ModelSize").returncode == 0
