"""Opening SQLite stores to read them: real stores, of every schema, beside writers, damaged, and never changed."""

from __future__ import annotations

import contextlib
import gc
import os
import pathlib
import random
import shutil
import signal
import sqlite3
import stat
import subprocess
import sys
import tempfile
import threading
import time
from concurrent import futures

import psutil
import pytest
from ml_metadata import errors as mlmd_errors
from ml_metadata.metadata_store import metadata_store
from ml_metadata.proto import metadata_store_pb2 as pb

from pipeline.core.errors import NotFoundError, SaeError, UnavailableError
from pipeline.metadata import sources, sqlite
from pipeline.metadata.sources import open_source
from tests import PROJECT
from tests.builders.namespaces import as_nobody
from tests.builders.roots import STATE, Writer
from tests.waiting import wait_until

GIVE = "give the SQLite file in which a pipeline records its runs"


@pytest.fixture(autouse=True)
def private(tmp_path, monkeypatch):
    """The folder for temporary files; empty again after each test."""
    folder = tmp_path / "private"
    folder.mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(folder))
    yield folder
    assert list(folder.iterdir()) == []


@pytest.fixture
def store(tmp_path):
    """A store with one run, and nothing beside it."""
    folder = tmp_path / "store"
    folder.mkdir()
    return made(folder / "metadata.sqlite")


def made(path, runs=("r1",)):
    for run in runs:
        Writer(path).execution(run, "Trainer", STATE.COMPLETE)
    return path


def sql(path, *statements):
    with contextlib.closing(sqlite3.connect(path)) as database:
        for statement in statements:
            database.execute(statement)
        database.commit()


def downgraded(path, schema):
    config = pb.ConnectionConfig()
    config.sqlite.filename_uri = str(path)
    metadata_store.downgrade_schema(config, schema)


def state(folder):
    """Each file with its content and its time, and the folder's time."""
    files = {path.name: (path.read_bytes(), path.stat().st_mtime_ns) for path in folder.iterdir() if path.is_file()}
    return files, folder.stat().st_mtime_ns


def runs(source):
    return sorted(context.name for context in source.connect().get_contexts_by_type("pipeline_run"))


def read(path):
    with open_source(str(path)) as source:
        return runs(source)


def refusal(path):
    with pytest.raises(SaeError) as error, open_source(str(path)):
        pass
    assert "\n" not in str(error.value)
    return error.value


@contextlib.contextmanager
def writing(*arguments):
    """A process of `writing.py` that has begun; it ends with the context."""
    process = subprocess.Popen(
        [sys.executable, "-m", "tests.builders.store_writer", *map(str, arguments)],
        cwd=PROJECT, text=True, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
    )  # fmt: skip
    try:
        assert process.stdout.readline() == "begun\n", process.stderr.read()
        yield process
    finally:
        process.communicate("end\n") if process.poll() is None else process.communicate()


@pytest.fixture
def shut():
    """A folder that can be seen by all; the test takes the right to write to it."""
    folder = pathlib.Path(tempfile.mkdtemp(dir="/tmp"))
    folder.chmod(0o755)
    yield folder
    folder.chmod(0o755)
    shutil.rmtree(folder)


@pytest.fixture
def open_private(private, monkeypatch):
    """A folder for temporary files that anybody may use."""
    folder = pathlib.Path(tempfile.mkdtemp(dir="/tmp"))
    folder.chmod(0o777)
    monkeypatch.setattr(tempfile, "tempdir", str(folder))
    yield folder
    assert list(folder.iterdir()) == []
    folder.rmdir()


# --- in place ----------------------------------------------------------------------------------


@pytest.mark.parametrize("mode", ["DELETE", "WAL", "TRUNCATE", "PERSIST"])
def test_a_store_is_read_and_nothing_changes(store, mode):
    sql(store, f"PRAGMA journal_mode = {mode}")
    before = state(store.parent)
    with open_source(str(store)) as source:
        assert source.name == str(store)
        assert runs(source) == ["r1"]
        assert runs(source) == ["r1"]  # another client
        assert state(store.parent) == before
    assert state(store.parent) == before


def test_nothing_can_be_written_through_a_client(store):
    before = state(store.parent)
    with open_source(str(store)) as source, pytest.raises(UnavailableError, match="readonly database"):
        source.connect().put_context_type(pb.ContextType(name="new"))
    assert state(store.parent) == before


