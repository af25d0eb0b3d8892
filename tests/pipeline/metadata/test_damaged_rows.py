"""Stores with rows that ML Metadata cannot read: commands and the server report them, and go on."""

from __future__ import annotations

import contextlib
import json
import pathlib
import shutil
import signal
import sqlite3
import subprocess
import sys
import tempfile
import time

import pytest
from ml_metadata import errors as mlmd_errors
from ml_metadata.proto import metadata_store_pb2 as pb

from pipeline.core.errors import NotFoundError, UnavailableError
from pipeline.core.pipeline_root import Root
from pipeline.inspection.locations import open_reader
from pipeline.metadata import client, rows
from pipeline.metadata.sources import open_source
from pipeline.metadata.store import Store, open_store
from pipeline.sparse_autoencoder.definition import PIPELINE
from tests import PROJECT
from tests.builders import foreign_stores, store_commands

STATUSES = (200, 404, 503)  # of pages


@pytest.fixture
def root(filled, tmp_path):
    return pathlib.Path(shutil.copytree(filled.root.path, tmp_path / "root", symlinks=True))


@pytest.fixture(autouse=True)
def temporary(tmp_path, monkeypatch):
    """The folder for temporary files of the test and of the processes that it starts; empty again after it."""
    folder = tmp_path / "temporary"
    folder.mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(folder))
    monkeypatch.setenv("TMPDIR", str(folder))
    yield folder
    assert [one.name for one in folder.iterdir() if one.name != "export"] == []


def sql(path, *statements):
    with contextlib.closing(sqlite3.connect(path)) as database:
        for statement in statements:
            database.execute(statement)
        database.commit()


def read(path):
    with open_source(str(path)) as source:
        store = Store(source.connect())
        return store.artifacts_by_id(range(1, 50)), store.events_of_artifacts(range(1, 50))


def sae(root, *arguments):
    command = [sys.executable, "-m", "pipeline", *arguments, "--root", str(root)]
    return subprocess.run(command, cwd=PROJECT, capture_output=True, text=True, check=False)


@contextlib.contextmanager
def serving(*options):
    command = [sys.executable, "-m", "pipeline", "serve", "--port", "0", *map(str, options)]
    with subprocess.Popen(command, cwd=PROJECT, stderr=subprocess.PIPE, text=True) as process:
        try:
            line = process.stderr.readline()
            yield line.split(" at ")[1].split(" ")[0], process
        finally:
            process.send_signal(signal.SIGINT)
            process.communicate(timeout=20)


@pytest.fixture(scope="module")
def stores(filled, tmp_path_factory):
    """The store of the root and those of strangers, in one folder."""
    folder = tmp_path_factory.mktemp("stores")
    shutil.copyfile(filled.root.metadata, folder / "root.sqlite")
    for name, make in foreign_stores.STORES.items():
        make(folder / f"{name}.sqlite")
    return folder


