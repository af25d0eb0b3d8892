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


def test_one_response_is_printed_without_a_server(sae, refused, recorded):
    code, output, errors = sae("serve", "--get", "/runs.json", "--root", str(recorded.root.path))
    assert (code, errors) == (0, "")
    assert json.loads(output)["runs"][0]["id"] == FAILED
    refused(3, "serve", "--get", "/nowhere", "--root", str(recorded.root.path))


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


def test_a_root_that_does_not_exist_is_warned_of_and_waited_for(environment, tmp_path):
    root = tmp_path / "nowhere"
    command = [*COMMAND, "serve", "--port", "0", "--root", str(root)]
    with subprocess.Popen(command, stderr=subprocess.PIPE, text=True, env=environment) as process:
        address = next(word for word in process.stderr.readline().split() if word.startswith("http://127.0.0.1:"))
        with urllib.request.urlopen(f"{address}runs.json", timeout=20) as answer:
            assert json.load(answer)["empty"]
        process.send_signal(signal.SIGINT)
        errors = process.stderr.read()
    assert errors.startswith(f"warning: {root} does not exist; the pages wait for it: `")
    assert f" run --root {root}` makes it" in errors
    assert not root.exists()


def test_pages_are_exported_as_files(sae, recorded, tmp_path):
    folder = tmp_path / "site"
    code, output, errors = sae("export", str(folder), "--limit", "1", "--root", str(recorded.root.path))
    assert (code, output) == (0, f"{folder / 'index.html'}\n")
    assert " on 1 run and " in errors
    assert FAILED in (folder / "index.html").read_text()


def test_a_folder_that_is_not_empty_is_refused(refused, recorded, tmp_path):
    (tmp_path / "mine").write_text("mine")
    errors = refused(2, "export", str(tmp_path), "--root", str(recorded.root.path))
    assert errors.startswith(f"error: {tmp_path} is not empty")
