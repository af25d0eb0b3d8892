"""The log of a run, and which lines are of one node."""

from __future__ import annotations

import datetime
import json
import time

import pytest

from pipeline.core import event_log
from pipeline.core.errors import NotFoundError, UnavailableError
from pipeline.core.pipeline_root import Root
from pipeline.inspection import logs
from pipeline.inspection.views import NodeRun, NodeRunState, Run, RunRow, RunState

RUN_ID = "20261123-143005"
LOG = """\
2026-11-23 14:30:05,500 INFO absl: before
2026-11-23 14:30:06,100 INFO absl: of ExampleGen {
  type
}

2026-11-23 14:30:07,200 INFO absl: last of ExampleGen
2026-11-23 14:30:08.123456: W tensorflow: of SchemaGen
I0000 00:00:1795539592.597807   18534 service.cc:145] without a time of its own
2026-99-99 99:99:99,000 no time at all
2026-11-23 14:30:20,000 INFO absl: after
"""


def utc(seconds):
    """A time, in seconds after 14:30."""
    return datetime.datetime(2026, 11, 23, 14, 30, tzinfo=datetime.timezone.utc) + datetime.timedelta(seconds=seconds)


@pytest.fixture(autouse=True)
def in_utc(monkeypatch):
    monkeypatch.setenv("TZ", "UTC")
    time.tzset()
    yield
    monkeypatch.undo()
    time.tzset()


@pytest.fixture
def root(tmp_path):
    root = Root(tmp_path)
    root.create()
    (root.logs / f"{RUN_ID}.log").write_text(LOG)
    return root


def node(name, started, ended, state=NodeRunState.EXECUTED):
    return NodeRun(1, name, "type", state, started, ended, None)


def run(*nodes):
    return Run(RunRow(RUN_ID, "p", RunState.SUCCEEDED, None, None), nodes)


def of_node(root, found, name):
    path = logs.path_of(root, RUN_ID)
    return list(logs.lines(path, logs.span_of(root, found, name)))


def write_events(root, *events):
    """Notes events as a run does: seconds after 14:30, kind, fields."""
    path = event_log.path_of(root.path, RUN_ID)
    path.parent.mkdir(exist_ok=True)
    lines = [json.dumps({"when": utc(when).isoformat(), "event": kind, **fields}) for when, kind, fields in events]
    path.write_text("\n".join(lines))


def test_the_whole_log_is_what_is_in_the_file(root):
    assert list(logs.lines(logs.path_of(root, RUN_ID))) == LOG.splitlines()


def test_the_lines_of_workers_name_node_and_host(root):
    for path, text in {"StatisticsGen/h1-7-1-1.log": "a\nb\n", "Evaluator/h2-9-1-1.log": "c\n"}.items():
        log = root.worker_logs(RUN_ID) / path
        log.parent.mkdir(parents=True)
        log.write_text(text)
    of_one = ["[StatisticsGen h1-7-1-1] a", "[StatisticsGen h1-7-1-1] b"]
    assert list(logs.worker_lines(root, RUN_ID, "")) == ["[Evaluator h2-9-1-1] c", *of_one]
    assert list(logs.worker_lines(root, RUN_ID, "StatisticsGen")) == of_one
    assert list(logs.worker_lines(root, RUN_ID, "*")) == []
    assert list(logs.worker_lines(root, "other", "")) == []


def test_without_events_the_times_of_the_execution_tell(root):
    found = run(node("ExampleGen", utc(6.1), utc(7.2)), node("SchemaGen", utc(8), utc(9)))
    assert of_node(root, found, "ExampleGen") == LOG.splitlines()[1:6]
    assert of_node(root, found, "schemagen") == LOG.splitlines()[6:9]


def test_a_node_that_has_not_ended_has_all_lines_since_it_began(root):
    found = run(node("SchemaGen", utc(8), None, NodeRunState.RUNNING))
    assert of_node(root, found, "SchemaGen") == LOG.splitlines()[6:]


def test_times_in_a_log_are_local_ones(root, monkeypatch):
    monkeypatch.setenv("TZ", "XYZ-2")  # two hours before UTC
    time.tzset()
    found = run(node("SchemaGen", utc(8 - 7200), utc(9 - 7200)))
    assert of_node(root, found, "SchemaGen") == LOG.splitlines()[6:9]


def test_events_go_before_what_ml_metadata_notes(root):
    ended = {"node": "ExampleGen", "state": "executed", "seconds": 1.5, "reason": ""}
    write_events(
        root,
        (6, "NodeStarted", {"node": "ExampleGen", "reasons": []}),
        (7.2, "NodeEnded", ended),
        (8, "NodeStarted", {"node": "SchemaGen", "reasons": []}),
        (9, "NodeStarted", {"node": "Trainer", "reasons": []}),
    )
    found = run(*(node(name, utc(19), utc(21)) for name in ("ExampleGen", "SchemaGen", "Trainer")))
    assert of_node(root, found, "ExampleGen") == LOG.splitlines()[1:6]
    assert of_node(root, found, "SchemaGen") == LOG.splitlines()[6:9]  # it never ended; another began
    assert of_node(root, found, "Trainer") == LOG.splitlines()[9:]


def test_a_cached_node_began_as_long_before_its_end_as_it_took(root):
    write_events(root, (8.2, "NodeEnded", {"node": "SchemaGen", "state": "cached", "seconds": 0.5, "reason": ""}))
    assert of_node(root, run(node("SchemaGen", utc(19), utc(21))), "SchemaGen") == LOG.splitlines()[6:9]


def test_a_node_that_does_not_exist_or_did_not_run_is_not_found(root):
    found = run(node("Trainer", None, None, NodeRunState.NOT_RUN))
    with pytest.raises(NotFoundError, match=r"Trainr.*Trainer"):
        logs.span_of(root, found, "Trainr")
    with pytest.raises(NotFoundError, match=r"Trainer.*20261123-143005"):
        logs.span_of(root, found, "Trainer")


def test_a_log_that_is_not_there_is_not_found(root):
    with pytest.raises(NotFoundError, match="store"):
        logs.path_of(None, RUN_ID)
    with pytest.raises(NotFoundError, match="r9"):
        logs.path_of(root, "r9")


def test_a_run_whose_name_is_a_path_leads_nowhere(root):
    (root.path / "secret.log").write_text("secret")
    with pytest.raises(NotFoundError):
        logs.path_of(root, "../secret")


def test_a_log_that_cannot_be_read_is_unavailable(root):
    with pytest.raises(UnavailableError):
        list(logs.lines(root.logs))


def test_bytes_that_are_no_text_are_shown_as_such(root):
    (root.logs / f"{RUN_ID}.log").write_bytes(b"a\xff\r\nb\rc\n")
    assert list(logs.lines(logs.path_of(root, RUN_ID))) == ["a\ufffd", "b\rc"]


def test_the_first_error_is_the_first_traceback():
    head = "2026-11-23 14:30:06,100"
    lines = [f"{head} INFO absl: ERROR", f"{head} ERROR absl: failed", "Traceback (most recent call last):", "x"]
    assert logs.first_error(lines) == 2
    assert logs.first_error(lines[:2]) == 1
    assert logs.first_error(lines[:1]) is None