def judged(stores, place, first, last, one_of, *addresses):
    """Check every result of `store_commands`; returns the number of each exit code and status."""
    command = [sys.executable, "-m", "tests.builders.store_commands", stores, place, first, last, one_of]
    done = subprocess.run(
        [*map(str, command), *(addresses or ("", ""))],
        cwd=PROJECT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    seen: dict[object, int] = {}
    wrong = []
    for line in done.stdout.splitlines():
        found = json.loads(line)
        for *command, code, errors in found["commands"]:
            seen[code] = seen.get(code, 0) + 1
            in_one_line = errors.count("\n") <= 1 and "unexpected" not in errors
            reported = code in (0, 4) or errors.startswith("error: ")  # 4: `sae fsck` lists damage in its output
            if command[0] in ("runs", "artifacts"):  # they may add notes
                in_one_line = "unexpected" not in errors and "Traceback" not in errors
            if code not in (0, 3, 4, 6) or not reported or not in_one_line:
                wrong.append((found["seed"], found["damage"], command, code, errors))
        for page, status in found["pages"]:
            seen[status] = seen.get(status, 0) + 1
            if status not in STATUSES:
                wrong.append((found["seed"], found["damage"], page, status))
    assert wrong == []
    return seen


@pytest.mark.parametrize(
    ("statement", "named"),
    [
        ("UPDATE Artifact SET state = 'abc' WHERE id = 2", "table Artifact, id 2: state is 'abc'"),
        ("UPDATE Artifact SET type_id = 'x' WHERE id = 3", "table Artifact, id 3: type_id is 'x'"),
        ("UPDATE Event SET type = 'x' WHERE id = 4", "table Event, id 4: type is 'x'"),
        (
            "UPDATE ArtifactProperty SET is_custom_property = 7",
            "is_custom_property is '7', 0 or 1",
        ),
    ],
)
def test_a_row_that_cannot_be_read_is_named(root, statement, named):
    sql(root / "metadata.sqlite", statement)
    with pytest.raises(UnavailableError) as error:
        read(root / "metadata.sqlite")
    assert f"{root}/metadata.sqlite has a row that ML Metadata cannot read" in str(error.value)
    assert named in str(error.value)
    assert "sae restore --metadata" in str(error.value)
    assert "\n" not in str(error.value)


def test_an_artifact_that_was_deleted_leaves_the_others_readable(root):
    sql(root / "metadata.sqlite", "DELETE FROM Artifact WHERE id = 1")
    with open_source(str(root / "metadata.sqlite")) as source:
        store = Store(source.connect())
        assert [one.id for one in store.artifacts_by_id([1, 2, 3])] == [2, 3]
        assert [one.id for one in Store(source.connect()).artifacts_by_id([1, 2])] == [2]
    assert rows.first_problem(root / "metadata.sqlite") != ""


def test_a_deleted_artifact_is_reported_as_deleted(root):
    sql(root / "metadata.sqlite", "DELETE FROM Artifact WHERE id = 1")
    with open_reader(PIPELINE, str(root / "metadata.sqlite"), Root(root)) as reader:
        with pytest.raises(NotFoundError, match=r"artifact 1 was deleted from ML Metadata, .*sae restore --metadata"):
            reader.find_artifact("1")
        with pytest.raises(NotFoundError, match="no artifact 999"):
            reader.find_artifact("999")


def test_a_store_without_damage_has_no_problem(filled):
    assert rows.first_problem(filled.root.metadata) == ""


def test_a_store_with_such_a_row_is_not_opened_to_write(root):
    sql(root / "metadata.sqlite", "UPDATE Execution SET last_known_state = 'x' WHERE id = 2")
    before = (root / "metadata.sqlite").read_bytes()
    with pytest.raises(UnavailableError, match=r"table Execution, id 2: .*sae restore --metadata"):
        open_store(Root(root))
    assert (root / "metadata.sqlite").read_bytes() == before


@pytest.mark.component
def test_a_copy_is_removed_when_its_reader_is_killed(root, temporary):
    sql(root / "metadata.sqlite", "DELETE FROM Artifact WHERE id = 1")
    program = (
        "import sys, time\n"
        "from pipeline.metadata.sources import open_source\n"
        "from pipeline.metadata.store import Store\n"
        "with open_source(sys.argv[1]) as source:\n"
        "    Store(source.connect()).artifacts_by_id([1, 2]); print('read', flush=True); time.sleep(60)"
    )
    command = [sys.executable, "-c", program, str(root / "metadata.sqlite")]
    with subprocess.Popen(command, cwd=PROJECT, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout.readline() == "read\n"
        assert len(list(temporary.iterdir())) == 1
        process.kill()
    until = time.monotonic() + 10
    while list(temporary.iterdir()) and time.monotonic() < until:
        time.sleep(0.05)
    assert list(temporary.iterdir()) == []


def test_commands_read_damaged_stores(root, stores):
    seen = judged(stores, root.parent, 0, 2 * len(foreign_stores.STORES), 20)  # each of them once
    assert seen[0] > 15


@pytest.mark.component
def test_servers_read_damaged_stores(root, stores):
    seen = set()
    with servers(root, stores) as addresses:
        for seed in range(60, 72):
            damage = store_commands.put_damaged(stores, root.parent, seed)
            for page in store_commands.PAGES[seed % 5 :: 5]:
                status = store_commands.get(addresses[seed % 2] + page)
                assert status in STATUSES, (seed, damage, page)
                seen.add(status)
    assert {200, 503} <= seen


@pytest.mark.chaos
@pytest.mark.parametrize("first", range(0, 2000, 250))
def test_commands_and_servers_read_two_thousand_damaged_stores(root, stores, first):
    with servers(root, stores) as addresses:
        seen = judged(stores, root.parent, first, first + 250, 5, *addresses)
    assert seen[0] > 250
    assert seen[200] > 250
    assert seen[503] > 25


@contextlib.contextmanager
def servers(root, stores):
    """The addresses of servers of the root, and of a store beside it; they still run at the end."""
    alone = root.with_name("alone.sqlite")
    shutil.copyfile(stores / "classic.sqlite", alone)
    with serving("--root", root) as (address, process), serving("--metadata", alone) as (other, other_process):
        yield address, other
        assert process.poll() is other_process.poll() is None


def test_a_write_that_ml_metadata_refuses_names_the_restore_of_a_copy(root):
    store = client.connect(Root(root).metadata)
    number = store.put_artifact_type(pb.ArtifactType(name="Counted", properties={"count": pb.INT}))
    artifact = pb.Artifact(type_id=number, properties={"count": pb.Value(int_value=1)})
    store.put_artifacts([artifact])
    sql(Root(root).metadata, "DELETE FROM TypeProperty WHERE name = 'count'")
    with pytest.raises(UnavailableError) as caught:
        store.put_artifacts([artifact])
    assert "`sae restore --metadata`" in str(caught.value)
    assert str(Root(root).metadata) in str(caught.value)
    assert "\n" not in str(caught.value)
    with pytest.raises(mlmd_errors.NotFoundError):  # an answer, which TFX handles
        store.get_artifact_type("NoSuchType")
    with pytest.raises(mlmd_errors.AlreadyExistsError):
        store.put_contexts([pb.Context(name=one.name, type_id=one.type_id) for one in store.get_contexts()[:1]])


def test_a_file_is_read_again_only_if_it_changed(root, monkeypatch):
    read = []
    original = rows.first_problem
    monkeypatch.setattr(rows, "first_problem", lambda path: read.append(path) or original(path))
    path = Root(root).metadata
    for _ in range(3):
        client.connect(path)
    assert read == [path]
    sql(path, "UPDATE Artifact SET type_id = 999")
    for _ in range(2):
        with pytest.raises(UnavailableError, match="type_id is '999'"):
            client.connect(path)
    assert len(read) == 3
