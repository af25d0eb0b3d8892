"""Stores in PostgreSQL and MariaDB: real servers on loopback, filled by ML Metadata, read by roles that only read."""

from __future__ import annotations

import os
import re
import shutil
import socket
import threading
import time
import traceback
import urllib.parse

import pytest
from ml_metadata.metadata_store import metadata_store
from ml_metadata.proto import metadata_store_pb2 as pb

from pipeline.core.errors import SaeError, UnavailableError, UsageError
from pipeline.metadata import database_stores
from pipeline.metadata.sources import open_source
from tests.builders.roots import STATE, Writer
from tests.pipeline.metadata import database_servers
from tests.pipeline.metadata.database_servers import (
    OWNER,
    OWNERS_PASSWORD,
    READER,
    READERS_PASSWORD,
    free_port,
)

# libpq reads the environment where readers run.
pytestmark = pytest.mark.usefixtures("own_readers")

PASSWORDS = {OWNER: OWNERS_PASSWORD, READER: READERS_PASSWORD}
KEPT, EMPTY, OLD = "kept-runs", "empty", "old"
FORM = "give postgresql://user@host:port/database or mysql://user@host:port/database"


@pytest.fixture(autouse=True)
def _no_settings(monkeypatch):
    for name in ("PGPASSWORD", "MYSQL_PWD", "PGOPTIONS", "PGCONNECT_TIMEOUT"):
        monkeypatch.delenv(name, raising=False)


def url(scheme, user, database, port, password=None):
    secret = urllib.parse.quote(PASSWORDS[user] if password is None else password, safe="")
    return f"{scheme}://{user}:{secret}@127.0.0.1:{port}/{urllib.parse.quote(database)}"


def filled(config):
    """Records two executions as TFX's launcher does."""
    writer = Writer(config)
    for run in ("r1", "r2"):
        writer.execution(run, "Trainer", STATE.COMPLETE)


def refusal(given):
    with pytest.raises(SaeError) as error, open_source(given):
        pass
    assert "\n" not in str(error.value)
    for password in (*PASSWORDS.values(), "wrong"):
        assert password not in str(error.value)
        assert urllib.parse.quote(password, safe="") not in str(error.value)
    return error.value


def runs(given):
    with open_source(given) as source:
        client = source.connect()
        return len(client.get_executions()), sorted(run.name for run in client.get_contexts_by_type("pipeline_run"))


def no_store(name, user):
    return (
        f"{name} has no store of ML Metadata that {user} may read; nothing was created in it: give the database that "
        "the pipeline writes to, or grant SELECT on its tables"
    )


def old_schema(name):
    return (
        f"{name} has schema 9 of ML Metadata, and this version reads schema 10 of a server; nothing was changed: "
        "upgrade a copy of the database"
    )


# --- URLs --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ("http://u@h/d", f"no store can be read with http://: {FORM}, or the path of an SQLite file"),
        ("sqlite:///d", f"no store can be read with sqlite://: {FORM}, or the path of an SQLite file"),
        ("mysql://u:wrong@[h/d", f"the URL of the store is invalid: {FORM}"),
        ("mysql://u:wrong\u2100@h/d", f"the URL of the store is invalid: {FORM}"),
        ("postgresql://u:wrong@/d", f"the URL of the store has no host: {FORM}"),
        ("postgresql://:wrong@h/d", f"the URL of the store has no user: {FORM}"),
        ("mysql://u:wrong@h", f"the URL of the store has no database: {FORM}"),
        (
            "mysql://u:wrong@h/a%00b",
            f"the database in the URL of the store contains a NUL character: {FORM}",
        ),
        (
            "postgres://u:wr/ong@h/d",
            f"the URL of the store is invalid: {FORM}; in a name or a password write %2F %3A %40 %23 %3F for / : @ # ?",
        ),
        (
            "postgresql://u:wrong@h/d?channel_binding=require",
            "no option channel_binding in the URL of a postgresql store (there are: host, sslcert, sslkey, sslmode, "
            "sslrootcert)",
        ),
        (
            "postgresql://u:wrong@h/d?sslmode=always",
            "sslmode 'always' in the URL of the store is not allowed (there are: disable, allow, prefer, require, "
            "verify-ca, verify-full)",
        ),
        ("mysql://u:wrong@h/d?ssl=1", "no option ssl in the URL of a mysql store (there are: none)"),
    ],
)
def test_a_url_that_is_none_is_refused_without_repeating_it(given, said):
    error = refusal(given)
    assert isinstance(error, UsageError)
    assert str(error) == said


