"""Pipes, sockets and devices where a root has its small files: no reader waits, none reads without end."""

from __future__ import annotations

import contextlib
import pathlib
import signal
from collections.abc import Iterator

import pytest

from pipeline.cli import entry
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
def test_no_command_waits_for_a_file_that_is_none(
    tmp_path: pathlib.Path, kind: str, capsys: pytest.CaptureFixture[str]
) -> None:
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
        with at_most(_LIMIT), pytest.raises(SystemExit) as ended:
            entry.main([*command, "--root", str(root.path)])
        errors = capsys.readouterr().err
        assert (command, int(ended.value.code or 0)) == (command, code), errors
        assert "Traceback" not in errors


@contextlib.contextmanager
def at_most(seconds: int) -> Iterator[None]:
    """End what waits longer."""

    def end(number: int, frame: object) -> None:
        pytest.fail(f"it waited for {seconds} s")  # no command catches this

    before = signal.signal(signal.SIGALRM, end)
    signal.alarm(seconds)
    try:
        yield
    finally:
        signal.alarm(0)
        signal.signal(signal.SIGALRM, before)
