"""Copies of an SQLite file, its mode, and whether it is whole."""

from __future__ import annotations

import contextlib
import os
import sqlite3
import subprocess
import sys

import pytest

from pipeline.metadata import sqlite

# Writes a row in WAL mode and is killed before it is put into the file.
KILLED = """
import os, signal, sqlite3, sys
database = sqlite3.connect(sys.argv[1])
database.execute("PRAGMA journal_mode = WAL")
database.execute("INSERT INTO held VALUES (2)")
database.commit()
os.kill(os.getpid(), signal.SIGKILL)
"""


@pytest.fixture
def path(tmp_path):
    made = tmp_path / "a b%20.sqlite"  # must not be taken for part of a URI
    with contextlib.closing(sqlite3.connect(made)) as database:
        database.execute("CREATE TABLE held (number)")
        database.execute("INSERT INTO held VALUES (1)")
        database.commit()
    return made


def numbers(path):
    with contextlib.closing(sqlite3.connect(path)) as database:
        return [number for (number,) in database.execute("SELECT number FROM held")]


def mode(path):
    return path.read_bytes()[18:20]  # in the file's header: 1 for a journal, 2 for a log


def beside(path):
    return sorted(name for name in os.listdir(path.parent) if name != path.name)


@pytest.mark.parametrize("how", ["here", "aside"])
def test_a_copy_has_what_was_committed_also_in_the_log_of_a_killed_writer(path, how):
    subprocess.run([sys.executable, "-c", KILLED, path], check=False)
    assert f"{path.name}-wal" in beside(path)
    target = path.with_name("copy.sqlite")
    if how == "here":
        sqlite.copy(path, target)
    else:
        assert sqlite.in_child(sqlite.copy, path, target) == ""
    assert numbers(target) == [1, 2]
    assert mode(target) == b"\1\1"
    assert not [name for name in beside(path) if name.endswith("unfinished")]


def damage(path):
    with contextlib.closing(sqlite3.connect(path)) as database:
        database.executemany("INSERT INTO held VALUES (?)", [("x" * 500,)] * 100)
        database.commit()
    content = bytearray(path.read_bytes())
    content[4096 * 3 : 4096 * 4] = os.urandom(4096)
    path.write_bytes(content)


def test_a_damaged_file_is_named_so_and_not_copied(path):
    assert sqlite.check(path) == ""
    damage(path)
    before = path.read_bytes()
    assert sqlite.check(path) != ""
    target = path.with_name("copy.sqlite")
    with pytest.raises(sqlite3.DatabaseError):
        sqlite.copy(path, target)
    assert sqlite.in_child(sqlite.copy, path, target) != ""
    assert beside(path) == []
    assert path.read_bytes() == before
    path.write_bytes(b"not a database")
    assert "not a database" in sqlite.check(path)
    assert path.read_bytes() == b"not a database"


def test_a_copy_that_fails_leaves_the_one_before(path):
    target = path.with_name("copy.sqlite")
    sqlite.copy(path, target)
    damage(path)
    assert sqlite.in_child(sqlite.copy, path, target) != ""
    assert numbers(target) == [1]


@pytest.mark.usefixtures("own_readers")
@pytest.mark.parametrize("child", [False, True])
def test_a_file_that_a_writer_holds_for_too_long_is_not_copied(path, monkeypatch, child):
    monkeypatch.setattr(sqlite, "_TIMEOUT", 0.1)
    target = path.with_name("copy.sqlite")
    with contextlib.closing(sqlite3.connect(path)) as database:
        database.execute("BEGIN EXCLUSIVE")
        if child:
            assert "busy" in sqlite.in_child(sqlite.copy, path, target)
        else:
            with pytest.raises(TimeoutError, match="busy"):
                sqlite.copy(path, target)
    assert beside(path) == []


def test_a_file_that_is_set_aside_takes_its_log_along(path):
    subprocess.run([sys.executable, "-c", KILLED, path], check=False)
    new = path.with_name("old.sqlite")
    sqlite.rename(path, new)
    assert numbers(new) == [1, 2]
    assert path.exists()  # until something takes over its name
    assert f"{path.name}-wal" not in beside(path)
