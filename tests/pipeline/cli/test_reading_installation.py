"""The package without its extra `pipeline`, alone in an environment of its own: it reads, and refuses to run."""

from __future__ import annotations

import importlib.metadata
import json
import os
import pathlib
import shutil
import subprocess
import sys
from collections.abc import Iterable
from typing import NamedTuple

import click.testing
import pytest
from packaging.requirements import Requirement

from pipeline import cli
from pipeline.core.errors import ExitCode
from pipeline.core.toml import tomllib
from pipeline.provenance import packages
from tests import PROJECT
from tests.builders import foreign_stores, pages
from tests.builders.roots import Recorded

pytestmark = pytest.mark.component

MIB = 2**20
PARTS = ("components", "pipeline", "sae", "LICENSE", "README.md", "pipeline_config.py", "pyproject.toml")
READING = (
    "runs --json",
    "runs",
    "show latest --json",
    "show good",
    "logs good",
    "artifacts --json",
    "artifact latest:Trainer --json",
    "lineage latest:Trainer --json",
    "diff good better --json",
    "models --json",
    "why better Trainer --json",
    "schedule list --json",
    "serve --get /compare?run=good&run=better",  # it has no part in the export of one run
)


def install_again(names: Iterable[str], folder: pathlib.Path) -> None:
    """Copy installed packages, which came from the lock with their hashes: a test may have no index to ask."""
    for name in names:
        for file in importlib.metadata.files(name) or ():
            if ".." not in file.parts and "__pycache__" not in file.parts:
                (folder / file).parent.mkdir(parents=True, exist_ok=True)
                shutil.copy(file.locate(), folder / file)


@pytest.fixture(scope="module")
def environment(tmp_path_factory: pytest.TempPathFactory) -> pathlib.Path:
    """Its folder."""
    folder = tmp_path_factory.mktemp("reading")
    (folder / "source").mkdir()
    for name in PARTS:  # a copy, because the build leaves folders behind
        copy = shutil.copytree if (PROJECT / name).is_dir() else shutil.copy
        copy(PROJECT / name, folder / "source" / name)
    project = tomllib.loads((PROJECT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    needed = packages.closure([Requirement(text).name for text in project["dependencies"]])
    uv, venv = pathlib.Path(sys.executable).with_name("uv"), folder / "venv"
    here = ["--quiet", "--python", venv / "bin" / "python"]
    subprocess.run([uv, "venv", "--quiet", "--no-project", "--python", sys.executable, venv], check=True)
    [packages_folder] = venv.glob("lib/python3*/site-packages")
    install_again([*needed, "setuptools"], packages_folder)
    for command in (
        [uv, "pip", "install", *here, "--offline", "--no-deps", "--no-build-isolation", folder / "source"],
        [uv, "pip", "uninstall", *here, "setuptools"],  # only built it
    ):
        subprocess.run(command, check=True, cwd=folder)
    return venv


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> pathlib.Path:
    recorded = Recorded(tmp_path_factory.mktemp("recorded"))
    pages.fill(recorded)
    return recorded.root.path


def sae(environment: pathlib.Path, *arguments: object) -> subprocess.CompletedProcess[str]:
    command = [environment / "bin" / "python", "-I", "-m", "pipeline", *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, cwd=environment)


class Answer(NamedTuple):
    stdout: str
    exit_code: int
    output: str


ANSWER = """
import json, sys
from click import testing
from pipeline import cli
answers = [testing.CliRunner().invoke(cli.sae, arguments) for arguments in json.loads(sys.argv[1])]
print(json.dumps([[one.stdout, one.exit_code, one.output] for one in answers]))
"""


def answers_of_both(environment: pathlib.Path, commands: Iterable[list[str]]) -> list[tuple[Answer, Answer]]:
    """Return what each command answers in the environment, in one process for all of them, and here."""
    words = json.dumps(list(commands))
    command = [environment / "bin" / "python", "-I", "-c", ANSWER, words]
    variables = {**os.environ, "SAE_PREVIEW_CACHE": str(environment / "previews")}  # not what is read here
    done = subprocess.run(command, capture_output=True, text=True, cwd=environment, env=variables, check=False)
    assert done.returncode == 0, done.stderr
    alone = [Answer(*one) for one in json.loads(done.stdout)]
    found = [click.testing.CliRunner().invoke(cli.sae, arguments) for arguments in json.loads(words)]
    return list(zip(alone, [Answer(one.stdout, one.exit_code, one.output) for one in found], strict=True))


def test_it_is_small(environment: pathlib.Path) -> None:
    size = sum(path.stat().st_size for path in environment.rglob("*") if path.is_file() and not path.is_symlink())
    assert size < 200 * MIB


def test_it_answers_like_the_whole_installation(environment: pathlib.Path, root: pathlib.Path) -> None:
    for alone, whole in answers_of_both(environment, ([*command.split(), "--root", str(root)] for command in READING)):
        assert (alone.stdout, alone.exit_code) == (whole.stdout, whole.exit_code), alone.output
        assert whole.exit_code == 0, whole.output


@pytest.mark.parametrize("name", ["models", "payloads"])
def test_it_reads_stores_of_other_pipelines_and_their_files(
    environment: pathlib.Path, tmp_path: pathlib.Path, name: str
) -> None:
    store = str(foreign_stores.STORES[name](tmp_path / f"{name}.sqlite"))
    commands = (["models"], *(["artifact", str(number)] for number in range(1, 9)))
    for alone, whole in answers_of_both(environment, ([*one, "--json", "--metadata", store] for one in commands)):
        assert (alone.stdout, alone.exit_code) == (whole.stdout, whole.exit_code), alone.output


def test_it_draws_every_kind_of_page(environment: pathlib.Path, root: pathlib.Path, tmp_path: pathlib.Path) -> None:
    done = sae(environment, "export", tmp_path / "site", "--limit", 1, "--root", root)
    assert done.returncode == 0, done.stderr
    whole = click.testing.CliRunner().invoke(
        cli.sae, ["export", str(tmp_path / "whole"), "--limit", "1", "--root", str(root)]
    )
    assert whole.exit_code == 0, whole.output
    names = {path.relative_to(tmp_path / "site") for path in (tmp_path / "site").rglob("*")}
    assert names == {path.relative_to(tmp_path / "whole") for path in (tmp_path / "whole").rglob("*")}


@pytest.mark.parametrize("command", ["run", "data list", "encode images.npy --to codes.csv"])
def test_what_it_cannot_do_names_the_extra(environment: pathlib.Path, tmp_path: pathlib.Path, command: str) -> None:
    done = sae(environment, *command.split(), "--root", tmp_path / "root")
    assert done.returncode == ExitCode.ENVIRONMENT
    assert "sae-pipeline[pipeline]" in done.stderr.splitlines()[-1]
    assert "Traceback" not in done.stderr
