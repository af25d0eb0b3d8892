"""Statements to PostgreSQL that ML Metadata's client does not send: a lock, the tables as a root needs them, copies."""

from __future__ import annotations

import contextlib
import os
import pathlib
import platform
import re
import select
import socket
import sqlite3
import ssl
import threading
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any

from components.errors import cause_text
from pipeline.core.errors import LockedError, UnavailableError
from pipeline.core.text import when_text
from pipeline.metadata import sqlite
from pipeline.metadata.database_stores import CONNECT_SECONDS, Server, advice_if_refused

if TYPE_CHECKING:
    from pg8000.native import Connection

BACKSLASH = "\ufdd0"  # sent in place of a backslash
LARGEST_ID = 2**31 - 1
_LOCK = (0x736165, 1)  # the key of the advisory lock, which is of one database
_ANSWER_SECONDS = 60
_ADVICE = "check the URL, the password (PGPASSWORD, PGPASSFILE or ~/.pgpass) and that the role owns the database"
_TLS_FILES = ("sslrootcert", "sslcert", "sslkey")  # options of URLs
_NODES = ("artifact", "execution", "context")
# A host that dies leaves its lock until the server notices: after 15 + 3 * 5 seconds.
_SETTINGS = {
    "tcp_keepalives_idle": "15",
    "tcp_keepalives_interval": "5",
    "tcp_keepalives_count": "3",
    "idle_session_timeout": "0",
    "statement_timeout": f"{_ANSWER_SECONDS}s",
}
# ML Metadata's tables refuse what TFX records: an index on texts takes up to 2,704 bytes, and numbers have 32 bits.
# Nothing here looks for a property by its value.
_PREPARE = (
    """CREATE OR REPLACE FUNCTION sae_backslash() RETURNS trigger LANGUAGE plpgsql AS $$
    BEGIN NEW.string_value := replace(NEW.string_value, chr(64976), chr(92)); RETURN NEW; END $$""",
    *(
        statement
        for node in _NODES
        for statement in (
            f"DROP INDEX IF EXISTS idx_{node}_property_string",
            f"ALTER TABLE {node}property ALTER COLUMN int_value TYPE bigint",
            f"DROP TRIGGER IF EXISTS sae_backslash ON {node}property",
            f"CREATE TRIGGER sae_backslash BEFORE INSERT OR UPDATE ON {node}property FOR EACH ROW "
            "WHEN (NEW.string_value IS NOT NULL) EXECUTE PROCEDURE sae_backslash()",
        )
    ),
)


class DatabaseSession:
    """A connection to a database. All of its errors are `UnavailableError`."""

    def __init__(self, server: Server, application: str = "sae") -> None:
        """Connect."""
        self._name = server.name
        with self._in_words():
            self._connection = _connect(server, application)

    def __enter__(self) -> DatabaseSession:
        return self

    def __exit__(self, *error: object) -> None:
        from pg8000.exceptions import InterfaceError

        with contextlib.suppress(InterfaceError, OSError):
            self._connection.close()

    def run(self, statement: str, **values: Any) -> list[list[Any]]:
        """Return the rows of a statement."""
        with self._in_words():
            found: list[list[Any]] | None = self._connection.run(statement, **values)
        return found or []

    @property
    def columns(self) -> list[str]:
        """Return the names of the columns of the last statement."""
        return [str(column["name"]) for column in self._connection.columns or ()]

    def is_silent(self) -> bool:
        """Return whether the server has sent nothing since the last statement, such as that it ends."""
        return not select.select([self._connection._usock], [], [], 0)[0]

    @contextlib.contextmanager
    def _in_words(self) -> Iterator[None]:
        from pg8000.exceptions import DatabaseError, InterfaceError

        try:
            yield
        except DatabaseError as error:
            found = error.args[0] if error.args and isinstance(error.args[0], dict) else {}
            reason = str(found.get("M", error))
            advice = advice_if_refused(reason, _ADVICE)
            raise UnavailableError(f"{self._name} cannot be used ({reason}): {advice}") from error
        except (InterfaceError, OSError) as error:
            if (reason := _reason(error)) == "Server refuses SSL":
                raise UnavailableError(
                    f"{self._name} has no TLS, which its URL asks for: set it up there, or leave out sslmode"
                ) from error
            raise UnavailableError(
                f"{self._name} does not answer ({reason}): check that the server is up, and host and port"
            ) from error


