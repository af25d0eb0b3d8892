"""The commands for the browser; tests/pipeline/web tests the pages."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import urllib.request

import pytest

from tests import PROJECT
from tests.golden.store import FAILED

pytestmark = pytest.mark.component  # seconds

COMMAND = [sys.executable, "-c", "from pipeline.cli import main; main()"]


@pytest.fixture
def environment(recorded):
    return {**os.environ, "PYTHONPATH": str(PROJECT), "SAE_ROOT": str(recorded.root.path)}


def done(environment, *arguments):
    return subprocess.run([*COMMAND, *arguments], capture_output=True, text=True, check=False, env=environment)


def test_one_response_is_printed_without_a_server(environment):
    found = done(environment, "serve", "--get", "/runs.json")
    assert (found.returncode, found.stderr) == (0, "")
    assert json.loads(found.stdout)["runs"][0]["id"] == FAILED
    found = done(environment, "serve", "--get", "/nowhere")
    assert (found.returncode, found.stdout, found.stderr.count("\n")) == (3, "", 1)
    assert found.stderr.startswith("error: ")


def test_pages_are_served_until_it_is_interrupted(environment):
    with subprocess.Popen(
        [*COMMAND, "serve", "--port", "0"], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=environment
    ) as process:
        said = process.stderr.readline()
        address = next(word for word in said.split() if word.startswith("http://127.0.0.1:"))
        with urllib.request.urlopen(f"{address}runs.json", timeout=20) as answer:
            assert json.load(answer)["runs"][0]["id"] == FAILED
        process.send_signal(signal.SIGINT)
        output, errors = process.communicate(timeout=20)
    assert output == ""
    assert "Traceback" not in errors


def test_pages_are_exported_as_files(environment, tmp_path):
    folder = tmp_path / "site"
    found = done(environment, "export", str(folder), "--limit", "1")
    assert found.returncode == 0, found.stderr
    assert found.stdout == f"{folder / 'index.html'}\n"
    assert " on 1 run and " in found.stderr
    assert FAILED in (folder / "index.html").read_text()


def test_a_folder_that_is_not_empty_is_refused(environment, tmp_path):
    (tmp_path / "mine").write_text("mine")
    found = done(environment, "export", str(tmp_path))
    assert (found.returncode, found.stdout) == (2, "")
    assert found.stderr.startswith(f"error: {tmp_path} is not empty")
