"""The events of a run in a file."""

from __future__ import annotations

import datetime
import errno
import json
import logging
import os
import resource

import pytest

from pipeline.core import event_log
from pipeline.core.events import EpochEnded, JobProgress, NodeEnded, NodeStarted, NodeState, Note, RunStarted

EVENTS = [
    Note("loading TensorFlow and TFX"),
    Note("the sample \N{EN DASH} <b>\N{LINE SEPARATOR}of 5,000", warning=True),
    RunStarted("r1", ("ExampleGen", "Trainer")),
    NodeStarted("ExampleGen"),
    NodeEnded("ExampleGen", NodeState.CACHED, 0.0),
    NodeStarted("Trainer", ("l1 changed", "and its code")),
    EpochEnded(1, 2, 0.5, 0.25),
    JobProgress("Flink", "running", 3, 12, "http://h:8081/#/job/running/86f0"),
    NodeEnded("Trainer", NodeState.FAILED, 1.5, "the loss is not a number"),
]
GOOD = '{"when": "2026-11-23T14:30:05.250+00:00", "event": "Note", "text": "good"}'


@pytest.fixture
def journal(tmp_path):
    journal = event_log.Journal(tmp_path, "r1")
    yield journal
    journal.close()


def written(tmp_path, text):
    path = event_log.path_of(tmp_path, "r1")
    path.parent.mkdir(parents=True)
    path.write_text(text)
    return [one.event for one in event_log.read(tmp_path, "r1")]


def test_events_are_read_in_order_with_their_time(tmp_path, journal):
    before = datetime.datetime.now(datetime.timezone.utc)
    for event in EVENTS:
        journal(event)
    after = datetime.datetime.now(datetime.timezone.utc)
    found = event_log.read(tmp_path, "r1")
    assert [one.event for one in found] == EVENTS
    times = [one.when for one in found]
    millisecond = datetime.timedelta(milliseconds=1)
    assert times == sorted(times)
    assert before - millisecond <= times[0] <= times[-1] <= after


def test_an_event_can_be_read_immediately(tmp_path, journal):
    journal(EVENTS[0])
    assert [one.event for one in event_log.read(tmp_path, "r1")] == EVENTS[:1]


def test_a_later_journal_appends(tmp_path, journal):
    journal(EVENTS[0])
    journal.close()
    other = event_log.Journal(tmp_path, "r1")
    other(EVENTS[2])
    other.close()
    assert [one.event for one in event_log.read(tmp_path, "r1")] == [EVENTS[0], EVENTS[2]]


def test_runs_do_not_share_a_file(tmp_path, journal):
    journal(EVENTS[0])
    assert event_log.read(tmp_path, "r2") == []


def test_an_event_after_the_end_is_dropped(tmp_path, journal):
    journal.close()
    journal(EVENTS[0])
    assert event_log.read(tmp_path, "r1") == []


def test_times_are_converted_to_utc(tmp_path):
    line = GOOD.replace("14:30:05.250+00:00", "23:30:05.250+09:00")
    path = event_log.path_of(tmp_path, "r1")
    path.parent.mkdir(parents=True)
    path.write_text(line)
    [one] = event_log.read(tmp_path, "r1")
    assert one.when == datetime.datetime(2026, 11, 23, 14, 30, 5, 250_000, tzinfo=datetime.timezone.utc)
    assert one.when.tzinfo == datetime.timezone.utc


@pytest.mark.parametrize(
    "line",
    [
        GOOD[:-9],
        "",
        "no json",
        "[]",
        "7",
        "null",
        "{}",
        "[" * 100_000,
        GOOD.replace("Note", "Later"),
        GOOD.replace("Note", "NodeEnded"),
        GOOD.replace("2026-11-23T", ""),
        GOOD.replace('"2026-11-23T14:30:05.250+00:00"', "7"),
        GOOD.replace('"good"', "7"),
        GOOD.replace("text", "words"),
        json.dumps({"when": "2026-11-23", "event": "NodeEnded", "node": "x", "state": "odd", "seconds": 1.0}),
        json.dumps({"when": "2026-11-23", "event": "NodeStarted", "node": "x", "reasons": "one"}),
        json.dumps({"when": "2026-11-23", "event": ["Note"], "text": "x"}),
    ],
)
def test_an_incomplete_or_unknown_line_is_skipped(tmp_path, line):
    assert written(tmp_path, f"{GOOD}\n{line}\n{GOOD}\n") == [Note("good"), Note("good")]


def test_an_incomplete_line_at_the_end_is_skipped(tmp_path):
    assert written(tmp_path, f"{GOOD}\n{GOOD[:40]}") == [Note("good")]


def test_bytes_that_are_not_text_damage_only_their_line(tmp_path):
    path = event_log.path_of(tmp_path, "r1")
    path.parent.mkdir(parents=True)
    path.write_bytes(b"\xff\xfe\n" + GOOD.encode())
    assert [one.event for one in event_log.read(tmp_path, "r1")] == [Note("good")]


def test_an_unwritable_file_is_logged_once_and_the_run_continues(tmp_path, caplog):
    (tmp_path / "progress").write_text("no folder")
    with caplog.at_level(logging.WARNING):
        journal = event_log.Journal(tmp_path, "r1")
        journal(EVENTS[0])
    journal.close()
    [record] = caplog.records
    assert record.getMessage().startswith(f"events are not written to {tmp_path / 'progress' / 'r1.jsonl'} any more: ")


def test_a_full_disk_is_logged_once_and_the_run_continues(tmp_path, caplog):
    journal = event_log.Journal(tmp_path, "r1")
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (0, limits[1]))
    try:
        with caplog.at_level(logging.WARNING):
            for event in EVENTS:
                journal(event)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    journal.close()
    [record] = caplog.records
    assert os.strerror(errno.EFBIG) in record.getMessage()


def test_a_run_id_that_contains_a_path_has_no_events(tmp_path):
    journal = event_log.Journal(tmp_path, "r1")
    journal(Note("here"))
    journal.close()
    (tmp_path / "progress" / "inner").mkdir()
    assert len(event_log.read(tmp_path, "r1")) == 1
    assert event_log.read(tmp_path, "inner/../r1") == []
    assert event_log.read(tmp_path, "../progress/r1") == []


def test_append_ends_an_incomplete_line_first(tmp_path):
    event_log.append(tmp_path, "r1", Note("first"))
    with open(event_log.path_of(tmp_path, "r1"), "a") as file:
        file.write('{"when": ')
    event_log.append(tmp_path, "r1", Note("second"))
    event_log.append(tmp_path, "r1", Note("third"))
    assert [one.event.text for one in event_log.read(tmp_path, "r1")] == ["first", "second", "third"]
