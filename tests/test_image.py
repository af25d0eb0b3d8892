"""The Dockerfile agrees with tools/debian_chroot.py, tools/debian.sh and what git ignores: the tested is the built.

None of it builds the image, which takes minutes and a network.
"""

from __future__ import annotations

import fnmatch
import json
import re
import shlex
import shutil
import subprocess
import sys
from pathlib import Path, PurePosixPath
from types import ModuleType
from typing import Any

import pytest

from pipeline.core.toml import tomllib
from tests import PROJECT

ROOT = PROJECT
RECIPE = ROOT / "tools" / "debian.sh"
TESTS = "test"  # the step with what only tests ask for

Stage = list[tuple[str, list[str]]]  # instructions and their words


def read_stages() -> list[Stage]:
    found: list[Stage] = []
    text = re.sub(r"(?m)^#.*\n", "", (ROOT / "Dockerfile").read_text("utf-8")).replace("\\\n", " ")
    for line in text.splitlines():
        instruction, _, rest = line.partition(" ")
        if instruction == "FROM":
            found.append([])
        found[-1].append((instruction, json.loads(rest) if rest.startswith("[") else shlex.split(rest)))
    return found


BUILD, FINAL = read_stages()


def words_of(stage: Stage, instruction: str) -> list[list[str]]:
    return [words for name, words in stage if name == instruction]


def only(stage: Stage, instruction: str) -> list[str]:
    """The words of an instruction that is there once."""
    (words,) = words_of(stage, instruction)
    return words


def environment() -> dict[str, str]:
    return dict(word.split("=", 1) for words in words_of(FINAL, "ENV") for word in words)


def recipe_steps(stage: Stage) -> list[str]:
    """What the stage runs of debian.sh."""
    commands = [" ".join(words) for words in words_of(stage, "RUN")]
    return [step for command in commands for step in re.findall(r"debian\.sh (\S+)", command)]


def known_steps() -> dict[str, str]:
    """The steps that debian.sh knows, with their commands."""
    return dict(re.findall(r"(?ms)^(\w+)\)\n(.*?)^ +;;$", RECIPE.read_text("utf-8")))


def is_sent(path: str) -> bool:
    """Whether .dockerignore lets the file or folder through to the build."""
    lines = (ROOT / ".dockerignore").read_text("utf-8").splitlines()
    parts = PurePosixPath(path).parts
    for pattern in (line for line in lines if line and not line.startswith("#")):
        within = parts if pattern.startswith("**/") else parts[:1]
        if any(fnmatch.fnmatchcase(part, pattern.removeprefix("**/")) for part in within):
            return False
    return True


def copied_before_setup() -> list[str]:
    """The files that are in the build stage when it runs `make setup`."""
    found: list[str] = []
    for instruction, words in BUILD:
        if instruction == "RUN" and words[:2] == ["make", "setup"]:
            break
        if instruction == "COPY":
            *patterns, target = words
            for path in (path for pattern in patterns for path in ROOT.glob(pattern)):
                assert PurePosixPath(target) == PurePosixPath(path.relative_to(ROOT).parent)
                found.append(path.relative_to(ROOT).as_posix())
    return found


def project() -> dict[str, Any]:
    return tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))


# --- the same root as in the tests -------------------------------------------------------------


def test_both_stages_start_from_the_suite_that_is_tested(debian_chroot: ModuleType) -> None:
    assert [only(stage, "FROM")[0] for stage in (BUILD, FINAL)] == [f"debian:{debian_chroot.SUITE}-slim"] * 2


