"""Every column of every table of the schedule database, edited to what no daemon writes."""

from __future__ import annotations

import datetime
import itertools
import os
import random
import sqlite3

import pytest
from starlette.testclient import TestClient

from pipeline.core.pipeline_root import Root
from pipeline.inspection.locations import open_location
from pipeline.scheduler import history
from pipeline.scheduler.commands import Commands
from pipeline.scheduler.service import Service
from pipeline.scheduler.store import ScheduleDatabase
from pipeline.scheduler.types import DaemonConfig, Outcome
from pipeline.sparse_autoencoder.definition import PIPELINE
from pipeline.web import app
from tests.builders.schedules import FAILED, NOW, SKIPPED, SetClock, schedule, tick, write

SAMPLE = 10  # edits of the quick test, of some 800
TABLES = ("schedules", "ticks", "attempts", "daemon")
VALUES = {
    "NULL": None,
    "zero": 0,
    "negative": -1,
    "huge": 2**63 - 1,
    "float": 1e300,
    "infinite": float("inf"),
    "empty": "",
    "word": "maybe",
    "bytes": b"\xff\x00\x01",
    "no UTF-8": "undecodable",  # see `edit`
    "control characters": "a\x1b[31m\r\nb\x00c",
    "surrogate-like": "\u202e\ufffe",
    "1 MB": "x" * 1_000_000,
    "number": "5",
    "digits": "9" * 5_000,
    "option": "--help",
    "path": "../../etc/passwd",
    "JSON": '{"name": []}',
    "nested": "[" * 100_000,
    "no date": "2026-02-30T25:61:61Z",
    "first date": "0001-01-01T00:00:00Z",
    "year 0": "0000-01-01T00:00:00Z",
    "last date": "9999-12-31T23:59:59Z",
    "date of another kind": "2026-11-24 03:00",
}
ENDED = tick("missed", Outcome.MISSED, (), "no daemon ran", planned="2026-11-22T03:00:00Z")
WAITING = tick("waiting", None, (), planned="2026-11-24T20:00:00Z", manual=True)
RUNNING = tick("running", planned="2026-11-24T19:00:00Z")
RETRY = tick("waiting", planned="2026-11-24T18:00:00Z")
COMMANDS = (
    ("list",), ("list", "--json"), ("show", "nightly"), ("show", "nightly", "--json"), ("next",), ("next", "--json"),
    ("history",), ("history", "--json"), ("history", "nightly"), ("status",), ("status", "--json"),
    ("export", "--all", "--cron"), ("export", "nightly", "--systemd"), ("trigger", "nightly"), ("pause", "nightly"),
    ("resume", "nightly"), ("remove", "nightly"),
)  # fmt: skip


@pytest.fixture
def database(tmp_path):
    """A database with two schedules, and a tick of each state; no column refuses NULL."""
    with ScheduleDatabase.open(tmp_path, SetClock("2026-11-24 20:30")) as found:
        found.connection.execute("PRAGMA writable_schema = ON")
        found.connection.execute("UPDATE sqlite_master SET sql = replace(sql, 'NOT NULL', '')")
        found.connection.execute("PRAGMA writable_schema = RESET")
    with ScheduleDatabase.open(tmp_path, SetClock("2026-11-24 20:30")) as found:
        found.add(schedule("nightly"))
        found.add(schedule("weekly", retries=1))
        for one in (FAILED, SKIPPED, ENDED, WAITING, RUNNING, RETRY):
            write(found, one)
        run = found.connection.execute
        run("UPDATE ticks SET told = 0 WHERE state = 'failed'")
        run("UPDATE ticks SET retry = '2026-11-24T19:00:00Z' WHERE planned = ?", (RETRY.planned,))
        run("UPDATE attempts SET closed = 1 WHERE tick NOT IN (SELECT id FROM ticks WHERE state = 'running')")
        run(
            "UPDATE attempts SET ended = '', exit_code = NULL, process = 4194300, process_identity = 'x/1/y' "
            "WHERE closed = 0"
        )
        run("INSERT INTO daemon VALUES (1, 4194301, 'x/1/y', '2026-11-20T12:00:00Z', '2026-11-24T20:29:55Z', 0)")
        yield found


