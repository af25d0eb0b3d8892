"""Roots with line ends, tabs, escape sequences and marks that reverse text in their names: shown escaped."""

from __future__ import annotations

import contextlib
import io
import pathlib
import re
import shutil
import subprocess

import pytest

from pipeline.cli import entry
from pipeline.core.events import NodeEnded, NodeState, Note, RunStarted
from pipeline.core.suggestions import Selection
from pipeline.core.text import UNSAFE
from pipeline.sparse_autoencoder.definition import PIPELINE
from pipeline.terminal import progress, run_summary
from tests.builders import pages as content
from tests.builders.roots import Recorded
from tests.pipeline.terminal.examples import FAILED, summary

# Of characters that are shown escaped, and of some that only a shell reads as others: each has a quoting of its own.
NAMES = ("line\nend\tstop \x1bcreset \u202eesrever it's `id`\n$HOME", "it's `id` $HOME")
COMMANDS = (
    "runs", "show latest", "doctor", "fsck", "gc", "models", "artifacts", "artifact {model}", "lineage {model}",
    "why latest Trainer", "diff latest latest~1", "logs latest", "config show", "schedule list", "schedule status",
    "schedule show none", "show none", "artifact 999", "rollback --reason x", "resume none",
    "promote latest --reason x",
)  # fmt: skip


class Stream(io.StringIO):
    """A stream that is a terminal or not."""

    def __init__(self, terminal: bool) -> None:
        super().__init__()
        self._terminal = terminal

    def isatty(self) -> bool:
        return self._terminal


@pytest.mark.parametrize("name", NAMES)
def test_every_command_shows_the_root_escaped(
    filled: Recorded, tmp_path: pathlib.Path, name: str, capfd: pytest.CaptureFixture[str]
) -> None:
    root = shutil.copytree(filled.root.path, tmp_path / name, symlinks=True)
    model = content.artifact_of(filled, "good", "Trainer", "model")
    suggested = set()
    for command in COMMANDS:
        capfd.readouterr()
        with contextlib.suppress(SystemExit):
            entry.main([*command.format(model=model).split(), "--root", str(root)])
        shown = "".join(capfd.readouterr())
        assert name not in shown or not UNSAFE.search(name), command
        for line in shown.splitlines():
            assert not re.search("[\t\x1b\u202e]", line), (command, line)
        suggested |= set(re.findall(r"(?<=--root )(\$?'.*?(?<!\\)'|\S+)`", shown))
    assert suggested
    for word in suggested:
        done = subprocess.run(["bash", "-c", f"printf %s {word}"], capture_output=True, check=True)
        assert done.stdout.decode() == str(root)


@pytest.mark.parametrize("name", NAMES)
def test_notes_and_reasons_of_a_run_are_one_line_and_escaped(name: str) -> None:
    for terminal in (False, True):
        stream = Stream(terminal)
        with progress.display(stream) as listener:
            listener(RunStarted("run-1", ("Trainer",)))
            listener(Note(f"the copy is in /roots/{name}"))
            listener(NodeEnded("Trainer", NodeState.FAILED, 1.0, f"no file in {name}"))
        shown = stream.getvalue()
        assert name not in shown or not UNSAFE.search(name)
        assert "\u202e" not in shown


@pytest.mark.parametrize("name", NAMES)
def test_the_report_of_a_run_is_escaped_and_its_commands_can_be_pasted(name: str) -> None:
    root = f"/roots/{name}"
    for ended in (summary(root=root, report=f"{root}/report.html"), FAILED):
        lines = run_summary.as_text(ended, PIPELINE, Selection()).splitlines()
        assert not any(UNSAFE.search(line) for line in lines)
        for command in run_summary.next_commands(ended, PIPELINE, Selection()):
            assert f" {command}" in "\n".join(lines)
    first = next(iter(run_summary.next_commands(summary(root=root), PIPELINE, Selection())))
    printing = "sae() { printf '%s\\0' \"$@\"; }"
    done = subprocess.run(["bash", "-c", f"{printing}; {first}"], capture_output=True, check=True)
    assert root.encode() in done.stdout.split(b"\0")
