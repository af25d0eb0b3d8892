"""Read a pipeline root while runs write to it, without an error on either side."""

from __future__ import annotations

import contextlib
import dataclasses
import multiprocessing

import pytest

from pipeline.core.errors import NotFoundError
from pipeline.core.events import NodeStarted
from pipeline.core.pipeline_root import Root
from pipeline.inspection.locations import open_location
from pipeline.inspection.views import NodeRunState, RunState
from pipeline.sparse_autoencoder.definition import PIPELINE
from tests.e2e.conftest import QUICK, run_here


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


def follow(root, answers, ends, count):
    """Read a root until each of the events `ends`, and once more; send what was read of runs. Runs in a process.

    The semaphore `count` counts the looks.
    """
    for ended in ends:
        with open_location(PIPELINE, None, Root(root)) as place:
            looks, last = [], False
            answers.send("ready")
            while not last:
                last = ended.wait(0.05)  # leaves the run a core
                with contextlib.suppress(NotFoundError):  # there is no store yet
                    looks.append(look(place.reader()))  # a new client each time, as pages and commands have
                count.release()
            answers.send([run for run in looks if run is not None])


def seen_at_each_stage(count, reader):
    """A display of a run that begins each node after a whole look: there is one at each stage on any machine."""

    def wait(event):
        if isinstance(event, NodeStarted):
            while count.acquire(block=False):
                pass
            for _ in range(2):  # the first may have begun before
                assert count.acquire(timeout=60), f"the reader does not look, its exit code is {reader.exitcode}"

    return lambda stream: contextlib.nullcontext(wait)


@pytest.fixture(scope="module")
def looked_at(tmp_path_factory):
    """Three runs, executed, cached and failed, that another process reads while they run; what was read of each."""
    root = tmp_path_factory.mktemp("reading") / "root"
    runs = ((), (), ("data.train_examples=1",))
    context = multiprocessing.get_context("spawn")
    answers, sender = context.Pipe(duplex=False)
    ends = [context.Event() for _ in runs]
    count = context.Semaphore(0)
    reader = context.Process(target=follow, args=(root, sender, ends, count))
    reader.start()
    sender.close()
    seen, summaries = [], []
    for settings, ended in zip(runs, ends, strict=True):
        assert answers.recv() == "ready"  # raises EOFError if the reader failed, as below
        try:
            summaries.append(
                dataclasses.asdict(
                    run_here(root, *QUICK, *settings, to_node="Transform", display=seen_at_each_stage(count, reader))
                )
            )
        finally:
            ended.set()
        looks = answers.recv()
        seen.append([run for run in looks if run.row.id == summaries[-1]["run_id"]])
    reader.join()
    assert reader.exitcode == 0
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
    last = PIPELINE.names.index("Transform")
    # how many nodes had ended
    assert {sum(state is NodeRunState.EXECUTED for state in one) for one in running} >= set(range(last + 1))
    # a node that has ended stays so
    for node in range(len(PIPELINE.names)):
        ended = [one[node] is NodeRunState.EXECUTED for one in states]
        assert ended == sorted(ended)
    assert set(states[-1][: last + 1]) == {NodeRunState.EXECUTED}
    assert set(states[-1][last + 1 :]) == {NodeRunState.SKIPPED}


def test_a_failed_run_says_why_and_what_did_not_run(looked_at):
    _, seen, summaries = looked_at
    run = seen[2][-1]
    by_name = {node.node: node for node in run.nodes}
    assert by_name["DataGate"].state is NodeRunState.FAILED
    assert by_name["DataGate"].error in summaries[2]["error"]
    assert by_name["ExampleGen"].state is NodeRunState.CACHED
    assert by_name["Trainer"].state is NodeRunState.SKIPPED
    assert run.row.error == summaries[2]["error"]