@pytest.mark.parametrize("scheme", ["postgresql", "postgres", "mysql", "MySQL"])
@pytest.mark.parametrize(
    "rest",
    [
        "//u:HIDDEN?HIDDEN@h/d", "//u:?HIDDEN@h/d", "//u:HIDDEN#x@h/d", "//u:x#HIDDEN@h/d", "//u:HIDDEN/x@h/d",
        "//u:12/HIDDEN@h/d", "//u:12?HIDDEN@h/d", "//u:12#HIDDEN", "//u@x:1/HIDDEN@h/d", "//u:HIDDEN[@h/d",
        "//u:HIDDEN", "//u:HIDDEN:1/d", "/u:HIDDEN@h/d", "u:HIDDEN@h/d", "//u:HIDDEN\u2100@h/d", "//u:HIDDEN@h:x/d",
        "//u:HI%44DEN@/d", "///u:HIDDEN@h/d",
    ],
)  # fmt: skip
def test_no_part_of_a_password_is_in_an_error_or_its_traceback(scheme, rest):
    with pytest.raises(UsageError) as error, open_source(f"{scheme}:{rest}"):
        pass
    assert not re.search("hi(%44|d)den", "".join(traceback.format_exception(error.value)), re.IGNORECASE)


@pytest.mark.parametrize("scheme", ["postgresql", "mysql"])
def test_no_password_is_in_the_traceback_of_a_server_that_is_not_there(scheme):
    given = url(scheme, OWNER, "d", free_port())
    with pytest.raises(UnavailableError) as error, open_source(given):
        pass
    assert OWNERS_PASSWORD not in "".join(traceback.format_exception(error.value))


@pytest.mark.parametrize(
    ("given", "name"),
    [
        ("postgres://u:secret@h/d", "postgresql://u@h:5432/d"),
        ("postgresql://u@h:1/d?sslmode=disable", "postgresql://u@h:1/d"),
        ("postgresql://u:secret@/d?host=/run/postgresql", "postgresql://u@/run/postgresql:5432/d"),
        ("postgresql://u:secret@[::1]:7/d", "postgresql://u@[::1]:7/d"),
        ("mysql://u%40x:se%40cret@h/d-e", "mysql://u@x@h:3306/d-e"),
    ],
)
def test_a_name_has_no_password(given, name):
    assert database_stores.Server(given).name == name


@pytest.mark.parametrize("scheme", ["postgresql", "mysql"])
def test_a_server_that_is_not_there_is_named_at_once(scheme, capfd):
    port = free_port()
    text = str(refusal(f"{scheme}://u:wrong@127.0.0.1:{port}/d"))
    assert text.startswith(f"{scheme}://u@127.0.0.1:{port}/d does not answer (")
    assert text.endswith("), waited for 5 s at most: check that the server is up, and host and port")
    assert "refused" in text.lower()
    assert capfd.readouterr() == ("", "")


@pytest.mark.component
@pytest.mark.parametrize("scheme", ["postgresql", "mysql"])
def test_a_server_that_says_nothing_is_not_waited_for_without_end(scheme, monkeypatch, capfd):
    monkeypatch.setattr(database_stores, "CONNECT_SECONDS", 2)  # libpq's least
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
        text = str(refusal(f"{scheme}://u:wrong@127.0.0.1:{port}/d"))
    assert text.startswith(f"{scheme}://u@127.0.0.1:{port}/d does not answer (time")
    assert capfd.readouterr() == ("", "")


def test_this_process_keeps_its_own_settings_of_sessions(monkeypatch):
    monkeypatch.setenv("PGOPTIONS", "-c default_transaction_read_only=off")  # a run in this process writes
    refusal(url("postgresql", OWNER, "d", free_port()))
    assert os.environ["PGOPTIONS"] == "-c default_transaction_read_only=off"
    assert "PGCONNECT_TIMEOUT" not in os.environ


def test_what_others_write_to_standard_error_meanwhile_is_written_there(capfd):
    log = []
    with database_stores.captured_log(log):
        os.write(2, b"first\nE1124 16:57:34.994521 17607 postgresql_metadata_source.cc:208] it failed\n\tas it does\n")
        os.write(2, b"last\n")
    assert log == ["it failed as it does"]
    assert capfd.readouterr().err == "first\nlast\n"


def test_one_thread_at_a_time_catches_what_is_written_to_standard_error():
    entered = threading.Event()

    def catch():
        with database_stores.captured_log([]):
            entered.set()

    other = threading.Thread(target=catch)
    with database_stores.captured_log([]):
        other.start()
        assert not entered.wait(0.2)
    other.join()
    assert entered.is_set()


# --- PostgreSQL --------------------------------------------------------------------------------


