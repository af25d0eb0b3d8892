"""Copies of an SQLite file, its mode, and whether it is whole."""

from __future__ import annotations

import contextlib
import os
import shutil
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

# Changes rows until that reaches the file, and is killed before it commits them.
CUT_OFF = """
import os, signal, sqlite3, sys
database = sqlite3.connect(sys.argv[1], isolation_level=None)
database.execute("PRAGMA cache_size = 1")
database.execute("BEGIN")
database.execute("UPDATE held SET number = 2")
os.kill(os.getpid(), signal.SIGKILL)
"""
ROWS = 5_000  # several pages


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
        assert sqlite.copy_in_child(path, target) == ""
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
    assert sqlite.copy_in_child(path, target) != ""
    assert beside(path) == []
    assert path.read_bytes() == before
    path.write_bytes(b"not a database")
    assert "not a database" in sqlite.check(path)
    assert path.read_bytes() == b"not a database"


def test_a_copy_that_fails_leaves_the_one_before(path):
    target = path.with_name("copy.sqlite")
    sqlite.copy(path, target)
    damage(path)
    assert sqlite.copy_in_child(path, target) != ""
    assert numbers(target) == [1]


def test_a_file_that_is_set_aside_takes_its_log_along(path):
    subprocess.run([sys.executable, "-c", KILLED, path], check=False)
    new = path.with_name("old.sqlite")
    sqlite.rename(path, new)
    assert numbers(new) == [1, 2]
    assert path.exists()  # until something takes over its name
    assert f"{path.name}-wal" not in beside(path)


@pytest.fixture
def half_written(path):
    """The file, with the journal of a change that was cut off."""
    with contextlib.closing(sqlite3.connect(path)) as database:
        database.executemany("INSERT INTO held VALUES (?)", [(1,)] * (ROWS - 1))
        database.commit()
    subprocess.run([sys.executable, "-c", CUT_OFF, path], check=False)
    assert sqlite.has_journal(path)
    return path


def test_what_was_not_committed_is_taken_back_in_a_copy_alone(half_written, tmp_path):
    folder = tmp_path / "elsewhere"
    folder.mkdir()
    shutil.copyfile(half_written, folder / "alone.sqlite")
    assert 2 in numbers(folder / "alone.sqlite")
    before = half_written.read_bytes(), beside(half_written)
    assert sqlite.copy_rolled_back(half_written, folder / "copy.sqlite")
    assert numbers(folder / "copy.sqlite") == [1] * ROWS
    assert sorted(one.name for one in folder.iterdir()) == ["alone.sqlite", "copy.sqlite"]
    assert (half_written.read_bytes(), beside(half_written)) == before
    assert numbers(half_written) == [1] * ROWS  # whoever may write takes it back there
    assert not sqlite.has_journal(half_written)


def test_a_copy_during_which_a_writer_came_is_none(half_written, tmp_path, monkeypatch):
    copyfile = shutil.copyfile

    def slowly(source, target):
        copyfile(source, target)
        numbers(half_written)  # another command takes it back

    monkeypatch.setattr(shutil, "copyfile", slowly)
    (tmp_path / "elsewhere").mkdir()
    assert not sqlite.copy_rolled_back(half_written, tmp_path / "elsewhere" / "copy.sqlite")
