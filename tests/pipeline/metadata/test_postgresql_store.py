"""The store of a root in PostgreSQL, on a real server."""

from __future__ import annotations

import json
import pathlib
import shutil
import socket
import threading

import pytest
from click.testing import CliRunner
from ml_metadata.proto import metadata_store_pb2 as pb

from pipeline import cli
from pipeline.core.errors import LockedError, NotFoundError, SaeError, UnavailableError, UsageError
from pipeline.core.pipeline_root import Root
from pipeline.inspection.locations import open_reader
from pipeline.maintenance import fsck
from pipeline.maintenance.fsck import FindingKind
from pipeline.metadata import execution_ids, postgresql, root_store
from pipeline.metadata.database_stores import Server
from pipeline.metadata.sources import connect_read_only
from pipeline.metadata.store import Store, open_store
from pipeline.metadata.writer import MetadataWriter, rewrite_moved_uris
from pipeline.sparse_autoencoder.definition import PIPELINE
from tests import metadata_stores
from tests.builders.roots import STATE, Writer
from tests.pipeline.metadata import database_servers

# libpq reads the environment where readers run.
pytestmark = [pytest.mark.component, pytest.mark.usefixtures("own_readers")]
TEXT = 'back\\slash \'quote\' "double" $1 %s \\n {"a": "\\\\"}\n\ttab \u20ac \U0001f600'


@pytest.fixture(scope="module")
def databases():
    if database_servers.postgresql_programs() is None:
        pytest.skip("no PostgreSQL in /usr/lib/postgresql: install Debian's package postgresql")
    with metadata_stores.started() as found:
        yield found


@pytest.fixture
def root(tmp_path, databases):
    """A root with an empty store in PostgreSQL."""
    return made(tmp_path / "root", databases)


def made(path: pathlib.Path, databases: metadata_stores.Databases) -> Root:
    root = Root(path)
    root.create()
    metadata_stores.give(root, databases)
    return root


def refusal(root: Root, url: str = "") -> SaeError:
    with pytest.raises(SaeError) as error, root_store.lock(root, url):
        pass
    assert "\n" not in str(error.value)
    return error.value


def empty(databases: metadata_stores.Databases) -> str:
    return databases.url(databases.new("template1"))


def test_the_first_lock_creates_the_tables_and_the_record_of_the_root(tmp_path, databases):
    root, url = Root(tmp_path / "root"), empty(databases)
    root.create()
    assert json.loads(root.about.read_text()) == {"format": 1, "path": str(root.path)}
    assert root_store.given(root, url).is_empty()
    with root_store.lock(root, url):
        assert not root_store.of(root).is_empty()
    assert json.loads(root.about.read_text()) == {"format": 2, "path": str(root.path), "metadata": url}
    Writer(root).execution("r1", "Trainer", STATE.COMPLETE)
    assert open_store(root, read_only=True).run_ids() == ["r1"]
    assert not root.metadata.exists()


def test_any_text_and_number_of_a_property_is_read_as_it_was_written(root):
    numbers = {"largest": 2**63 - 1, "smallest": -(2**63)}
    texts = {"text": TEXT, "long": "\\" + "".join(f"{number:x}" for number in range(100_000)), "empty": ""}
    MetadataWriter(root).begin_run("p", "r1", {**numbers, **texts})
    written = open_store(root, read_only=True).run_properties("r1")
    assert {name: written[name] for name in (*numbers, *texts)} == {**numbers, **texts}
    MetadataWriter(root).end_run("r1", {"text": TEXT + TEXT})
    assert open_store(root).run_properties("r1")["text"] == TEXT + TEXT


def test_a_request_is_not_changed_when_it_is_sent(root):
    store = root_store.of(root).connect()
    kind = store.put_context_type(pb.ContextType(name="any"))
    context = pb.Context(type_id=kind, name="c")
    context.custom_properties["text"].string_value = TEXT
    store.put_contexts([context])
    assert context.custom_properties["text"].string_value == TEXT


