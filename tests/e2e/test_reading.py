"""Read a pipeline root while runs write to it, without an error on either side."""

from __future__ import annotations

import contextlib
import dataclasses
import json
import pathlib
import subprocess
import sys
import time

import pytest

from pipeline.core.errors import NotFoundError
from pipeline.core.pipeline_root import Root
from pipeline.inspection.locations import open_location
from pipeline.inspection.views import NodeRunState, RunState
from pipeline.sparse_autoencoder.definition import PIPELINE
from tests.e2e.conftest import PROJECT, QUICK, QUICK_OPTIONS, run_here


def begin(root: pathlib.Path, *options: str) -> subprocess.Popen[str]:
    """Start a run on the sample in a process of its own."""
    return subprocess.Popen(
        [sys.executable, "-m", "pipeline", "run", *QUICK_OPTIONS, *options, "--json", "--root", str(root)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        cwd=PROJECT,
    )


def look(reader):
    """Reads what the pages read, all of it. Returns the newest run."""
    rows, _ = reader.runs(limit=20)
    reader.runs(limit=20, sort="test_bce")
    artifacts, _ = reader.artifacts(limit=50)
    for row in artifacts[:3]:
        reader.artifact(row.id)
        reader.lineage(row.id)
        reader.preview(row)
    return reader.run(rows[0].id) if rows else None


@pytest.fixture(scope="module")
def looked_at(tmp_path_factory):
    """Two runs, executed and cached, that are read while they run, and a failed one; what was read of each."""
    root = tmp_path_factory.mktemp("reading") / "root"
    seen, summaries = [], []
    with open_location(PIPELINE, None, Root(root)) as place:
        for _ in range(2):
            looks = []
            process = begin(root)
            while process.poll() is None:
                with contextlib.suppress(NotFoundError):  # there is no store yet
                    looks.append(look(place.reader()))  # a new client each time, as pages and commands have
                time.sleep(0.05)  # leaves the run a core
            output, errors = process.communicate()
            assert output, errors
            assert "locked" not in errors
            summaries.append(json.loads(output))
            looks.append(look(place.reader()))
            seen.append([run for run in looks if run is not None and run.row.id == summaries[-1]["run_id"]])
        failed = run_here(root, *QUICK, "data.train_examples=1")
        summaries.append(dataclasses.asdict(failed))
        seen.append([place.reader().run(failed.run_id)])
    return root, seen, summaries


def test_no_run_was_disturbed_and_each_was_seen_to_its_end(looked_at):
    root, seen, summaries = looked_at
    assert [summary["exit_code"] for summary in summaries] == [0, 0, 4]
    assert [runs[-1].row.state for runs in seen] == [RunState.SUCCEEDED, RunState.SUCCEEDED, RunState.FAILED]
    assert "locked" not in "".join(log.read_text() for log in (root / "logs").iterdir())


def test_a_run_in_progress_was_seen_at_many_stages(looked_at):
    _, seen, _ = looked_at
    states = [tuple(node.state for node in run.nodes) for run in seen[0]]
    running = [one for one, run in zip(states, seen[0], strict=True) if run.row.state is RunState.RUNNING]
    assert len(running) > 20
    assert len(set(running)) >= 5
    # a node that has ended stays so
    for node in range(len(PIPELINE.names)):
        ended = [one[node] is NodeRunState.EXECUTED for one in states]
        assert ended == sorted(ended)
    assert set(states[-1]) == {NodeRunState.EXECUTED}


def test_a_failed_run_says_why_and_what_did_not_run(looked_at):
    _, seen, summaries = looked_at
    run = seen[2][-1]
    by_name = {node.node: node for node in run.nodes}
    assert by_name["DataGate"].state is NodeRunState.FAILED
    assert by_name["DataGate"].error in summaries[2]["error"]
    assert by_name["ExampleGen"].state is NodeRunState.CACHED
    assert by_name["Trainer"].state is NodeRunState.SKIPPED
    assert run.row.error == summaries[2]["error"]