def columns(database):
    for table in TABLES:
        for row in database.connection.execute(f"PRAGMA table_info({table})"):
            yield table, row["name"]


def edit(database, table, column, value):
    """Write a value to a column of all rows but those of `weekly`; return whether the database accepted it."""
    keep = {"schedules": " WHERE name = 'nightly'"}.get(table, "")
    written = "CAST(x'ff41' AS TEXT)" if value == "undecodable" else "?"
    try:
        database.connection.execute(
            f"UPDATE OR IGNORE {table} SET {column} = {written}{keep}", () if value == "undecodable" else (value,)
        )
    except sqlite3.IntegrityError:  # an id that is no integer
        return False
    return True


def check(tmp_path, database, sae):
    """Yield what goes wrong in the daemon, the server and the commands."""
    clock = SetClock("2026-11-24 20:30")
    try:
        with open_location(PIPELINE, None, Root(tmp_path)) as place:
            client = TestClient(app.build(place), base_url="http://localhost:8000", raise_server_exceptions=False)
            for path in ("/health.json", "/schedules", "/schedules.json"):
                if (status := client.get(path).status_code) not in (200, 503):
                    yield f"{path}: {status}"
    except Exception as error:
        yield f"server: {error!r:.200}"
    try:
        with ScheduleDatabase.open(tmp_path, clock) as opened:
            service = Service(
                tmp_path, opened, Commands(tmp_path, sae=("/bin/true",)), lambda: None, DaemonConfig(command_timeout=5)
            )
            try:
                service.check()
                service.check()
                opened.next_tick()
                history.compact(opened.connection, NOW + datetime.timedelta(days=1))
                assert opened.schedule("weekly").name == "weekly"
            finally:
                service.close()
    except Exception as error:
        yield f"daemon: {error!r:.200}"
    for words in COMMANDS:
        code, output, errors = sae("schedule", *words, "--root", str(tmp_path))
        if code not in (0, 3, 6) or "unexpected" in errors or "\x1b" in output + errors:
            yield f"{' '.join(words)}: {code} {errors:.200}"


@pytest.fixture
def kills(monkeypatch):
    """Record signals instead of sending them: a bad process id may mean all processes of the machine."""
    sent = []
    monkeypatch.setattr(os, "killpg", lambda *call: sent.append(call))
    monkeypatch.setattr(os, "kill", lambda *call: sent.append(call))
    return sent


def cases(database):
    return list(itertools.product(columns(database), VALUES))


def faults(tmp_path, database, kills, sae, chosen):
    saved = "\n".join(database.connection.iterdump())
    assert saved
    found = []
    for (table, column), name in chosen:
        restore(tmp_path, database, saved)
        if edit(database, table, column, VALUES[name]):
            kills.clear()
            found += [f"{table}.{column} {name}: {text}" for text in check(tmp_path, database, sae)]
            found += [
                f"{table}.{column} {name}: signal {call}" for call in kills if call[0] <= 1 or call[0] == os.getpgrp()
            ]
    return found


def restore(tmp_path, database, saved):
    for table in reversed(TABLES):
        database.connection.execute(f"DELETE FROM {table}")
    for statement in saved.splitlines():
        if statement.startswith("INSERT INTO"):
            database.connection.execute(statement)


def test_no_edit_of_a_column_stops_anything(tmp_path, database, kills, sae):
    chosen = random.Random(1).sample(cases(database), SAMPLE)
    found = faults(tmp_path, database, kills, sae, chosen)
    assert not found, "\n".join(found)


@pytest.mark.chaos
def test_no_edit_of_any_column_stops_anything(tmp_path, database, kills, sae):
    found = faults(tmp_path, database, kills, sae, cases(database))
    assert not found, "\n".join(found)