def test_a_root_whose_runs_are_elsewhere_is_refused(tmp_path, root, databases):
    other = empty(databases)
    error = refusal(root, other)
    assert isinstance(error, UsageError)
    assert root_store.of(root).name in str(error)
    assert Server(other).name in str(error)
    in_sqlite = Root(tmp_path / "sqlite")
    in_sqlite.create()
    Writer(in_sqlite).execution("r1", "Trainer", STATE.COMPLETE)
    error = refusal(in_sqlite, other)
    assert isinstance(error, UsageError)
    assert str(in_sqlite.metadata) in str(error)
    with root_store.lock(root, root.metadata_url()):  # the one that it has
        pass


def test_a_database_belongs_to_one_root(tmp_path, root):
    other = Root(tmp_path / "other")
    other.create()
    error = refusal(other, root.metadata_url())
    assert isinstance(error, UnavailableError)
    assert str(root.path) in str(error)
    assert not other.metadata_url()


def test_a_store_that_another_pipeline_created_is_left(tmp_path, databases):
    root, url = Root(tmp_path / "root"), empty(databases)
    root.create()
    with postgresql.DatabaseSession(Server(url)) as session:
        session.run("CREATE TABLE mlmdenv (schema_version integer)")
    assert isinstance(refusal(root, url), UsageError)
    with postgresql.DatabaseSession(Server(url)) as session:
        assert session.run("SELECT relname FROM pg_class WHERE relname LIKE 'sae%'") == []


def test_a_database_that_lost_its_tables_is_not_filled_again(root):
    with postgresql.DatabaseSession(Server(root.metadata_url())) as session:
        session.run("DROP TABLE sae_root")
    assert isinstance(refusal(root), UsageError | UnavailableError)


def test_a_preparation_that_was_interrupted_is_completed(root):
    with postgresql.DatabaseSession(Server(root.metadata_url())) as session:
        session.run("UPDATE sae_root SET is_ready = false")
        session.run("DROP TRIGGER sae_backslash ON contextproperty")
    with root_store.lock(root):
        MetadataWriter(root).begin_run("p", "r1", {"text": TEXT})
    assert open_store(root).run_properties("r1")["text"] == TEXT


def test_two_hosts_cannot_hold_one_root(root, tmp_path):
    on_another_host = Root(root.path)  # whose file system has no locks of this host
    with root_store.lock(root) as record:
        record("20261127-120000")
        (root.path / "lock").rename(tmp_path / "lock")
        with pytest.raises(LockedError) as error, root_store.of(on_another_host).lock():
            pass
        assert "run 20261127-120000" in str(error.value)
        assert "\n" not in str(error.value)
    with root_store.of(on_another_host).lock():
        pass


def test_a_lost_connection_ends_what_writes_and_the_next_one_goes_on(root, capfd):
    with root_store.lock(root):
        writer = MetadataWriter(root)
        writer.begin_run("p", "r1", {"text": "before"})
        with postgresql.DatabaseSession(Server(root.metadata_url())) as session:
            session.run(
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity "
                "WHERE datname = current_database() AND pid <> pg_backend_pid()"
            )
        for client in (writer, MetadataWriter):  # also a new connection, as the lock is lost
            with pytest.raises(UnavailableError, match="sae resume") as error:
                (client if client is writer else client(root)).end_run("r1", {"text": "after"})
            assert "\n" not in str(error.value)
    with root_store.lock(root):
        MetadataWriter(root).end_run("r1", {"text": "after"})
    assert open_store(root).run_properties("r1")["text"] == "after"
    assert capfd.readouterr() == ("", "")


@pytest.mark.parametrize("silent", [False, True])
def test_a_server_that_is_not_there_is_one_line(tmp_path, silent, monkeypatch, capfd):
    monkeypatch.setattr(postgresql, "CONNECT_SECONDS", 0.5)
    monkeypatch.setattr(postgresql, "_ANSWER_SECONDS", 0.5)
    root = Root(tmp_path / "root")
    root.create()
    with socket.create_server(("127.0.0.1", 0)) as server:
        if not silent:
            server.close()
            port = database_servers.free_port()
        else:
            port = server.getsockname()[1]
        error = refusal(root, f"postgresql://u@127.0.0.1:{port}/d")
    assert isinstance(error, UnavailableError)
    assert f"postgresql://u@127.0.0.1:{port}/d" in str(error)
    assert not root.metadata_url()
    assert capfd.readouterr() == ("", "")


