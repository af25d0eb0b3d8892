"""Rows of the schedule database that are damaged: everything goes on without them, and names them."""

from __future__ import annotations

import contextlib
import functools
import json
import logging
import re
import shlex

import pytest
from starlette.testclient import TestClient

from pipeline.core.errors import UnavailableError
from pipeline.core.pipeline_root import Root
from pipeline.inspection.locations import open_location
from pipeline.scheduler import schema, status
from pipeline.scheduler.alarm import Alarm
from pipeline.scheduler.attempt_result import AttemptResult
from pipeline.scheduler.attempts import LOST, Attempts
from pipeline.scheduler.commands import Commands
from pipeline.scheduler.daemon import _Daemon
from pipeline.scheduler.store import ScheduleDatabase
from pipeline.scheduler.tick_outcomes import TickOutcomes
from pipeline.scheduler.types import DaemonConfig
from pipeline.sparse_autoencoder.definition import PIPELINE
from pipeline.web import app
from tests.builders.schedules import NOW, SetClock, schedule, tick, write

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


@pytest.fixture
def client(tmp_path):
    with open_location(PIPELINE, None, Root(tmp_path)) as place:
        yield TestClient(app.build(place), base_url="http://localhost:8000")


def test_health_answers_503_and_names_it(database, client):
    insert(database, "{")
    answer = client.get("/health.json")
    assert answer.status_code == 503
    assert answer.json()["status"] == "unreadable"
    assert answer.json()["scheduler"]["unreadable"] == ["bad"]


@pytest.fixture
def run(sae):
    """Run `sae schedule` in this process; return its exit code, standard output and standard error."""
    return functools.partial(sae, "schedule")


@pytest.mark.parametrize("name", ["bad", b"\xff", None, "x" * 100_000, "a\x1b[31m\nb"])
def test_the_suggested_command_removes_it(database, tmp_path, run, name):
    database.connection.execute("INSERT INTO schedules (name, document, horizon) VALUES (?, '{', '')", (name,))
    _, _, error = run("list", "--root", str(tmp_path))
    [command] = re.findall("`sae schedule (remove .*?)`", error)
    assert len(command.replace(str(tmp_path), "")) < 40  # the name, of any length, is not in it
    assert "\x1b" not in error
    assert run(*shlex.split(command), "--root", str(tmp_path))[0] == 0
    assert run("list", "--root", str(tmp_path))[2].count("cannot be read") == 0
    assert run("show", GOOD, "--root", str(tmp_path))[0] == 0


OTHERS = {
    "ticks": "INSERT INTO ticks (schedule, planned, due) VALUES ('nightly', '2026-11-24T03:00:00Z', 5)",
    "attempts": "INSERT INTO attempts (tick, started, process) VALUES (7, '2026-11-24T03:00:00Z', -1)",
    "daemon": "INSERT INTO daemon VALUES (1, 4711, 'x', 'yesterday', '2026-11-24T03:00:00Z', 0)",
}  # fmt: skip
READING = [("list",), ("status",), ("show", GOOD), ("next",), ("history",), ("export", GOOD, "--cron")]


@pytest.mark.parametrize("words", READING, ids=lambda words: words[0])
@pytest.mark.parametrize("table", OTHERS)
def test_a_damaged_row_of_another_table_is_named_with_the_command_that_deletes_it(
    database, tmp_path, run, table, words
):
    database.connection.execute(OTHERS[table])
    code, output, error = run(*words, "--root", str(tmp_path))
    assert code == 0
    assert GOOD in output or words == ("history",)
    [sql] = re.findall(r"`sqlite3 \S+ '(DELETE FROM (?:ticks|attempts|daemon) WHERE rowid = 1)'`", error)
    assert database.connection.execute(sql).rowcount == 1
    assert "rowid" not in run(*words, "--root", str(tmp_path))[2]


CHANGING = [("pause", GOOD), ("resume", GOOD), ("trigger", GOOD), ("remove", GOOD), ("add", "new", "--every", "6h")]


@pytest.mark.parametrize("words", CHANGING, ids=lambda words: words[0])
def test_commands_that_change_schedules_name_all_damaged_rows(database, tmp_path, run, words):
    insert(database, "{")
    for statement in OTHERS.values():
        database.connection.execute(statement)
    code, _, error = run(*words, "--root", str(tmp_path))
    assert code == 0
    assert re.findall(r"`sae schedule (remove bad)", error) == ["remove bad"]
    assert re.findall(r"DELETE FROM (\w+) WHERE rowid = 1", error) == list(OTHERS)


@pytest.fixture
def page(client):
    """The page of schedules, as HTML and as JSON."""
    return lambda: (client.get("/schedules").text, client.get("/schedules.json").json())


@pytest.mark.parametrize("others", [True, False])
def test_the_page_of_schedules_names_damaged_rows_with_their_commands(database, page, run, others):
    assert page()[1]["damaged"] == []
    assert 'id="damaged"' not in page()[0]
    if not others:
        database.connection.execute("DELETE FROM schedules")
    insert(database, "{")
    for statement in OTHERS.values():
        database.connection.execute(statement)
    html, document = page()
    assert 'id="damaged"' in html
    texts, commands = zip(*(one.values() for one in document["damaged"]), strict=True)
    assert "'bad'" in texts[0]
    assert [text.partition(" in ")[0] for text in texts[1:]] == [f"row 1 of {table}" for table in OTHERS]
    program, *words = shlex.split(commands[0])
    assert (program, words[0]) == ("sae", "schedule")
    assert run(*words[1:])[0] == 0
    for command in commands[1:]:
        database.connection.execute(shlex.split(command)[2])
    assert page()[1]["damaged"] == []
    assert document["more_damaged"] == 0


