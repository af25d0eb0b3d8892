"""Errors that have no text of their own: what the one line names, and the exit code."""

from __future__ import annotations

import contextlib
import errno
import os
import pathlib
import shutil
import sys
from collections.abc import Callable

import pytest

from pipeline import cli
from pipeline.cli import process
from pipeline.core.errors import ExitCode
from pipeline.inspection.reader import Reader
from tests.builders.roots import Recorded

FULL = os.strerror(errno.ENOSPC)
Run = Callable[..., tuple[object, str, str]]


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> str:
    recorded = Recorded(tmp_path_factory.mktemp("one"))
    recorded.run("r1")
    recorded.end("r1")
    return str(recorded.root.path)


@pytest.fixture
def run(root: str, capfd: pytest.CaptureFixture[str]) -> Run:
    """Run `sae` in this process, with streams that have a number; return its exit code, and what it printed."""

    def call(*words: str) -> tuple[object, str, str]:
        with pytest.raises(SystemExit) as end:
            cli.main([*words, "--root", root])
        return (end.value.code, *capfd.readouterr())

    return call


@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="needs /dev/full")
@pytest.mark.parametrize(
    "words", [("runs", "--json"), ("runs",), ("show", "r1", "--json"), ("runs", "--help")], ids=" ".join
)
def test_standard_output_on_a_full_disk_is_named(
    words: tuple[str, ...], run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    stream = open("/dev/full", "w", encoding="utf-8")  # noqa: SIM115 - closing it fails
    monkeypatch.setattr(sys, "stdout", stream)
    code, _, errors = run(*words)
    assert code == ExitCode.ENVIRONMENT
    [line] = errors.splitlines()
    assert line.startswith(f"error: {FULL}: standard output; ")
    with contextlib.suppress(OSError):
        stream.close()


def raising(error: Exception) -> Callable[..., None]:
    def raise_it(*_: object, **__: object) -> None:
        raise error

    return raise_it


@pytest.mark.parametrize("words", [("runs", "--json"), ("runs",)], ids=" ".join)
def test_a_broken_pipe_between_processes_is_an_error_and_never_silent(
    words: tuple[str, ...], run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    """click ends with code 1 and prints nothing."""
    monkeypatch.setattr(Reader, "runs", raising(BrokenPipeError(errno.EPIPE, os.strerror(errno.EPIPE))))
    code, output, errors = run(*words)
    assert (code, output) == (ExitCode.ENVIRONMENT, "")
    [line] = errors.splitlines()
    assert line.startswith("error: ")
    assert "process" in line


def test_the_end_of_a_file_is_no_interrupt(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    """click takes any EOFError for the end of the user's input, and ends as after Ctrl-C."""
    monkeypatch.setattr(Reader, "runs", raising(EOFError("No data left in file")))
    code, output, errors = run("runs")
    assert (code, output) == (ExitCode.NODE_FAILED, "")
    assert "EOFError: No data left in file" in errors


def test_a_copy_that_failed_names_both_places_and_the_cause(
    run: Run, monkeypatch: pytest.MonkeyPatch, tmp_path: pathlib.Path
) -> None:
    source, target = str(tmp_path / "a"), str(tmp_path / "b")
    why = str(OSError(errno.ENOSPC, FULL, source, None, target))
    monkeypatch.setattr(Reader, "runs", raising(shutil.Error([(source, target, why)])))
    code, _, errors = run("runs")
    assert code == ExitCode.ENVIRONMENT
    assert errors == f"error: cannot copy {source} to {target}: [Errno {errno.ENOSPC}] {FULL}\n"
    monkeypatch.setattr(Reader, "runs", raising(OSError(errno.ENOSPC, FULL, source, None, target)))
    _, _, errors = run("runs")
    assert errors.startswith(f"error: {FULL}: {target}; free space")


@pytest.mark.parametrize(("arguments", "ended"), [(None, [0]), (["config", "show"], [])])
def test_the_command_of_a_process_ends_it(
    arguments: list[str] | None, ended: list[int], monkeypatch: pytest.MonkeyPatch
) -> None:
    codes: list[int] = []
    monkeypatch.setattr(process, "end", codes.append)
    monkeypatch.setattr(sys, "argv", ["sae", "config", "show"])
    with pytest.raises(SystemExit):
        cli.main(arguments)
    assert codes == ended