def _connect(server: Server, application: str) -> Connection:
    from pg8000.native import Connection

    password = server.password or _of_passfile(server) or ""
    context = False if _is_local(server) else _ssl_context(server)
    opened_socket = _socket_to(server)
    try:
        opened = Connection(
            server.user,
            host=server.host,
            database=server.database,
            password=password,
            ssl_context=context,
            application_name=application,
            sock=opened_socket,
        )
    except BaseException:
        opened_socket.close()
        raise
    given = ", ".join(f"('{name}', '{value}')" for name, value in _SETTINGS.items())
    opened.run(
        f"SELECT set_config(name, value, false) FROM (VALUES {given}) v (name, value) JOIN pg_settings USING (name)"
    )
    return opened


def _is_local(server: Server) -> bool:
    return server.host.startswith("/")  # the folder of a socket


def _socket_to(server: Server) -> socket.socket:
    if _is_local(server):
        opened = socket.socket(socket.AF_UNIX)
        try:
            opened.connect(f"{server.host}/.s.PGSQL.{server.port}")
        except OSError:
            opened.close()
            raise
    else:
        opened = socket.create_connection((server.host, server.port), CONNECT_SECONDS)
        opened.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
    opened.settimeout(_ANSWER_SECONDS)
    return opened


def _reason(error: BaseException) -> str:
    cause = error.__cause__ or error
    return cause_text(cause) if isinstance(cause, OSError) else str(cause)


def _ssl_context(server: Server) -> ssl.SSLContext | bool | None:
    """Return what pg8000 takes for libpq's options; None: SSL if the server has it."""
    options = server.options
    mode = options.get("sslmode", "prefer")
    if mode in ("disable", "allow"):
        return False
    if mode == "prefer" and not options.keys() - {"sslmode"}:
        return None
    try:
        context = ssl.create_default_context(cafile=options.get("sslrootcert"))
        context.check_hostname = mode == "verify-full"
        if mode not in ("verify-ca", "verify-full") and "sslrootcert" not in options:
            context.verify_mode = ssl.CERT_NONE
        if "sslcert" in options:
            context.load_cert_chain(options["sslcert"], options.get("sslkey"))
    except OSError as error:  # also of a file that contains no certificate
        files = ", ".join(f"{name} {options[name]}" for name in _TLS_FILES if name in options)
        raise UnavailableError(
            f"a file in the URL of {server.name} cannot be used ({cause_text(error)}): check {files}"
        ) from error
    return context


def _of_passfile(server: Server) -> str | None:
    """Return the password in libpq's file of passwords; None if it has none."""
    path = pathlib.Path(os.environ.get("PGPASSFILE") or pathlib.Path.home() / ".pgpass")
    try:
        if not path.is_file() or path.stat().st_mode & 0o077:  # libpq ignores a file that others can read
            return None
        lines = path.read_text(encoding="utf-8").splitlines()
    except (OSError, ValueError):
        return None
    wanted = (server.host, str(server.port), server.database, server.user)
    for line in lines:
        fields = [re.sub(r"\\(.)", r"\1", field) for field in re.split(r"(?<!\\):", line)]
        if len(fields) == len(wanted) + 1 and all(a in ("*", b) for a, b in zip(fields, wanted, strict=False)):
            return fields[-1]
    return None


# The lock.


class AdvisoryLock:
    """An advisory lock of a database that this process holds: the server frees it when the connection ends.

    Attributes:
      session: the connection.
    """

    def __init__(self, name: str, session: DatabaseSession) -> None:
        self.session = session
        self._name = name
        self._using = threading.Lock()
        self._is_lost = False

    def record(self, run: str) -> None:
        """Record the run that the lock is held for, which other hosts are told."""
        with self._using:
            self.session.run("SELECT set_config('application_name', :name, false)", name=_application(run))

    def check(self) -> None:
        """Raise `UnavailableError` if the connection was lost, and with it the lock."""
        with self._using:
            reason = "with its lock of the root"
            if not self._is_lost and not self.session.is_silent():
                try:
                    self.session.run("SELECT 1")
                except UnavailableError as error:
                    self._is_lost, reason = True, _reason(error)
            if self._is_lost:
                raise lost(self._name, reason)


_held: dict[str, AdvisoryLock] = {}  # by this process, by the name of the database


@contextlib.contextmanager
def hold(server: Server) -> Iterator[AdvisoryLock]:
    """Hold the lock of a database.

    Raises:
      LockedError: another process holds the lock.
      UnavailableError: as `DatabaseSession`.
    """
    with DatabaseSession(server, _application("")) as session:
        [[is_held]] = session.run("SELECT pg_try_advisory_lock(:a, :b)", a=_LOCK[0], b=_LOCK[1])
        if not is_held:
            raise LockedError(
                f"another run holds {server.name}: {_holder(session)}; wait for it to end, or choose another root with "
                "--root"
            )
        lock = AdvisoryLock(server.name, session)
        _held[server.name] = lock
        try:
            yield lock
        finally:
            del _held[server.name]