def test_the_tested_root_is_made_by_the_steps_of_the_image(
    debian_chroot: ModuleType, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    commands: list[list[str]] = []
    monkeypatch.setattr(debian_chroot.subprocess, "call", lambda command, **_: commands.append(command) or 0)
    monkeypatch.setattr(debian_chroot.Debian, "_copy_checkout", lambda self: None)
    (tmp_path / "root/etc").mkdir(parents=True)
    (tmp_path / "lock").write_text("")
    monkeypatch.setattr(debian_chroot.bootstrap, "remove", lambda folder: None)
    debian_chroot.Debian(tmp_path).prepare()
    debootstrap, *steps = commands
    assert debootstrap[:3] == ["debootstrap", "--variant=minbase", debian_chroot.SUITE]
    expected = [*recipe_steps(BUILD), *recipe_steps(FINAL), TESTS]
    assert [command[-3:] for command in steps] == [
        ["sh", RECIPE.relative_to(ROOT).as_posix(), step] for step in expected
    ]


def test_every_step_is_one_that_the_recipe_knows() -> None:
    assert {*recipe_steps(BUILD), *recipe_steps(FINAL), TESTS} == set(known_steps())
    assert TESTS not in {*recipe_steps(BUILD), *recipe_steps(FINAL)}


def test_the_compiler_is_in_the_build_stage_only() -> None:
    assert "g++" in "".join(known_steps()[step] for step in recipe_steps(BUILD))
    assert "g++" not in "".join(known_steps()[step] for step in recipe_steps(FINAL))


def test_the_recipe_is_a_shell_script() -> None:
    subprocess.run(["sh", "-n", str(RECIPE)], check=True)


def test_the_recipe_refuses_an_unknown_step() -> None:
    done = subprocess.run(["sh", str(RECIPE), "other"], capture_output=True, text=True)
    assert (done.returncode, done.stderr) == (2, f"usage: tools/debian.sh {' | '.join(known_steps())}\n")


def test_the_checkout_is_where_it_is_tested(debian_chroot: ModuleType) -> None:
    place = str(debian_chroot.CHECKOUT)
    assert only(BUILD, "WORKDIR") == [place]
    # .venv holds its own path, so it stays where it was made.
    assert ["--from=build", f"{place}/.venv", f"{place}/.venv"] in words_of(FINAL, "COPY")
    assert words_of(FINAL, "COPY")[-1][-2:] == [".", place]
    assert environment()["PATH"].split(":")[0] == f"{place}/.venv/bin"


# --- what is in it -----------------------------------------------------------------------------


def test_what_setup_reads_is_copied_before_it(tmp_path: Path) -> None:
    copied = copied_before_setup()
    assert [path for path in copied if not is_sent(path)] == []
    for path in copied:
        (tmp_path / path).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(ROOT / path, tmp_path / path)
    # All that it reads of the checkout itself; the install of the project then reads pyproject.toml. Without -S the
    # checkout's own install would stand in for what is missing.
    code = "import bootstrap; bootstrap.stamp('run', '3.13'); bootstrap.lock_entry('uv', 'requirements-dev.txt')"
    subprocess.run([sys.executable, "-S", "-c", code], cwd=tmp_path, env={"PYTHONPATH": "tools"}, check=True)
    about = project()
    setuptools = about["tool"]["setuptools"]
    assert {"Makefile", about["project"]["readme"], *about["project"]["license-files"]} <= set(copied)
    assert {f"{module}.py" for module in setuptools["py-modules"]} <= set(copied)
    # An editable install notes the packages that it finds.
    patterns = setuptools["packages"]["find"]["include"]
    packages = {f"{path.name}/__init__.py" for pattern in patterns for path in ROOT.glob(pattern) if path.is_dir()}
    assert {path for path in packages if (ROOT / path).exists()} <= set(copied)


def test_the_code_is_sent() -> None:
    for path in ("components/schemas/any.pbtxt", "pipeline/cli/entry.py", "pipeline_config.py", "requirements.txt"):
        assert is_sent(path), path


def test_git_and_the_build_ignore_the_roots_that_readme_names() -> None:
    roots = set(re.findall(r"--root (\w+)", (ROOT / "README.md").read_text("utf-8")))
    assert {"sample_root", "letters_root", "cells_root"} <= roots
    ignored = (ROOT / ".gitignore").read_text("utf-8").splitlines()
    for name in {*roots, "pipeline_root"}:
        assert any(fnmatch.fnmatchcase(f"/{name}/", line) for line in ignored), name
        assert not is_sent(name), name


def test_what_git_ignores_is_not_sent() -> None:
    lines = (ROOT / ".gitignore").read_text("utf-8").splitlines()
    for entry in (line for line in lines if line and not line.startswith("#")):
        name = entry.strip("/").replace("*", "any")
        assert not is_sent(name), entry
        if not entry.startswith("/"):  # git then ignores it in every folder
            assert not is_sent(f"pipeline/{name}"), entry
    assert not is_sent(".git")


def test_the_labels_are_those_of_the_project() -> None:
    labels = dict(word.split("=", 1) for word in only(FINAL, "LABEL"))
    prefix = "org.opencontainers.image."
    about = project()["project"]
    assert labels == {f"{prefix}title": about["name"], f"{prefix}licenses": about["license"]}


# --- how it runs -------------------------------------------------------------------------------


def test_it_runs_as_a_user_who_is_not_root() -> None:
    (user,) = only(FINAL, "USER")
    assert user not in ("root", "0")
    assert re.findall(r"useradd .* --uid (\d+) (\S+)", known_steps()["run"]) == [("1000", user)]
    assert only(FINAL, "WORKDIR") == [f"/home/{user}"]
    # What comes after it would be that user's to do.
    assert [name for name, _ in FINAL[FINAL.index(("USER", [user])) :] if name in ("RUN", "COPY", "ADD")] == []


def test_the_command_is_sae_and_says_what_it_can_do() -> None:
    assert only(FINAL, "ENTRYPOINT") == ["sae"]
    assert "sae" in project()["project"]["scripts"]
    assert only(FINAL, "CMD") == ["--help"]


def test_the_pipeline_root_is_a_volume() -> None:
    assert only(FINAL, "VOLUME") == [environment()["SAE_ROOT"]]


@pytest.mark.parametrize("variable", ["SAE_ROOT", "TFDS_DATA_DIR"])
def test_the_user_can_write_to_the_folders(variable: str) -> None:
    (user,) = only(FINAL, "USER")
    run = [shlex.split(line) for line in known_steps()["run"].splitlines()]
    (made,) = [words[1:] for words in run if words[0] == "mkdir"]
    (owned,) = [words[2:] for words in run if words[:2] == ["chown", f"{user}:"]]
    assert environment()[variable] in set(made) & set(owned)