def postgresql_config(running, database, user=OWNER):
    config = pb.ConnectionConfig()
    config.postgresql.host, config.postgresql.port = "127.0.0.1", str(running.port)
    config.postgresql.user, config.postgresql.dbname = user, database_stores._quoted(database)
    config.postgresql.password = database_stores._quoted(PASSWORDS[user])
    config.postgresql.skip_db_creation = True
    return config


@pytest.fixture(scope="module")
def postgresql():
    if database_servers.postgresql_programs() is None:
        pytest.skip("no PostgreSQL in /usr/lib/postgresql: install Debian's package postgresql")
    with database_servers.postgresql() as running:
        for database in (KEPT, EMPTY, OLD):
            running.sql(f'CREATE DATABASE "{database}"')
        for database in (KEPT, OLD):
            filled(postgresql_config(running, database))
            running.sql(f"GRANT SELECT ON ALL TABLES IN SCHEMA public TO {READER}", database=database)
        metadata_store.downgrade_schema(postgresql_config(running, OLD), 9)
        yield running


def postgresql_tables(running, database):
    return running.sql(
        "SELECT relname, relnatts FROM pg_class JOIN pg_namespace n ON n.oid = relnamespace WHERE nspname = 'public' "
        "ORDER BY 1",
        database=database,
    )


@pytest.mark.component
@pytest.mark.parametrize("user", [OWNER, READER])
@pytest.mark.parametrize("scheme", ["postgresql", "postgres"])
def test_postgresql_is_read_and_not_changed(postgresql, user, scheme, capfd):
    before = postgresql.sql("SELECT * FROM Execution, Context", database=KEPT), postgresql_tables(postgresql, KEPT)
    assert before[0]
    given = url(scheme, user, KEPT, postgresql.port)
    assert runs(given) == (2, ["r1", "r2"])
    with open_source(given) as source, pytest.raises(UnavailableError, match="read-only transaction"):
        source.connect().put_context_type(pb.ContextType(name="new"))
    assert (
        postgresql.sql("SELECT * FROM Execution, Context", database=KEPT),
        postgresql_tables(postgresql, KEPT),
    ) == before
    with open_source(given) as source:
        assert source.name == f"postgresql://{user}@127.0.0.1:{postgresql.port}/{KEPT}"
        capfd.readouterr()
        source.connect()
        assert capfd.readouterr() == ("", "")


@pytest.mark.component
def test_postgresql_takes_the_password_from_the_environment_and_answers_at_its_socket(postgresql, monkeypatch):
    monkeypatch.setenv("PGPASSWORD", READERS_PASSWORD)
    assert runs(f"postgresql://{READER}@127.0.0.1:{postgresql.port}/{KEPT}?sslmode=disable")[0] == 2
    assert runs(f"postgresql://{READER}@:{postgresql.port}/{KEPT}?host={postgresql.folder}")[0] == 2


@pytest.mark.component
@pytest.mark.parametrize("user", [OWNER, READER])
def test_an_empty_postgresql_stays_empty(postgresql, user, capfd):
    given = url("postgresql", user, EMPTY, postgresql.port)
    assert str(refusal(given)) == no_store(database_stores.Server(given).name, user)
    assert postgresql_tables(postgresql, EMPTY) == ""
    assert capfd.readouterr() == ("", "")


@pytest.mark.component
def test_without_the_right_to_read_the_tables_that_is_said(postgresql):
    postgresql.sql("CREATE ROLE stranger LOGIN PASSWORD 'stranger'")
    given = f"postgresql://stranger:stranger@127.0.0.1:{postgresql.port}/{KEPT}"
    assert str(refusal(given)) == no_store(database_stores.Server(given).name, "stranger")


@pytest.mark.component
@pytest.mark.parametrize("user", [OWNER, READER])
def test_an_older_schema_in_postgresql_is_refused_and_left(postgresql, user):
    before = postgresql_tables(postgresql, OLD)
    given = url("postgresql", user, OLD, postgresql.port)
    assert str(refusal(given)) == old_schema(database_stores.Server(given).name)
    assert postgresql_tables(postgresql, OLD) == before


@pytest.mark.component
@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"password": "wrong"}, 'password authentication failed for user "reader"'),
        ({"password": ""}, "fe_sendauth: no password supplied"),
        ({"database": "nowhere"}, 'database "nowhere" does not exist'),
    ],
)
def test_what_postgresql_refuses_is_said_in_its_words(postgresql, given, said, capfd):
    wanted = url(**{"scheme": "postgresql", "user": READER, "database": KEPT, "port": postgresql.port, **given})
    error = refusal(wanted)
    assert isinstance(error, UnavailableError)
    assert str(error) == (
        f"{database_stores.Server(wanted).name} cannot be opened ({said}): "
        "check the URL; PGPASSWORD may contain the password"
    )
    assert capfd.readouterr() == ("", "")


