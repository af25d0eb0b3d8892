"""A run followed in the browser to its end, without a reload."""

from __future__ import annotations

import json
import re
import subprocess
import sys

from tests.e2e.browser.conftest import served, visiting
from tests.e2e.conftest import PROJECT, QUICK_OPTIONS


def begin(root, *options):
    """Start a run on the sample in a process of its own."""
    command = [sys.executable, "-m", "pipeline", "run", *QUICK_OPTIONS, *options, "--json", "--root", str(root)]
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, cwd=PROJECT)


def test_a_run_is_followed_to_its_end(chromium, sample_run, tmp_path):
    """What precedes the training is cached, and nothing follows it: a page shows later nodes in the same way.

    test_missing.py has the pages of a root before its first run, test_pages.py those of a run of all nodes.
    """
    root = sample_run.copy(tmp_path / "root")
    with served("--root", root) as address, visiting(chromium, address) as visitor:
        page = visitor.visit("/")
        process = begin(root, "--set", "training.epochs=8", "--to-node", "Trainer")
        copied = root / "manifests" / f"{sample_run.run_id}.json"
        while not (begun := set((root / "manifests").glob("*.json")) - {copied}):
            assert process.poll() is None, process.communicate()
            page.wait_for_timeout(100)
        [manifest] = begun
        page.wait_for_timeout(1_000)  # the context follows the manifest
        visitor.visit(f"/runs/{manifest.stem}")
        page.evaluate("window.first = true")
        page.get_by_text("running").first.wait_for()
        page.get_by_text(re.compile(r"epoch \d+ of 8|\d+/8|epoch \d+", re.IGNORECASE)).first.wait_for(timeout=90_000)
        page.locator("main", has_text="succeeded").wait_for(timeout=600_000)
        assert page.evaluate("window.first") is True  # the same page all the time
        output, errors = process.communicate(timeout=300)
        assert json.loads(output)["exit_code"] == 0, errors
        curves = [page.locator(f"[data-live={part}] .chart-lines").count() for part in ("training", "outputs")]
        assert curves == [0, 1]  # those of the finished run replaced the live ones
        assert page.evaluate("document.querySelectorAll('[aria-live]').length") >= 1
