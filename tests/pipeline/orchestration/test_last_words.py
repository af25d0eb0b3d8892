"""The last lines of the log are shown when a process dies without a Python exception."""

from __future__ import annotations

import pathlib
import subprocess
import sys

import pytest

from tests import PROJECT

SCRIPT = """
import os, pathlib, signal, sys
from pipeline.orchestration import last_words, process_setup
log = pathlib.Path(sys.argv[1])
with process_setup.output_to(log) as (out, err):
    with last_words.shown(log, err, "run r1", "`sae resume r1` resumes it"):
        print("first", flush=True)
        os.system("echo from a native library >&2")
        exec(sys.argv[2])
print("after")
"""


def run(log: pathlib.Path, end: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-c", SCRIPT, str(log), end], capture_output=True, text=True, cwd=PROJECT, check=False
    )


@pytest.mark.parametrize(
    ("end", "code", "why"),
    [
        ("os.abort()", -6, "Aborted"),
        ("import ctypes; ctypes.string_at(0)", -11, "Segmentation fault"),
        ("os.kill(os.getpid(), signal.SIGKILL)", -9, "killed"),
        ("os._exit(3)", 3, "ended"),
    ],
)
def test_a_process_that_dies_leaves_its_last_words_and_the_log(
    tmp_path: pathlib.Path, end: str, code: int, why: str
) -> None:
    log = tmp_path / "r1.log"
    log.write_text("of an earlier attempt\n")
    done = run(log, end)
    assert done.returncode == code
    heading, *lines = done.stderr.splitlines()
    assert heading.startswith("error: ")
    for expected in ("run r1", why, "`sae resume r1`", str(log)):
        assert expected in heading
    assert [line.strip() for line in lines][:2] == ["first", "from a native library"]
    assert "earlier attempt" not in done.stderr
    assert done.stdout == ""


@pytest.mark.parametrize("end", ["pass", "raise SystemExit(4)", "raise KeyboardInterrupt"])
def test_nothing_is_shown_after_an_end_that_python_handles(tmp_path: pathlib.Path, end: str) -> None:
    done = run(tmp_path / "r1.log", end)
    assert "last lines" not in done.stderr


def test_only_the_last_lines_are_shown_and_they_are_safe_and_short(tmp_path: pathlib.Path) -> None:
    end = "for n in range(10_000): print('line', n, '\\x1b[31m', 'x' * 1000)\nsys.stdout.flush(); os.abort()"
    _, *lines = run(tmp_path / "r1.log", end).stderr.splitlines()
    assert 3 <= len(lines) <= 8
    assert "line 9999 ?[31m" in "".join(lines)
    assert max(map(len, lines)) < 400
