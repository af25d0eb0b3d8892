"""New executions get no id that a folder of the root has in its name, whatever became of the store."""

from __future__ import annotations

import contextlib
import sqlite3

import pytest

from pipeline.core.errors import UnavailableError
from pipeline.core.pipeline_root import Root
from pipeline.metadata import execution_ids, sqlite
from pipeline.orchestration import run
from tests.builders.roots import STATE, Recorded


def next_id(recorded):
    return recorded.writer.execution("later", "Trainer", STATE.COMPLETE)


@pytest.mark.parametrize(
    "place",
    ["artifacts/Trainer/model/57", "previews/Trainer/model/57", "artifacts/Trainer/.system/executor_execution/57"],
)
def test_an_id_in_the_name_of_a_folder_is_not_used_again(recorded, place):
    first = next_id(recorded)
    (recorded.root.path / place).mkdir(parents=True)
    run._repair(recorded.root)
    assert next_id(recorded) == 58
    run._repair(recorded.root)
    assert next_id(recorded) == 59 > first


def test_a_store_that_was_removed_starts_above_the_folders(recorded):
    for number in (3, 12):
        (recorded.root.artifacts / "Trainer" / "model" / str(number)).mkdir(parents=True)
    recorded.root.metadata.unlink()
    run._repair(recorded.root)
    assert Recorded.store(recorded).newest_execution() == 0
    assert type(recorded.writer)(recorded.root.metadata).execution("later", "Trainer", STATE.COMPLETE) == 13


@pytest.mark.parametrize("name", ["run-7", "99999999999999999999", str(2**63 - 1), "-4", "1_0"])
def test_other_names_of_folders_change_nothing(recorded, name):
    first = next_id(recorded)
    (recorded.root.artifacts / "Trainer" / "model" / name).mkdir(parents=True)
    run._repair(recorded.root)
    assert next_id(recorded) == first + 1


def test_a_store_that_cannot_be_numbered_stops_the_run(recorded, tmp_path):
    other = Root(tmp_path / "other")  # without a store
    (other.artifacts / "Trainer" / "model" / "57").mkdir(parents=True)
    with pytest.raises(UnavailableError, match="57"):
        execution_ids.reserve(other, recorded.store())


def test_the_counters_of_a_file_only_rise(tmp_path):
    path = tmp_path / "counted.sqlite"
    with contextlib.closing(sqlite3.connect(path)) as database:
        database.execute("CREATE TABLE kept (id INTEGER PRIMARY KEY AUTOINCREMENT, name TEXT)")
        database.execute("CREATE TABLE empty (id INTEGER PRIMARY KEY AUTOINCREMENT)")
        database.execute("INSERT INTO kept VALUES (20, 'a')")
        database.commit()
    assert sqlite.last_ids(path) == {"kept": 20}
    sqlite.raise_last_ids(path, {"kept": 4, "empty": 6})
    assert sqlite.last_ids(path) == {"kept": 20, "empty": 6}
    assert sqlite.in_child(sqlite.raise_last_ids, path, {"kept": 30}) == ""
    assert sqlite.last_ids(path) == {"kept": 30, "empty": 6}
    path.write_bytes(b"not a database")
    assert sqlite.last_ids(path) == sqlite.last_ids(tmp_path / "missing") == {}
    assert "not a database" in sqlite.in_child(sqlite.raise_last_ids, path, {"kept": 31})