@pytest.mark.component
def test_an_answer_of_postgresql_is_not_waited_for_without_end(postgresql, monkeypatch):
    monkeypatch.setattr(database_stores, "_STATEMENT_SECONDS", 1)
    statements = ("BEGIN", "LOCK TABLE Execution IN ACCESS EXCLUSIVE MODE", "SELECT pg_sleep(3)", "COMMIT")
    holding = threading.Thread(target=postgresql.sql, args=statements, kwargs={"database": KEPT})
    given = url("postgresql", READER, KEPT, postgresql.port)
    with (
        pytest.raises(UnavailableError, match="statement timeout"),
        open_source(given) as source,
    ):
        _read_while(source.connect(), holding)


def _read_while(client, holding):
    holding.start()
    try:
        time.sleep(0.5)
        client.get_executions()
    finally:
        holding.join()


@pytest.mark.component
def test_threads_read_at_once(postgresql):
    found = []
    with open_source(url("postgresql", READER, KEPT, postgresql.port)) as source:
        threads = [
            threading.Thread(target=lambda: found.append(len(source.connect().get_executions()))) for _ in range(8)
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    assert found == [2] * 8


# --- MariaDB -----------------------------------------------------------------------------------


def mysql_config(running, database):
    config = pb.ConnectionConfig()
    config.mysql.host, config.mysql.port = "127.0.0.1", running.port
    config.mysql.user, config.mysql.password = OWNER, OWNERS_PASSWORD
    config.mysql.database, config.mysql.skip_db_creation = f"`{database}`", True
    return config


@pytest.fixture(scope="module")
def mariadb():
    if shutil.which("mariadbd") is None or shutil.which("mariadb-install-db") is None:
        pytest.skip("no MariaDB: install Debian's package mariadb-server")
    with database_servers.mariadb() as running:
        for database in (KEPT, EMPTY, OLD):
            running.sql(f"CREATE DATABASE `{database}`")
        for database in (KEPT, OLD):
            filled(mysql_config(running, database))
        running.sql(f"GRANT SELECT ON {EMPTY}.* TO {READER}@'127.0.0.1'")
        running.sql(f"GRANT SELECT ON {OLD}.* TO {READER}@'127.0.0.1'")
        metadata_store.downgrade_schema(mysql_config(running, OLD), 9)
        yield running


@pytest.mark.component
@pytest.mark.parametrize("user", [OWNER, READER])
def test_mysql_is_read(mariadb, user, monkeypatch, capfd):
    given = url("mysql", user, KEPT, mariadb.port)
    assert runs(given) == (2, ["r1", "r2"])
    monkeypatch.setenv("MYSQL_PWD", PASSWORDS[user])
    assert runs(f"mysql://{user}@127.0.0.1:{mariadb.port}/{KEPT}") == (2, ["r1", "r2"])
    assert capfd.readouterr() == ("", "")


@pytest.mark.component
@pytest.mark.parametrize("user", [OWNER, READER])
def test_an_empty_mysql_stays_empty(mariadb, user, capfd):
    given = url("mysql", user, EMPTY, mariadb.port)
    assert str(refusal(given)) == no_store(database_stores.Server(given).name, user)
    assert mariadb.sql("SHOW TABLES", database=EMPTY) == ""
    assert capfd.readouterr() == ("", "")


@pytest.mark.component
@pytest.mark.parametrize("user", [OWNER, READER])
def test_an_older_schema_in_mysql_is_refused_and_left(mariadb, user):
    given = url("mysql", user, OLD, mariadb.port)
    assert str(refusal(given)) == old_schema(database_stores.Server(given).name)
    assert mariadb.sql("SELECT schema_version FROM MLMDEnv", database=OLD) == "9\n"


@pytest.mark.component
@pytest.mark.parametrize(
    ("given", "said"),
    [
        (
            {"password": "wrong"},
            "access denied, or the user does not log in by mysql_native_password, the only supported method",
        ),
        ({"database": "nowhere"}, "Unknown database 'nowhere'"),
    ],
)
def test_what_mysql_refuses_is_said(mariadb, given, said, capfd):
    wanted = url(**{"scheme": "mysql", "user": OWNER, "database": KEPT, "port": mariadb.port, **given})
    assert str(refusal(wanted)) == (
        f"{database_stores.Server(wanted).name} cannot be opened ({said}): "
        "check the URL; MYSQL_PWD may contain the password"
    )
    assert "nowhere" not in mariadb.sql("SHOW DATABASES")
    assert capfd.readouterr() == ("", "")
