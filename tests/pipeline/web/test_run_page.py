"""The page of a run."""

from __future__ import annotations

from pipeline.core.events import EpochEnded, JobProgress, NodeEnded, NodeStarted, NodeState, Note
from pipeline.web.pages import run


def test_epochs_that_were_trained_again_after_a_resume_count_once() -> None:
    first = [EpochEnded(number, 5, 0.5, 0.25) for number in (1, 2, 3)]
    second = [EpochEnded(number, 5, 0.5, 0.25) for number in (2, 3, 4)]
    assert run._epochs([*first, Note("resumed"), *second]) == (first[0], *second)
    assert run._epochs([*first, second[0]]) == (first[0], second[0])


def test_the_job_is_that_of_the_node_that_runs_now() -> None:
    first, second = (JobProgress("Flink", "running", done, 12, "http://h/1") for done in (1, 2))
    ended = NodeEnded("ExampleGen", NodeState.EXECUTED, 1.0)
    assert run._job([NodeStarted("ExampleGen"), first, Note("a note"), second]) == second
    assert run._job([NodeStarted("ExampleGen"), first, ended]) is None
    assert run._job([first, NodeStarted("Trainer")]) is None