def test_a_name_is_a_path_whatever_it_looks_like(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    made(tmp_path / "file:a b?mode=rwc#%41").rename(tmp_path / "x")
    folder = tmp_path / "file:odd?immutable=1#%41"
    folder.mkdir()
    (tmp_path / "x").rename(folder / "a?mode=rwc")
    downgraded(folder / "a?mode=rwc", 9)
    assert read(pathlib.Path("file:odd?immutable=1#%41") / "a?mode=rwc") == ["r1"]
    assert [path.name for path in folder.iterdir()] == ["a?mode=rwc"]


def test_what_is_written_later_is_seen(store):
    sql(store, "PRAGMA journal_mode = WAL")
    with open_source(str(store)) as source:
        assert runs(source) == ["r1"]
        with writing("context", store, "r2"):
            assert runs(source) == ["r1", "r2"]
        assert runs(source) == ["r1", "r2"]


# --- in a copy ---------------------------------------------------------------------------------


@pytest.mark.parametrize("schema", [9, 8, 7, 6, 5, 4, 3])
def test_an_older_schema_is_read_in_a_copy_of_its_own(store, private, schema):
    downgraded(store, schema)
    before = state(store.parent)
    with open_source(str(store)) as source:
        assert runs(source) == ["r1"]
        assert len(source.connect().get_executions()) == 1
        [folder] = private.iterdir()
        assert stat.S_IMODE(folder.stat().st_mode) == 0o700
        [copy] = folder.iterdir()
        made_at = copy.stat().st_ino, copy.stat().st_mtime_ns
        assert runs(source) == ["r1"]
        assert (copy.stat().st_ino, copy.stat().st_mtime_ns) == made_at  # the file did not change, so neither does it
        assert state(store.parent) == before
    assert list(private.iterdir()) == []
    assert state(store.parent) == before


@pytest.mark.parametrize("schema", [2, 1, 0])
def test_the_oldest_schemas_have_no_contexts_but_their_executions_are_read(store, schema):
    downgraded(store, schema)
    with open_source(str(store)) as source:
        assert len(source.connect().get_executions()) == 1


def test_a_copy_is_removed_when_reading_fails(store, private):
    downgraded(store, 9)
    with pytest.raises(ZeroDivisionError), open_source(str(store)):
        1 // (1 - len(list(private.iterdir())))
    assert list(private.iterdir()) == []


@pytest.mark.parametrize("mode", ["DELETE", "WAL"])
def test_an_older_schema_is_copied_again_when_it_changes(store, private, mode):
    downgraded(store, 9)
    sql(store, f"PRAGMA journal_mode = {mode}")
    with open_source(str(store)) as source:
        client = source.connect()
        with writing("context", store, "r2"):  # in WAL mode what it wrote is not in the file yet
            assert runs(source) == ["r1", "r2"]
        assert [context.name for context in client.get_contexts_by_type("pipeline_run")] == ["r1"]
        assert len(list(next(private.iterdir()).iterdir())) == 1


def test_what_a_killed_writer_did_not_commit_is_not_read(store):
    with pytest.raises(AssertionError), writing("uncommitted", store):
        pass
    journal = store.with_name("metadata.sqlite-journal")
    assert journal.stat().st_size > 0
    before = state(store.parent)
    assert read(store) == ["r1"]
    assert state(store.parent) == before


def test_what_a_killed_writer_committed_to_its_log_is_read(store):
    sql(store, "PRAGMA journal_mode = WAL")
    with writing("context", store, "r2"):
        pass
    before = store.read_bytes()
    assert read(store) == ["r1", "r2"]
    assert store.read_bytes() == before


@pytest.mark.usefixtures("own_readers")
@pytest.mark.parametrize("log", [False, True])
def test_a_store_in_wal_mode_is_read_where_nothing_may_be_written(shut, open_private, log):
    store = made(shut / "metadata.sqlite")
    sql(store, "PRAGMA journal_mode = WAL")
    if log:
        with writing("context", store, "r2"):
            pass
        store.with_name("metadata.sqlite-shm").unlink()
    shut.chmod(0o555)
    before = state(shut)
    with as_nobody():
        assert read(store) == (["r1", "r2"] if log else ["r1"])
    assert state(shut) == before


# --- refused -----------------------------------------------------------------------------------


def test_a_newer_schema_is_refused_with_both_versions(store):
    sql(store, "UPDATE MLMDEnv SET schema_version = 11")
    before = state(store.parent)
    error = refusal(store)
    assert str(error) == (
        f"{store} has schema 11 of ML Metadata, and this version reads schemas up to 10: read it with the version that "
        "wrote it"
    )
    assert isinstance(error, UnavailableError)
    assert state(store.parent) == before


def _text(path):
    path.write_bytes(b"what is this? " * 100)


def _short(path):
    path.write_bytes(path.read_bytes()[:99])


def _cut(path):
    path.write_bytes(path.read_bytes()[:-1] if path.stat().st_size < 8192 else path.read_bytes()[: 30 * 4096])


def _random(path):
    content = path.read_bytes()
    path.write_bytes(content[:4096] + random.Random(1).randbytes(len(content) - 4096))


def _random_wal(path):
    sql(path, "PRAGMA journal_mode = WAL")
    _random(path)


def _empty(path):
    path.write_bytes(b"")


def _another(path):
    path.unlink()
    sql(path, "CREATE TABLE Type (id INTEGER)", "CREATE TABLE MLMDEnv (another TEXT)")


def _another_wal(path):
    _another(path)
    sql(path, "PRAGMA journal_mode = WAL")


def _folder(path):
    path.unlink()
    path.mkdir()


def _pipe(path):
    path.unlink()
    os.mkfifo(path)


NO_SQLITE = f"is damaged, or no SQLite file: {GIVE}, or an earlier copy of it"
MALFORMED = (
    "is damaged (database disk image is malformed): `sae restore --metadata` goes back to a copy in a root; or give an "
    "earlier copy"
)
NO_STORE = f"is an SQLite file, but no store of ML Metadata: {GIVE}"


@pytest.mark.parametrize(
    ("damage", "said"),
    [
        (_text, NO_SQLITE),
        (_short, NO_SQLITE),
        (_cut, MALFORMED),
        (_random, MALFORMED),
        (_random_wal, MALFORMED),
        (_empty, f"is empty: nothing was recorded in it; {GIVE}"),
        (_another, NO_STORE),
        (_another_wal, NO_STORE),
        (_folder, f"is a folder: {GIVE}"),
        (_pipe, f"is no file: {GIVE}"),
    ],
)
def test_what_is_no_store_is_named_in_a_line_and_left_as_it_is(store, capfd, damage, said):
    damage(store)
    before = state(store.parent)
    error = refusal(store)
    assert str(error) == f"{store} {said}"
    assert isinstance(error, UnavailableError)
    assert state(store.parent) == before
    assert capfd.readouterr() == ("", "")


def test_a_missing_file_is_not_made(tmp_path):
    error = refusal(tmp_path / "none.sqlite")
    assert isinstance(error, NotFoundError)
    assert str(error) == f"no file {tmp_path}/none.sqlite: {GIVE}, or the URL of its database"
    assert not (tmp_path / "none.sqlite").exists()


@pytest.mark.parametrize("what", ["file", "folder"])
def test_a_file_that_must_not_be_read_is_named(shut, what):
    folder = shut / "folder"
    folder.mkdir()
    store = made(folder / "metadata.sqlite")
    (store if what == "file" else folder).chmod(0)
    with as_nobody():
        error = refusal(store)
    assert isinstance(error, UnavailableError)
    assert str(error) == (
        f"{store} cannot be read (Permission denied): ask for the right to read it, or give a copy of it"
    )


def test_damage_that_is_met_while_reading_is_named(tmp_path, caplog, capfd):
    store = made(tmp_path / "metadata.sqlite", [f"run-{number}-{'x' * 200}" for number in range(40)])
    content = store.read_bytes()
    page = next(
        start for start in range(0, len(content), 4096) if content[start] == 13 and b"run-30-" in content[start:][:4096]
    )  # a leaf of a table
    store.write_bytes(content[:page] + bytes(4096) + content[page + 4096 :])
    with pytest.raises(UnavailableError) as error, open_source(str(store)) as source:
        runs(source)
    assert str(error.value).startswith(f"{store} cannot be read to the end (database disk image is malformed): ")
    assert caplog.text == ""
    assert capfd.readouterr() == ("", "")


# --- beside a writer ---------------------------------------------------------------------------


@pytest.mark.component
def test_a_file_that_a_writer_holds_for_a_while_is_waited_for(store):
    with writing("hold", store, 5):  # ML Metadata gives up on a table after 3 to 5 s, and would name it missing
        assert read(store) == ["r1"]


@pytest.mark.usefixtures("own_readers")
def test_what_is_said_after_all_the_waiting_is_that_a_writer_is_there(store, monkeypatch):
    monkeypatch.setattr(sources, "_PATIENCE", 0.0)
    monkeypatch.setattr(sources, "_connect", busy_in_place)  # after 3 s in truth
    with writing("hold", store, 30):
        assert str(refusal(store)) == f"{store} is busy: a writer held it for more than 0 s; try again"


connect = sources._connect


def busy_in_place(path, *arguments):
    if path.name == "metadata.sqlite":
        raise sqlite.BusyError
    return connect(path, *arguments)


def busy_once_opened(path, *arguments):
    client = connect(path, *arguments)
    if path.name == "metadata.sqlite":
        client._call_method = aborted
    return client


def aborted(*arguments):
    raise mlmd_errors.AbortedError("database is locked")


@pytest.mark.usefixtures("own_readers")
@pytest.mark.parametrize("how", [busy_in_place, busy_once_opened])
def test_where_a_writer_hardly_lets_go_of_the_file_a_copy_is_read(store, private, monkeypatch, how):
    monkeypatch.setattr(sources, "_connect", how)
    before = state(store.parent)
    with open_source(str(store)) as source:
        assert runs(source) == ["r1"]
        made(store, ["r2"])
        assert runs(source) == ["r1", "r2"]
        assert len(list(private.iterdir())) == 1
    made_since = state(store.parent)
    assert made_since != before
    assert read(store) == ["r1", "r2"]
    assert state(store.parent) == made_since


@pytest.mark.component
def test_a_file_that_a_writer_holds_for_too_long_is_not_copied(store, private, monkeypatch):
    monkeypatch.setattr(sources, "_PATIENCE", 1.0)
    file = sources.StoreFile(store)
    with writing("hold", store, 30), pytest.raises(TimeoutError, match="busy"):
        file._back_up_to(private / "copy")
    (private / "copy").unlink()


@pytest.mark.component
@pytest.mark.parametrize("mode", ["DELETE", "WAL"])
def test_reader_and_writer_do_not_disturb_each_other(store, mode):
    sql(store, f"PRAGMA journal_mode = {mode}")
    with open_source(str(store)) as source, writing("executions", store) as writer:
        reads = seen = 0
        while reads < 20 or seen <= 1:  # it goes on meanwhile
            assert writer.poll() is None
            client = source.connect()
            reads, seen = reads + 1, len(client.get_executions())
            assert len(client.get_contexts_by_type("pipeline_run")) >= 1
        out, err = writer.communicate("end\n")
        assert writer.returncode == 0, err
        assert "locked" not in err
        assert "Aborted" not in err
        assert len(source.connect().get_executions()) == int(out) + 1


@pytest.mark.usefixtures("own_readers")
def test_a_client_of_a_copy_reads_on_while_the_next_copy_is_made(store, private, monkeypatch):
    monkeypatch.setattr(sources, "_connect", busy_in_place)
    with open_source(str(store)) as source:
        client = source.connect()
        made(store, ["r2"])
        assert runs(source) == ["r1", "r2"]
        [copy] = private.glob("*/*.sqlite")
        with contextlib.closing(sqlite3.connect(copy, isolation_level=None)) as unfinished:
            unfinished.execute("PRAGMA cache_size = 1")
            unfinished.execute("BEGIN")
            unfinished.execute("CREATE TABLE t AS SELECT randomblob(100000) AS b")
            assert copy.with_name(f"{copy.name}-journal").stat().st_size
            assert len(client.get_executions()) == 1


@pytest.mark.usefixtures("own_readers")
@pytest.mark.parametrize("is_busy", [False, True])
def test_threads_that_wait_for_a_copy_share_the_next_one(store, monkeypatch, is_busy):
    """The first copy began before the others asked, so it may lack what they have to see."""
    copies, may_copy = [], threading.Event()
    back_up = sources.StoreFile._back_up_to

    def slow(file, copy):
        copies.append(copy.name)
        assert may_copy.wait(60)
        if is_busy:
            raise sqlite.BusyError
        back_up(file, copy)
        os.utime(store, ns=(len(copies), len(copies)))  # a writer goes on

    monkeypatch.setattr(sources, "_connect", busy_in_place)
    monkeypatch.setattr(sources.StoreFile, "_back_up_to", slow)
    asked, connect = [], sources.StoreFile._connect_to_copy
    monkeypatch.setattr(sources.StoreFile, "_connect_to_copy", lambda file: asked.append(1) or connect(file))
    with contextlib.ExitStack() as stack:
        file = stack.enter_context(contextlib.closing(sources.StoreFile(store)))
        pool = stack.enter_context(futures.ThreadPoolExecutor(8))
        stack.callback(may_copy.set)

        def answer():
            try:
                return runs(file)
            except UnavailableError as error:
                return str(error)

        first = pool.submit(answer)
        wait_until(lambda: copies)
        made(store, ["r2"])
        others = [pool.submit(answer) for _ in range(7)]
        wait_until(lambda: len(asked) == 8)
        time.sleep(0.2)  # they wait for the copy
        may_copy.set()
        found = {str(one.result()) for one in others}
        assert len(copies) == 2
        if is_busy:
            assert found == {f"{store} is busy: a writer held it for more than 10 s; try again"}
        else:
            assert found == {"['r1', 'r2']"}
        assert first.result()


@pytest.mark.usefixtures("own_readers")
def test_a_copy_that_was_made_because_of_a_writer_is_repaired_too(store, monkeypatch):
    writer = Writer(store)
    artifact, other = (writer.artifact(1, "model", uri, note="x") for uri in ("/model", "/other"))
    sql(store, f"DELETE FROM Artifact WHERE id = {artifact}")
    monkeypatch.setattr(sources, "_connect", busy_once_opened)
    with open_source(str(store)) as source:
        client = source.connect()
        assert len(client.get_executions()) == 1
        assert [one.id for one in client.get_artifacts_by_id([artifact, other])] == [other]


@pytest.mark.usefixtures("own_readers")
def test_the_copy_of_a_client_alone_ends_with_it(store, private, monkeypatch):
    monkeypatch.setattr(sources, "_connect", busy_once_opened)
    client = sources.connect_read_only(store)
    assert len(client.get_executions()) == 1
    assert len(list(private.iterdir())) == 1
    del client
    gc.collect()
    assert list(private.iterdir()) == []


@pytest.mark.usefixtures("own_readers")
def test_a_file_that_was_removed_is_named_as_missing(store, monkeypatch):
    monkeypatch.setattr(sources, "_connect", busy_once_opened)
    with open_source(str(store)) as source:
        client = source.connect()
        store.unlink()
        with pytest.raises(UnavailableError, match="No such file"):
            client.get_executions()


def readers(of=None):
    """The processes that read for this one: the parent of the workers, and workers."""
    return (of or psutil.Process()).children()


def end(process):
    with contextlib.suppress(psutil.NoSuchProcess):
        process.send_signal(signal.SIGKILL)
        gone = process.status
        until = time.monotonic() + 10
        while gone() != psutil.STATUS_ZOMBIE and time.monotonic() < until:
            time.sleep(0.01)


@pytest.mark.usefixtures("own_readers")
@pytest.mark.parametrize("copied", [False, True])
def test_a_store_is_read_after_the_parent_of_its_readers_was_killed(store, private, copied):
    """As the kernel does when memory is short. A server keeps a store open for weeks."""
    if copied:
        sql(store, "PRAGMA journal_mode = WAL")
    others = readers()
    with open_source(str(store)) as source:
        client = source.connect()
        assert len(client.get_executions()) == 1
        [parent] = [one for one in readers() if one not in others]
        end(parent)
        assert len(source.connect().get_executions()) == 1
        [parent] = [one for one in readers() if one not in others]
        for one in (*readers(parent), parent):
            end(one)
        assert len(client.get_executions()) == len(source.connect().get_executions()) == 1
        assert len(list(private.iterdir())) == copied


@pytest.mark.usefixtures("own_readers")
def test_a_store_is_read_though_the_parent_of_its_readers_was_killed_after_it_was_asked(store):
    others = readers()
    with open_source(str(store)) as source:
        source.connect()
        [parent] = [one for one in readers() if one not in others]
        parent.suspend()  # the question waits for it
        killing = threading.Timer(0.2, parent.kill)
        killing.start()
        assert len(source.connect().get_executions()) == 1
        killing.join()


def test_a_reader_that_is_killed_again_and_again_is_no_sign_of_a_damaged_row(store, monkeypatch):
    monkeypatch.setattr(sources, "_connect", killed)
    with pytest.raises(UnavailableError, match="killed") as caught, open_source(str(store)):
        pass
    assert "restore" not in str(caught.value)


def killed(*arguments):
    """Stand in for a client whose process the kernel kills."""
    os.kill(os.getpid(), signal.SIGKILL)