def test_a_root_that_was_moved_is_rewritten_and_a_copy_is_refused(root, tmp_path):
    writer = Writer(root)
    execution = writer.execution("r1", "Trainer", STATE.COMPLETE)
    writer.artifact(execution, "model", str(root.artifacts / "Trainer" / "model" / "1"))
    copy = Root(tmp_path / "copy")
    shutil.copytree(root.path, copy.path)
    assert "copy" in str(refusal(copy))
    shutil.rmtree(copy.path)
    moved = Root(tmp_path / "moved")
    root.path.rename(moved.path)
    with root_store.lock(moved):
        assert rewrite_moved_uris(moved) is None
    [artifact] = Store(root_store.of(moved).connect()).all_artifacts()
    assert artifact.uri == str(moved.artifacts / "Trainer" / "model" / "1")
    with root_store.lock(moved):
        pass
    moved.path.rename(root.path)
    root.record_location()  # another host, which still has the root at its old place
    assert str(moved.path) in str(refusal(root))


def test_a_copy_in_sqlite_contains_the_same(root, tmp_path):
    MetadataWriter(root).begin_run("p", "r1", {"text": TEXT, "number": 2**40})
    writer = Writer(root)
    execution = writer.execution("r1", "Trainer", STATE.COMPLETE)
    writer.artifact(execution, "model", str(root.artifacts / "m"), size=2**40, share=0.1)
    target = tmp_path / "copy.sqlite"
    assert root_store.of(root).copy_to(target) == ""
    stores = [open_store(root, read_only=True), Store(connect_read_only(target))]
    ours, theirs = (
        (one.run_ids(), one.run_properties("r1"), list(one.all_artifacts()), list(one.all_executions()))
        for one in stores
    )
    assert ours == theirs
    assert ours[1]["text"] == TEXT
    next_ids = {Writer(place).execution("r2", "Trainer", STATE.COMPLETE) for place in (root, target)}
    assert next_ids == {execution + 1}


def test_ids_of_folders_are_not_used_again(root):
    (root.artifacts / "Trainer" / "model" / "57").mkdir(parents=True)
    (root.artifacts / "Trainer" / "model" / str(2**40)).mkdir()  # no id of PostgreSQL
    execution_ids.reserve(root, open_store(root))
    assert Writer(root).execution("r1", "Trainer", STATE.COMPLETE) == 58
    execution_ids.reserve(root, open_store(root))
    assert Writer(root).execution("r1", "Trainer", STATE.COMPLETE) == 59


def test_the_password_is_read_from_libpq_s_file(tmp_path, root, monkeypatch):
    monkeypatch.delenv("PGPASSWORD")
    passwords = tmp_path / "passwords"
    escaped = database_servers.OWNERS_PASSWORD.replace("\\", "\\\\").replace(":", "\\:")
    passwords.write_text(f"other:*:*:*:wrong\n127.0.0.1:*:*:{database_servers.OWNER}:{escaped}\n")
    passwords.chmod(0o600)
    monkeypatch.setenv("PGPASSFILE", str(passwords))
    with root_store.lock(root):
        MetadataWriter(root).begin_run("p", "r1", {})
    assert open_store(root, read_only=True).run_ids() == ["r1"]
    passwords.chmod(0o644)  # libpq ignores it then
    assert "password authentication failed" in str(refusal(root))


def test_a_socket_of_the_server_takes_the_place_of_a_host(tmp_path, root, databases):
    database = Server(root.metadata_url()).database
    place = f"@:{databases.port}/{database}?host={databases.folder}"
    with postgresql.DatabaseSession(Server(f"postgresql://{database_servers.OWNER}{place}")) as session:
        assert session.run("SELECT 1") == [[1]]


@pytest.mark.parametrize("mode", ["require", "verify-full"])
def test_a_server_without_tls_is_refused_where_it_is_asked_for(tmp_path, databases, mode):
    root = Root(tmp_path / "root")
    root.create()
    error = refusal(root, f"{empty(databases)}?sslmode={mode}")
    assert isinstance(error, UnavailableError)
    assert "has no TLS" in str(error)


