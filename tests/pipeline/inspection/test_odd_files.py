"""Pipes, sockets and devices where a root has its small files: no reader waits, none reads without end."""

from __future__ import annotations

import os
import pathlib
import subprocess
import sys

import pytest

from tests import PROJECT
from tests.builders.roots import Recorded
from tests.pipeline.core.test_regular_file import ODD, make_odd

_LIMIT = 120  # seconds: a command takes one or two; without a limit it would wait for ever
# Commands with their exit codes.
_COMMANDS = {
    ("runs",): 0,
    ("show", "r1"): 0,
    ("logs", "r1"): 3,
    ("artifact", "r1:Trainer"): 0,
    ("resume", "r1"): 6,
    ("serve", "--get", "/runs/r1"): 0,
    ("serve", "--get", "/runs/r1/nodes/Trainer"): 0,
    ("fsck",): 0,
}


@pytest.mark.component
@pytest.mark.parametrize("kind", ODD)
def test_no_command_waits_for_a_file_that_is_none(tmp_path: pathlib.Path, kind: str) -> None:
    """The log of a run, its events, its manifest and a preview are of this kind."""
    recorded = Recorded(tmp_path)
    recorded.run("r1")
    recorded.end("r1", trigger="manual")
    root = recorded.root
    model = recorded.outputs("r1", "Trainer")["model"]
    preview = root.previews / pathlib.Path(model.uri).relative_to(root.artifacts) / "preview.json"
    for path in (root.progress / "r1.jsonl", root.logs / "r1.log", root.manifests / "r1.json", preview):
        path.parent.mkdir(parents=True, exist_ok=True)
        path.unlink(missing_ok=True)
        make_odd(kind, path)
    for command, code in _COMMANDS.items():
        done = subprocess.run(
            [sys.executable, "-m", "pipeline", *command, "--root", str(root.path)],
            capture_output=True,
            text=True,
            cwd=PROJECT,
            env={**os.environ, "PYTHONPATH": str(PROJECT)},
            timeout=_LIMIT,
            check=False,
        )
        assert (command, done.returncode) == (command, code), done.stderr
        assert "Traceback" not in done.stderr