def _holder(session: DatabaseSession) -> str:
    found = session.run(
        "SELECT application_name, host(client_addr), backend_start FROM pg_locks JOIN pg_stat_activity USING (pid) "
        "WHERE locktype = 'advisory' AND granted AND classid = :a AND objid = :b",
        a=_LOCK[0],
        b=_LOCK[1],
    )
    for name, address, since in found:
        place = f" from {address}" if address else ""
        return f"{name}{place}" + (f" since {when_text(since)} UTC" if since else "")
    return "a process that ended just now"


def _application(run: str) -> str:
    return f"process {os.getpid()} on {platform.node()[:24]}" + (f", run {run}" if run else "")


def check_lock(name: str) -> None:
    """Raise `UnavailableError` if this process held the lock of a database and lost it."""
    if name in _held:
        _held[name].check()


def lost(name: str, reason: str) -> UnavailableError:
    """Return the error for a connection that ended."""
    return UnavailableError(
        f"the connection to {name} was lost ({reason.strip()}): when the server answers again, `sae resume` continues "
        "a run, and the next command that writes completes or cancels a decision"
    )


# The tables.


def owner(session: DatabaseSession) -> tuple[str, bool] | None:
    """Return the root that a database belongs to, and whether its tables are complete; None if it belongs to none."""
    if session.run("SELECT to_regclass('sae_root')") == [[None]]:
        return None
    found = session.run("SELECT path, is_ready FROM sae_root")
    return (str(found[0][0]), bool(found[0][1])) if found else None


def has_tables(session: DatabaseSession) -> bool:
    """Return whether a database contains a store of ML Metadata."""
    return bool(session.run("SELECT to_regclass('mlmdenv')") != [[None]])


def encoding(session: DatabaseSession) -> str:
    """Return the encoding of the texts of a database."""
    [[found]] = session.run("SHOW server_encoding")
    return str(found)


def take(session: DatabaseSession, path: str) -> None:
    """Record that a database belongs to a root."""
    session.run("CREATE TABLE IF NOT EXISTS sae_root (path text NOT NULL, is_ready boolean NOT NULL)")
    session.run("DELETE FROM sae_root")
    session.run("INSERT INTO sae_root VALUES (:path, false)", path=path)


def prepare(session: DatabaseSession) -> None:
    """Change the tables that ML Metadata created so that they take what TFX records, in one transaction."""
    for statement in ("BEGIN", *_PREPARE, "UPDATE sae_root SET is_ready = true", "COMMIT"):
        session.run(statement)


def record_move(server: Server, path: str) -> None:
    """Record the new path of the root that a database belongs to."""
    with DatabaseSession(server) as session:
        session.run("UPDATE sae_root SET path = :path", path=path)


def raise_last_ids(server: Server, ids: Mapping[str, int]) -> None:
    """Let tables assign only ids above these from now on. Raises as `DatabaseSession`."""
    with DatabaseSession(server) as session:
        for table, number in ids.items():
            sequence = f"{table.lower()}_id_seq"
            session.run(
                f"SELECT setval(:sequence, GREATEST(:number, last_value)) FROM {sequence}",
                sequence=sequence,
                number=number,
            )


def copy_to(server: Server, target: pathlib.Path) -> None:
    """Copy the store to an SQLite file, as it is at one moment.

    Args:
      server: the database.
      target: an empty store of ML Metadata; its rows are replaced.

    Raises:
      UnavailableError: as `DatabaseSession`.
      sqlite3.Error: the file cannot be written.
    """
    with DatabaseSession(server) as session, contextlib.closing(sqlite3.connect(target)) as copy, copy:
        session.run("BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY")
        tables = [str(name) for [name] in copy.execute("SELECT name FROM sqlite_master WHERE type = 'table'")]
        for table in tables:
            if table.lower() == "mlmdenv" or table.startswith("sqlite_"):
                continue
            rows = session.run(f"SELECT * FROM {table.lower()}")
            columns = session.columns
            marks = ", ".join("?" * len(columns))
            copy.execute(f"DELETE FROM {table}")
            copy.executemany(f"INSERT INTO {table} ({', '.join(columns)}) VALUES ({marks})", map(_plain, rows))
        ids = {
            table: session.run(f"SELECT last_value FROM {table.lower()}_id_seq")[0][0]
            for table in tables
            if session.run("SELECT to_regclass(:name)", name=f"{table.lower()}_id_seq") != [[None]]
        }
        session.run("COMMIT")
    sqlite.raise_last_ids(target, ids)


def _plain(row: list[Any]) -> list[Any]:
    return [int(value) if isinstance(value, bool) else value for value in row]