def test_the_page_of_schedules_names_the_first_of_many_damaged_rows(database, page):
    for number in range(25):
        database.connection.execute(
            "INSERT INTO ticks (schedule, planned, due) VALUES ('nightly', ?, 5)", (f"2026-11-24T03:00:{number:02}Z",)
        )
    html, document = page()
    assert (len(document["damaged"]), document["more_damaged"]) == (20, 5)
    assert html.count("DELETE FROM ticks") >= 20


@pytest.mark.parametrize("table", OTHERS)
def test_health_names_a_damaged_row_of_another_table(database, client, table):
    database.connection.execute(OTHERS[table])
    answer = client.get("/health.json")
    assert answer.status_code == 503
    assert answer.json()["scheduler"]["unreadable"] == [f"row 1 of {table}"]


@pytest.mark.parametrize("process", [0, 1, -1, 2**63 - 1])
def test_a_process_that_no_daemon_started_is_never_signalled(database, process):
    """To signal 0 or -1 reaches the daemon's own group, or every process."""
    write(database, tick("running"))
    database.connection.execute("UPDATE attempts SET closed = 0, process = ?", (process,))
    assert Attempts(database).open_attempts() == ()
    database.connection.execute("UPDATE attempts SET process = 4711")
    assert [one.process for one in Attempts(database).open_attempts()] == [4711]


def make_daemon(tmp_path, database):
    """A daemon whose runs do nothing: they outlive it."""
    return _Daemon(tmp_path, database, Commands(tmp_path, sae=("/bin/true",)), Alarm(()), DaemonConfig())


def test_the_daemon_writes_its_damaged_row_again_and_logs_the_others(database, tmp_path, caplog):
    for statement in OTHERS.values():
        database.connection.execute(statement)
    with contextlib.closing(make_daemon(tmp_path, database)) as daemon:
        database.connection.execute("UPDATE daemon SET heard = 5")
        daemon._check()
    assert [str(row) for row in database.damaged_rows()] == ["row 1 of ticks", "row 1 of attempts"]
    assert sum("WHERE rowid = 1" in record.getMessage() for record in caplog.records) == 2


DAMAGE = {
    "process": "UPDATE attempts SET process = -1",
    "tick": "UPDATE attempts SET tick = 'x'",
    "deleted": "DELETE FROM attempts",
}


def check_once(tmp_path, database):
    with contextlib.closing(make_daemon(tmp_path, database)) as daemon:
        daemon._check()


@pytest.mark.parametrize("damage", DAMAGE.values(), ids=DAMAGE)
def test_a_running_tick_whose_attempt_is_damaged_fails_by_name(database, tmp_path, caplog, damage):
    write(database, tick("running"))
    database.connection.execute("UPDATE attempts SET closed = 0")
    [before] = database.ticks(GOOD)
    assert before.state == "running"
    database.connection.execute(damage)
    check_once(tmp_path, database)
    [found] = [one for one in database.ticks(GOOD) if one.planned == before.planned]
    assert (found.state, found.attempts[-1].reason) == ("failed", LOST)
    assert status.failing(status.planned(database, NOW, 0)).keys() == {GOOD}
    assert [LOST in record.getMessage() for record in caplog.records].count(True) == 1
    check_once(tmp_path, database)
    [again] = [one for one in database.ticks(GOOD) if one.planned == before.planned]
    assert again == found


def test_its_command_after_a_failure_runs(database):
    write(database, tick("running"))
    database.connection.execute("UPDATE attempts SET closed = 0, process = -1")
    attempts = Attempts(database)
    assert attempts.end_ticks_without([]) == [(GOOD, "2026-11-24T03:00:00Z")]
    [ended] = attempts.awaiting_hooks()
    assert (ended.schedule, ended.state, ended.run_id, ended.exit_code) == (GOOD, "failed", "", None)


def test_a_tick_whose_attempt_is_damaged_while_this_daemon_runs_it_goes_on(database):
    write(database, tick("running"))
    database.connection.execute("UPDATE attempts SET closed = 0, process = -1")
    [number] = database.connection.execute("SELECT id FROM attempts").fetchone()
    attempts = Attempts(database)
    assert attempts.end_ticks_without([number]) == []
    attempts.end(number, AttemptResult("succeeded", 0), None)
    assert [one.state for one in database.ticks(GOOD)] == ["succeeded"]


def test_a_running_tick_with_an_open_attempt_is_left_alone(database):
    write(database, tick("running"))
    database.connection.execute("UPDATE attempts SET closed = 0")
    assert Attempts(database).end_ticks_without([]) == []
    assert [one.state for one in database.ticks(GOOD)] == ["running"]


def test_the_end_of_an_attempt_whose_row_was_deleted_changes_nothing(database):
    Attempts(database).end(7, AttemptResult("succeeded", 0), None)
    assert database.ticks() == ()
