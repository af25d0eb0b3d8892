"""Run both TFX versions over shared folders: this interpreter's, and the current one in a Debian 13 root."""

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

from pipeline.core import tfx_versions
from tests import PROJECT

DATA = pathlib.Path("shared/data/tensorflow_datasets")  # beside the checkout, here and in the root

Command = Callable[..., str]


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    folder = pathlib.Path(__file__).parent
    here = {path for path in {item.path for item in items} if folder in path.parents}
    for item in items:
        if item.path in here:
            item.add_marker(pytest.mark.tfx_versions)


@pytest.fixture(scope="session")
def share(tmp_path_factory: pytest.TempPathFactory) -> pathlib.Path:
    """A folder that both lines see under the same name."""
    return tmp_path_factory.mktemp("share")


@pytest.fixture(scope="session")
def older() -> Command:
    """Runs a command with this interpreter's line and returns what it prints: `older("-m", "pipeline", "run")`."""
    if tfx_versions.here() == tfx_versions.CURRENT:
        pytest.skip(f"this machine runs TFX {tfx_versions.CURRENT.name} only")
    return lambda *words: _run([sys.executable, *words])


@pytest.fixture(scope="session")
def current(share: pathlib.Path) -> Command:
    """The same with the current line."""
    if os.geteuid() != 0 or not shutil.which("debootstrap"):
        pytest.skip("a Debian 13 root is made by root, with debootstrap")
    tool = [sys.executable, "tools/debian_chroot.py", "--share", str(share)]
    _run([*tool, "make", "setup"])
    return lambda *words: _run([*tool, ".venv/bin/python", *words])


def _run(command: list[str | pathlib.Path]) -> str:
    done = subprocess.run(list(map(str, command)), cwd=PROJECT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def sae_run(line: Command, root: pathlib.Path, *options: str) -> dict[str, Any]:
    """Summary of a run with one of the lines."""
    summary: dict[str, Any] = json.loads(line("-m", "pipeline", "run", "--json", "--root", root, *options))
    return summary


def states(summary: dict[str, Any]) -> dict[str, str]:
    """State by node."""
    return {node["id"]: node["state"] for node in summary["nodes"]}
