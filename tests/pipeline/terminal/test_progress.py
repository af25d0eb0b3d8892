"""What a run shows: plain lines in a file, a table on a terminal."""

from __future__ import annotations

import dataclasses
import io
import os
import re
import threading

import pytest

from pipeline.core.events import EpochEnded, JobProgress, NodeEnded, NodeStarted, NodeState, Note, RunStarted
from pipeline.terminal.progress import display, epoch_text, plain_line

EPOCH = EpochEnded(epoch=3, epochs=50, loss=0.15496, val_loss=0.151)
EPOCH_WORDS = ["epoch", "3/50", "with", "penalty:", "loss", "0.1550,", "validation", "0.1510"]
EVENTS = (
    RunStarted("20261123-143005", ("ExampleGen", "Trainer", "Pusher")),
    NodeStarted("ExampleGen"),
    NodeEnded("ExampleGen", NodeState.CACHED, 0.4),
    NodeStarted("Trainer"),
    EPOCH,
    Note("disk is [nearly] full", warning=True),
    NodeEnded("Trainer", NodeState.FAILED, 31.24, "no [blue] memory"),
    NodeEnded("Pusher", NodeState.SKIPPED, 0.0, "Trainer did not succeed"),
)


@pytest.fixture(autouse=True)
def plain_environment(monkeypatch):
    """Nothing that tells Rich to colour or not to colour."""
    for name in ("FORCE_COLOR", "NO_COLOR", "TTY_COMPATIBLE", "TTY_INTERACTIVE", "LINES"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.setenv("COLUMNS", "120")


def terminal_output(events):
    """Every character that a terminal gets for `events`."""
    leader, follower = os.openpty()
    received = []

    def read():
        try:
            while block := os.read(leader, 4096):
                received.append(block)
        except OSError:  # Linux says so when the other end is closed
            pass

    reader = threading.Thread(target=read)
    reader.start()
    with os.fdopen(follower, "w", encoding="utf-8") as stream, display(stream) as tell:
        for event in events:
            tell(event)
    reader.join()
    os.close(leader)
    return b"".join(received).decode()


def frames(events):
    """What a terminal shows after each change, as text."""
    # Each frame begins by erasing the lines of the one before it.
    drawn = re.split(r"\r\x1b\[2K(?:\x1b\[1A\x1b\[2K)*", terminal_output(events))
    assert len(drawn) > len(events)
    return [re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", frame).replace("\r", "") for frame in drawn]


def last_rows(events):
    return [line.split() for line in frames(events)[-1].splitlines()]


@pytest.mark.parametrize(
    "variables", [{}, {"FORCE_COLOR": "1"}, {"TTY_COMPATIBLE": "1"}, {"TTY_INTERACTIVE": "1", "FORCE_COLOR": "3"}]
)
def test_a_file_is_never_taken_for_a_terminal(monkeypatch, variables):
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    stream = io.StringIO()
    with display(stream) as tell:
        for event in EVENTS:
            tell(event)
    assert len(stream.getvalue().splitlines()) == len(EVENTS)
    assert "\x1b" not in stream.getvalue()


def test_a_file_gets_one_plain_line_per_event():
    stream = io.StringIO()
    with display(stream) as tell:
        for event in EVENTS:
            tell(event)
    assert stream.getvalue().splitlines() == [
        "run 20261123-143005",
        "ExampleGen started",
        "ExampleGen cached",
        "Trainer started",
        "Trainer epoch 3/50  with penalty: loss 0.1550, validation 0.1510",
        "warning: disk is [nearly] full",
        "Trainer failed in 31.2 s: no [blue] memory",
        "Pusher skipped: Trainer did not succeed",
    ]


def test_a_dumb_terminal_gets_plain_lines(monkeypatch):
    monkeypatch.setenv("TERM", "dumb")
    assert terminal_output(EVENTS[:2]) == "run 20261123-143005\r\nExampleGen started\r\n"


def test_a_long_line_is_not_wrapped_in_a_file():
    stream = io.StringIO()
    with display(stream) as tell:
        tell(Note("word " * 100))
    assert stream.getvalue() == "word " * 100 + "\n"


@pytest.mark.parametrize(
    ("event", "line"),
    [
        (Note("loading"), "loading"),
        (NodeEnded("Trainer", NodeState.EXECUTED, 0.04), "Trainer executed in 0.0 s"),
        (NodeEnded("Schema", NodeState.EXECUTED, 0.0, "it ended before"), "Schema executed: it ended before"),
        (NodeEnded("Trainer", NodeState.CANCELLED, 2.0), "Trainer cancelled"),
        (NodeEnded("Pusher", NodeState.SKIPPED, 1.0, "not blessed"), "Pusher skipped: not blessed"),
    ],
)
def test_a_plain_line_has_the_time_of_what_ran_and_the_reason_of_what_did_not(event, line):
    assert plain_line(event) == line


@pytest.mark.parametrize(
    ("reasons", "line"),
    [
        ((), "Trainer started"),
        (("parameters: l1: 0.1 -> [0.2]",), "Trainer started (parameters: l1: 0.1 -> [0.2])"),
        (("one", "two", "three"), "Trainer started (one, and 2 more)"),
    ],
)
def test_a_started_node_tells_the_first_reason_and_how_many_more_there_are(reasons, line):
    assert plain_line(NodeStarted("Trainer", reasons)) == line


def test_a_terminal_shows_the_reason_while_a_node_runs_and_after_it_ended():
    events = (
        RunStarted("1", ("ExampleGen", "Transform", "Trainer")),
        NodeStarted("ExampleGen", ("data: [a] changed", "code: b.py changed")),
        NodeEnded("ExampleGen", NodeState.EXECUTED, 1.0),
        NodeStarted("Transform", ("it never ran in this root",)),
    )
    ended, running, waiting = last_rows(events)
    assert ended[5:] == ["data:", "[a]", "changed,", "and", "1", "more"]
    assert running[-6:] == ["it", "never", "ran", "in", "this", "root"]
    assert waiting == ["·", "Trainer", "waiting"]


def test_what_a_node_said_when_it_failed_goes_before_the_reason_why_it_ran():
    events = (
        RunStarted("1", ("Transform",)),
        NodeStarted("Transform", ("code: a.py changed",)),
        NodeEnded("Transform", NodeState.FAILED, 1.0, "no memory"),
    )
    assert last_rows(events)[0][-2:] == ["no", "memory"]


def test_the_trainers_epoch_goes_before_the_reason_why_it_runs():
    events = (RunStarted("1", ("Trainer",)), NodeStarted("Trainer", ("code: a.py changed",)))
    assert last_rows(events)[0][-3:] == ["code:", "a.py", "changed"]
    assert last_rows((*events, EPOCH))[0][-8:] == EPOCH_WORDS


JOB = JobProgress("Flink", "running", 3, 12, "http://h:8081/#/job/running/86f0")


def test_the_job_on_a_cluster_goes_before_the_reason_why_the_node_runs():
    events = (RunStarted("1", ("Evaluator",)), NodeStarted("Evaluator", ("code: a.py changed",)), JOB)
    assert last_rows(events)[0][-9:] == [*["Flink", "job", "running,", "3", "of", "12", "tasks", "done:"], JOB.link]


def test_a_log_has_one_line_for_each_state_of_a_job():
    stream = io.StringIO()
    with display(stream) as view:
        for event in (
            NodeStarted("Evaluator"),
            JOB,
            dataclasses.replace(JOB, done=4),
            dataclasses.replace(JOB, done=5, state="restarting"),
            dataclasses.replace(JOB, done=5),
        ):
            view(event)
    _, *lines = stream.getvalue().splitlines()
    assert [line.partition(":")[0] for line in lines] == [
        "Evaluator Flink job running, 3 of 12 tasks done",
        "Evaluator Flink job restarting, 5 of 12 tasks done",
        "Evaluator Flink job running, 5 of 12 tasks done",
    ]
    assert all(line.endswith(JOB.link) for line in lines)


def test_losses_are_shown_to_four_places():
    assert epoch_text(EPOCH) == "epoch 3/50  with penalty: loss 0.1550, validation 0.1510"


def test_a_terminal_ends_with_a_row_per_node():
    assert last_rows(EVENTS) == [
        ["=", "ExampleGen", "cached", "0.4", "s"],
        ["✗", "Trainer", "failed", "31.2", "s", "no", "[blue]", "memory"],
        ["-", "Pusher", "skipped", "Trainer", "did", "not", "succeed"],
    ]


def test_a_terminal_shows_what_waits_what_runs_and_the_last_epoch():
    rows = last_rows(EVENTS[:5])
    assert rows[0] == ["=", "ExampleGen", "cached", "0.4", "s"]
    assert rows[1][:3] == ["▸", "Trainer", "running"]
    assert rows[1][-8:] == EPOCH_WORDS
    assert rows[2] == ["·", "Pusher", "waiting"]


def test_an_ended_trainer_keeps_its_last_epoch_in_view():
    events = (
        RunStarted("1", ("Trainer",)),
        NodeStarted("Trainer"),
        EPOCH,
        NodeEnded("Trainer", NodeState.EXECUTED, 31.24),
    )
    assert last_rows(events)[-1][-9:] == ["s", *EPOCH_WORDS]


def test_a_warning_is_shown_as_such_on_a_terminal_without_colour(monkeypatch):
    monkeypatch.setenv("NO_COLOR", "1")
    assert "warning: disk is [nearly] full" in "".join(frames(EVENTS))
