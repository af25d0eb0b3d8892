"""Rows of the schedule database that are damaged: everything goes on without them, and names them."""

from __future__ import annotations

import json
import logging

import pytest
from starlette.testclient import TestClient

from pipeline.core.errors import UnavailableError
from pipeline.core.pipeline_root import Root
from pipeline.inspection.locations import open_location
from pipeline.scheduler import schema, status
from pipeline.scheduler.store import ScheduleDatabase
from pipeline.scheduler.tick_outcomes import TickOutcomes
from pipeline.sparse_autoencoder.definition import PIPELINE
from pipeline.web import app
from tests.builders.schedules import NOW, SetClock, schedule

GOOD = "nightly"


def document(database, **changes):
    """The document of a good schedule, with changes by dotted path."""
    [text] = database.connection.execute("SELECT document FROM schedules WHERE name = 'nightly'").fetchone()
    found = json.loads(text)
    found["name"] = "bad"
    for place, value in changes.items():
        *parents, last = place.split("__")
        inner = found
        for parent in parents:
            inner = inner[parent]
        inner[last] = value
    return json.dumps(found)


BAD = {
    "no JSON": lambda _: "{",
    "a list": lambda _: "[]",
    "a number": lambda _: 5,
    "bytes": lambda _: b"\xff\x00",
    "nested": lambda _: "[" * 100_000,
    "another name": lambda database: document(database, name="other"),
    "no name": lambda database: document(database, name=None),
    "cron": lambda database: document(database, timing__cron="x"),
    "cron with a line": lambda database: document(database, timing__cron="0 3 * *\n*\n* * * * * rm"),
    "kind": lambda database: document(database, timing__kind="yearly"),
    "every": lambda database: document(database, timing__kind="every", timing__every=0.0),
    "every day of ever": lambda database: document(database, timing__kind="every", timing__every=1e300),
    "nan": lambda database: document(database, timing__kind="every", timing__every=float("nan")),
    "zone": lambda database: document(database, timing__zone="UTC\nExecStart=/bin/sh"),
    "profile": lambda database: document(database, work__profile="sample\r\nx"),
    "created": lambda database: document(database, created="yesterday"),
    "limit": lambda database: document(database, policies__catch_up_limit=10**400),
    "late": lambda database: document(database, policies__max_late=1e300),
    "overlap": lambda database: document(database, policies__overlap="maybe"),
}


@pytest.fixture
def database(tmp_path):
    with ScheduleDatabase.open(tmp_path, SetClock("2026-11-24 20:30")) as found:
        found.add(schedule(GOOD))
        yield found


def insert(database, given, horizon="2026-11-20T12:00:00Z"):
    database.connection.execute(
        "INSERT INTO schedules (name, document, horizon) VALUES ('bad', ?, ?)", (given, horizon)
    )


@pytest.mark.parametrize("bad", BAD.values(), ids=BAD)
def test_a_bad_row_is_left_out_and_named(database, bad):
    insert(database, bad(database))
    assert [one.name for one in database.schedules()] == [GOOD]
    assert list(database.unreadable()) == ["bad"]
    assert [one.schedule.name for one in status.planned(database, NOW, 1)] == [GOOD]
    with pytest.raises(UnavailableError, match="`sae schedule remove bad`"):
        database.schedule("bad")


def test_a_horizon_that_is_no_time_is_named(database):
    insert(database, document(database), horizon=5)
    assert list(database.unreadable()) == ["bad"]


def test_the_daemon_goes_on_and_logs_it_once(database, caplog):
    insert(database, "{")
    outcomes = TickOutcomes(database)
    with caplog.at_level(logging.WARNING):
        outcomes.check("")
        outcomes.check("")
    assert [record.args[0] for record in caplog.records] == ["bad"]
    assert {one.schedule for one in database.ticks()} == {GOOD}
    assert database.next_tick() is not None


def test_it_can_be_removed(database):
    insert(database, "{")
    database.remove("bad")
    assert database.unreadable() == {}


def test_a_table_that_is_missing_is_one_line(database, tmp_path):
    database.connection.execute("DROP TABLE ticks")
    with pytest.raises(UnavailableError, match=schema.NAME), ScheduleDatabase.read(tmp_path) as read:
        read.ticks()


def test_health_answers_503_and_names_it(database, tmp_path):
    insert(database, "{")
    with open_location(PIPELINE, None, Root(tmp_path)) as place:
        answer = TestClient(app.build(place), base_url="http://localhost:8000").get("/health.json")
    assert answer.status_code == 503
    assert answer.json()["status"] == "unreadable"
    assert answer.json()["scheduler"]["unreadable"] == ["bad"]
