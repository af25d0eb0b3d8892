"""A pipeline is loaded from where it is declared, and a root is of one pipeline."""

from __future__ import annotations

import dataclasses
import json
import pathlib
import subprocess
import sys

import pytest

from pipeline.core.errors import UnavailableError, UsageError
from pipeline.core.pipeline_root import Root
from pipeline.definition import spec

DEFAULT = spec.DEFAULT_PIPELINE
ANOTHER = "tests.second_pipeline.definition:PIPELINE"


@pytest.fixture
def root(tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch) -> Root:
    monkeypatch.delenv(spec.PIPELINE_VARIABLE, raising=False)
    found = Root(tmp_path / "root")
    found.create()
    return found


@pytest.mark.parametrize(
    "location", ["", "json", "json:", "json:none", ".x:y", "../x:y", "a b:c", "json:dumps", ":x", "x\n:y"]
)
def test_what_names_no_pipeline_is_refused_with_an_example(location: str) -> None:
    with pytest.raises(UsageError) as refused:
        spec.load(location)
    assert f"--pipeline {location}" in str(refused.value)


@pytest.mark.parametrize(
    ("last", "named"),
    [
        (spec.Node("C", print, inputs={"x": ("B", "x"), "y": ("D", "y")}), "D"),
        (spec.Node("C", print, after=("D",)), "D"),
        (spec.Node("C", print, beside="D"), "D"),
        (spec.Node("C", print, inputs={"x": ("B", "x")}, beside="B"), "B"),
        (spec.Node("C", print, after=("B",), beside="A"), "B"),
    ],
)
def test_a_node_cannot_need_what_has_not_run(last: spec.Node, named: str) -> None:
    declared = spec.load(DEFAULT)
    nodes = (spec.Node("A", print, outputs=("x",)), spec.Node("B", print, outputs=("x",)), last)
    with pytest.raises(ValueError, match=named):
        dataclasses.replace(declared, nodes=nodes)


def test_modules_of_the_working_directory_are_found_also_by_child_processes(tmp_path: pathlib.Path) -> None:
    """A separate process, as a command is: this one has imported the project from its path already."""
    (tmp_path / "theirs.py").write_text(
        "import dataclasses\nfrom pipeline.sparse_autoencoder.definition import PIPELINE\n"
        "MINE = dataclasses.replace(PIPELINE, name='mine')\n"
    )
    code = (
        "import os, subprocess, sys\n"
        "sys.path[:] = [one for one in sys.path if one not in ('', os.getcwd())]\n"
        "from pipeline.definition import spec\n"
        "print(spec.load('theirs:MINE').name)\n"
        "sys.exit(subprocess.run([sys.executable, '-c', 'import theirs'], cwd='/').returncode)"
    )
    project = str(pathlib.Path(spec.__file__).parents[2])
    environment = {"PYTHONPATH": project, "PATH": "/usr/bin:/bin"}
    command = [sys.executable, "-c", code]
    done = subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True, check=True)
    assert done.stdout == "mine\n"


def test_the_pipeline_of_the_root_is_used_and_no_other(root: Root, monkeypatch: pytest.MonkeyPatch) -> None:
    root.claim_pipeline(ANOTHER)
    assert spec.of_root(root).name == spec.load(ANOTHER).name
    with pytest.raises(UsageError, match="another root with --root"):
        spec.of_root(root, DEFAULT)
    monkeypatch.setenv(spec.PIPELINE_VARIABLE, ANOTHER)
    assert spec.of_root(root).location == ANOTHER


def test_a_root_with_runs_of_the_default_pipeline_refuses_another_one(
    root: Root, monkeypatch: pytest.MonkeyPatch
) -> None:
    root.claim_dataset("mnist")
    assert spec.of_root(root, DEFAULT).location == ""
    monkeypatch.setenv(spec.PIPELINE_VARIABLE, ANOTHER)
    with pytest.raises(UsageError, match="the default pipeline"):
        spec.of_root(root)


def test_a_new_root_is_of_any_pipeline(root: Root) -> None:
    assert spec.of_root(root, ANOTHER).location == ANOTHER
    assert spec.of_root(root).location == ""


def test_an_error_names_where_the_pipeline_comes_from(root: Root, monkeypatch: pytest.MonkeyPatch) -> None:
    root.claim_pipeline("nowhere:PIPELINE")
    with pytest.raises(UsageError, match=r"root\.json"):
        spec.of_root(root)
    monkeypatch.setenv(spec.PIPELINE_VARIABLE, "elsewhere:PIPELINE")
    with pytest.raises(UsageError, match="SAE_PIPELINE=elsewhere"):
        spec.of_root(root)


def test_a_damaged_record_of_the_pipeline_is_named(root: Root) -> None:
    root.about.write_text(json.dumps({"format": 1, "pipeline": 3}))
    with pytest.raises(UnavailableError, match=r"root\.json"):
        spec.of_root(root)