@pytest.mark.parametrize("options", ["sslmode=verify-full&sslrootcert={}", "sslcert={0}&sslkey={0}"])
@pytest.mark.parametrize("is_there", [False, True])
def test_a_file_for_tls_that_cannot_be_used_is_named(tmp_path, databases, options, is_there):
    root, path = Root(tmp_path / "root"), tmp_path / "certificate.pem"
    root.create()
    if is_there:
        path.write_text("no certificate")
    error = refusal(root, f"{empty(databases)}?{options.format(path)}")
    assert isinstance(error, UnavailableError)
    assert str(path) in str(error)


def test_a_server_without_a_free_connection_is_to_be_tried_again(root, databases, monkeypatch):
    user = "crowded"
    with postgresql.DatabaseSession(Server(databases.url("postgres"))) as session:
        session.run(f"CREATE ROLE {user} LOGIN PASSWORD 'x' CONNECTION LIMIT 0")
    monkeypatch.setenv("PGPASSWORD", "x")
    url = root.metadata_url().replace(database_servers.OWNER, user, 1)
    root.record_metadata_url(url)
    refused = [refusal(root)]
    for read in (lambda: root_store.of(root).connect_read_only(), lambda: root_store.of(root).connect()):
        with pytest.raises(UnavailableError) as error:
            read()
        refused.append(error.value)
    for one in refused:
        assert "too many connections" in str(one)
        assert "try again" in str(one)
        assert "password" not in str(one)


@pytest.mark.parametrize("url", ["mysql://u@h/d", "postgresql://u:secret@h/d", "http://u@h/d"])
def test_what_cannot_be_a_store_to_write_is_refused(tmp_path, url):
    root = Root(tmp_path / "root")
    root.create()
    error = refusal(root, url)
    assert isinstance(error, UsageError)
    assert "secret" not in str(error)


def test_no_copy_is_made_or_restored(root):
    root_store.of(root).back_up("r1", keep=3)
    assert not root.metadata_copies.exists()
    with pytest.raises(UsageError, match="pg_restore"):
        root_store.of(root).find_backup("")


def test_artifacts_of_a_type_are_in_the_order_of_their_ids_also_after_a_change(root):
    writer = Writer(root)
    execution = writer.execution("r1", "Trainer", STATE.COMPLETE)
    made = [writer.artifact(execution, "model", str(root.artifacts / str(number))) for number in range(3)]
    [first] = writer.store.get_artifacts_by_id(made[:1])
    first.uri += "-changed"
    writer.store.put_artifacts([first])
    assert [one.id for one in open_store(root, read_only=True).artifacts_of_type("Anything")] == made


def test_the_command_that_restores_a_copy_is_refused(root):
    done = CliRunner().invoke(cli.sae, ["restore", "--metadata", "--root", str(root.path)])
    assert isinstance(done.exception, UsageError)
    assert "pg_restore" in str(done.exception)


def test_what_restores_a_copy_is_named_where_a_row_is_missing(root):
    writer = Writer(root)
    execution = writer.execution("r1", "Trainer", STATE.COMPLETE)
    artifact = writer.artifact(execution, "model", str(root.artifacts / "m"))
    with postgresql.DatabaseSession(Server(root.metadata_url())) as session:
        session.run("DELETE FROM artifact WHERE id = :id", id=artifact)
    [found, *_] = [one for one in fsck.check(root).findings if one.kind == FindingKind.ROW_MISSING]
    with open_reader(PIPELINE, None, root) as reader, pytest.raises(NotFoundError) as error:
        reader.artifact(artifact)
    for text in (found.sentence, str(error.value)):
        assert "`pg_restore`" in text
        assert "sae restore" not in text


def test_threads_check_the_lock_at_once(root):
    with root_store.lock(root):
        name = root_store.of(root).name
        threads = [threading.Thread(target=postgresql.check_lock, args=[name]) for _ in range(8)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(10)
        postgresql.check_lock(name)


def test_before_a_run_the_database_of_another_root_is_refused_as_by_the_run(root, tmp_path):
    url = root.metadata_url()
    root_store.given(root, url).check_server()
    other = Root(tmp_path / "other")
    other.create()
    with pytest.raises(UnavailableError) as error:
        root_store.given(other, url).check_server()
    assert str(error.value) == str(refusal(other, url))
