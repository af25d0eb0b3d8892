"""Open a store in PostgreSQL or MySQL by its URL, to read it: no session creates a table or a database.

In PostgreSQL every transaction is read-only, whatever the role may do. ML Metadata cannot pass such a setting to MySQL
and would create a store in an empty database, so a store in MySQL is first checked for its schema.
"""

from __future__ import annotations

import contextlib
import os
import re
import socket
import sys
import tempfile
import threading
import urllib.parse
from collections.abc import Iterator
from typing import IO, NoReturn

import ml_metadata as mlmd
from ml_metadata import errors as mlmd_errors
from ml_metadata.metadata_store import metadata_store
from ml_metadata.proto import metadata_store_pb2 as pb

from components.errors import cause_text
from pipeline.core.errors import UnavailableError, UsageError
from pipeline.metadata import client, isolation
from pipeline.metadata.isolation import IsolatedClient, ReaderDiedError

_FORM = "give postgresql://user@host:port/database or mysql://user@host:port/database"
_ENCODED = "in a name or a password write %2F %3A %40 %23 %3F for / : @ # ?"
POSTGRESQL, _MYSQL = "postgresql", "mysql"
_SCHEMES = {"postgresql": POSTGRESQL, "postgres": POSTGRESQL, "mysql": _MYSQL}
_SCHEME = re.compile(r"[a-z][a-z0-9+.-]*")
_PORTS = {POSTGRESQL: 5432, _MYSQL: 3306}
_OPTIONS = {POSTGRESQL: ("host", "sslcert", "sslkey", "sslmode", "sslrootcert"), _MYSQL: ()}
_SSL_MODES = ("disable", "allow", "prefer", "require", "verify-ca", "verify-full")
_PASSWORDS = {POSTGRESQL: "PGPASSWORD", _MYSQL: "MYSQL_PWD"}
CONNECT_SECONDS = 5  # to reach a server
_STATEMENT_SECONDS = 60  # for one answer of PostgreSQL
_UNKNOWN_SCHEMA = 2**31 - 1  # a version that no library knows
_LIBRARY_VERSION = re.compile(r"library version: (\d+)")
# The start of a message in ML Metadata's log, which it writes to standard error, and of further lines of one.
_LOG_LINE = re.compile(r"^[IWEF]\d{4} [\d:.]+ +\d+ \S+:\d+\] ?|^WARNING: Logging before InitGoogleLogging\(\)")
_CONTINUED = re.compile(r"\t|LINE \d+: | *\^$|DETAIL: |HINT: |CONTEXT: |server closed the connection")
_CONNECTION_FAILED = "PostgreSQL error: "
_UNREACHABLE = ("could not connect", "could not translate", "timeout expired", "server closed the connection")
# It has no connection left, or is being started or stopped.
_BUSY = (
    "too many clients", "too many connections", "remaining connection slots", "starting up", "shutting down",
    "in recovery mode",
)  # fmt: skip
_stderr_lock = threading.Lock()  # the process has one standard error: one thread at a time may capture it


class Server:
    """A database of a server.

    Attributes:
      kind: postgresql or mysql.
      host, port, user, database: of the URL; the host may be the folder of a socket.
      options: of the URL, by name, such as `sslmode`.
      password: of the URL or the environment; empty if neither has one.
      has_password: whether the URL has one.
      name: its URL without the password and the options.
    """

    def __init__(self, url: str) -> None:
        """Parse a URL, without connecting.

        Raises:
          UsageError: the URL is invalid. The message does not contain it, because it may contain a password.
        """
        scheme = url.partition(":")[0].lower()
        self.kind = _SCHEMES.get(scheme, "")
        if not self.kind:
            scheme = scheme if _SCHEME.fullmatch(scheme) else "..."
            raise UsageError(f"no store can be read with {scheme}://: {_FORM}, or the path of an SQLite file")
        try:
            parts = urllib.parse.urlsplit(url)
        except ValueError:  # not chained: its message contains the password
            raise UsageError(f"the URL of the store is invalid: {_FORM}") from None
        if not parts.netloc or "#" in url or any("@" in part for part in (parts.path, parts.query)):
            # A raw / ? or # in a password ends the host: the rest would be shown as a database or as an option.
            raise UsageError(f"the URL of the store is invalid: {_FORM}; {_ENCODED}")
        self.options = _options(parts.query, self.kind)
        self.host = self.options.pop("host", "") or parts.hostname or ""
        self.port = _port(parts) or _PORTS[self.kind]
        self.user = urllib.parse.unquote(parts.username or "")
        self.has_password = bool(parts.password)
        self.password = urllib.parse.unquote(parts.password or "") or os.environ.get(_PASSWORDS[self.kind], "")
        self.database = urllib.parse.unquote(parts.path.removeprefix("/"))
        for what, value in (("host", self.host), ("user", self.user), ("database", self.database)):
            if not value:  # ML Metadata would end the process
                raise UsageError(f"the URL of the store has no {what}: {_FORM}")
            if "\0" in value:
                raise UsageError(f"the {what} in the URL of the store contains a NUL character: {_FORM}")
        self.name = _name(self.kind, self.user, self.host, str(self.port), self.database)

    def state(self) -> None:
        """Return None: a server does not say whether its database changed."""

    def check(self) -> None:
        """Open the store once. Raises like `connect`."""
        self.connect()

    def connect(self) -> mlmd.MetadataStore:
        """Return a client that only reads, not thread-safe. Threads may call this at the same time.

        Raises:
          UnavailableError: the server does not answer or rejects the user, or the database has no readable store.
        """
        try:
            return IsolatedClient(isolation.processes().client(self._connect), self._replace)
        except ReaderDiedError as error:
            raise self._row_error(error) from error

    def _replace(self, error: Exception, again: bool) -> NoReturn:
        del again
        raise error if isinstance(error, client.BusyStoreError) else self._row_error(error)

    def _row_error(self, error: Exception) -> UnavailableError:
        if isinstance(error, ReaderDiedError) and not str(error):
            return UnavailableError(
                f"{self.name} was not read: the process that reads it was killed, perhaps because memory is short: try "
                "again; if that does not help, it may have a row that ML Metadata cannot read"
            )
        reason = f" ({error})" if str(error) else ""
        return UnavailableError(
            f"{self.name} has a row that ML Metadata cannot read{reason}: restore a backup of the database"
        )

    def _connect(self) -> mlmd.MetadataStore:
        if self.kind == _MYSQL:
            self._check_reachable()
        log: list[str] = []
        try:
            with captured_log(log):
                return self._connect_to_mysql() if self.kind == _MYSQL else self._connect_to_postgresql()
        except (RuntimeError, mlmd_errors.StatusError) as error:
            raise self._connect_error(str(error), log) from error

    def postgresql_config(self) -> pb.ConnectionConfig:
        """Return what ML Metadata's client connects with, without a password: libpq reads PGPASSWORD and PGPASSFILE."""
        config = pb.ConnectionConfig()
        given = {"host": self.host, "port": str(self.port), "user": self.user, "dbname": self.database}
        for field, value in given.items():
            setattr(config.postgresql, field, _quoted(value))
        for field, value in self.options.items():
            setattr(config.postgresql.ssloption, field, _quoted(value))
        config.postgresql.skip_db_creation = True
        return config

    def _connect_to_postgresql(self) -> mlmd.MetadataStore:
        # This process only reads. The last setting of a name counts: users may change the limit, but not allow writes.
        given = os.environ.get("PGOPTIONS", "")
        limits = f"-c statement_timeout={_STATEMENT_SECONDS}s {given} -c default_transaction_read_only=on"
        os.environ.update(PGOPTIONS=limits, PGCONNECT_TIMEOUT=str(CONNECT_SECONDS))
        config = self.postgresql_config()
        if self.password:
            config.postgresql.password = _quoted(self.password)
        return client.ReadingClient(config, self.name)

    def _check_reachable(self) -> None:
        try:  # ML Metadata waits without limit, and does not report whether the server or the password is the problem
            with socket.create_connection((self.host, self.port), timeout=CONNECT_SECONDS) as connection:
                if not connection.recv(1):  # the server sends first
                    raise ConnectionError("the connection was closed")
        except OSError as error:
            raise self._unreachable(cause_text(error)) from error

    def _connect_to_mysql(self) -> mlmd.MetadataStore:
        config = pb.ConnectionConfig()
        config.mysql.host, config.mysql.port = self.host, self.port
        config.mysql.user, config.mysql.password = self.user, self.password
        config.mysql.database = "`" + self.database.replace("`", "``") + "`"
        config.mysql.skip_db_creation = True
        # A downgrade to the library's own schema changes nothing and fails without a store; connecting creates one.
        metadata_store.downgrade_schema(config, _library_schema())
        return client.ReadingClient(config, self.name)

    def _connect_error(self, error: str, log: list[str]) -> UnavailableError:
        if schemas := client.schema_versions(error):
            found, known = schemas
            advice = "upgrade a copy of the database" if found < known else "read it with the version that wrote it"
            return UnavailableError(
                f"{self.name} has schema {found} of ML Metadata, and this version reads schema {known} of a server; "
                f"nothing was changed: {advice}"
            )
        if "read-only transaction" in error or "Empty database is given" in error:
            return UnavailableError(
                f"{self.name} has no store of ML Metadata that {self.user} may read; nothing was created in it: give "
                "the database that the pipeline writes to, or grant SELECT on its tables"
            )
        failed = next((line.partition(_CONNECTION_FAILED)[2] for line in log if _CONNECTION_FAILED in line), "")
        reason = failed or client.first_line(error)
        if any(words in reason for words in _UNREACHABLE):
            return self._unreachable(reason.partition(" Is the server running")[0])
        if self.kind == _MYSQL and "mysql_real_connect failed" in reason:
            reason = "access denied, or the user does not log in by mysql_native_password, the only supported method"
        reason = reason.partition(", error: ")[2] or reason  # MySQL's errors repeat themselves
        advice = advice_if_refused(reason, f"check the URL; {_PASSWORDS[self.kind]} may contain the password")
        return UnavailableError(f"{self.name} cannot be opened ({reason.removeprefix('FATAL:').strip()}): {advice}")

    def _unreachable(self, reason: str) -> UnavailableError:
        return UnavailableError(
            f"{self.name} does not answer ({reason}), waited for {CONNECT_SECONDS} s at most: check that the server "
            "is up, and host and port"
        )


def name_of(config: pb.PostgreSQLDatabaseConfig) -> str:
    """Return the name of the database that a configuration of `Server.postgresql_config` connects to."""
    user, host, port, database = map(_unquoted, (config.user, config.host, config.port, config.dbname))
    return _name(POSTGRESQL, user, host, port, database)


def _name(kind: str, user: str, host: str, port: str, database: str) -> str:
    return f"{kind}://{user}@{f'[{host}]' if ':' in host else host}:{port}/{database}"


def advice_if_refused(reason: str, otherwise: str) -> str:
    """Return what to do when a server refuses a connection: `otherwise`, unless it refuses all of them for now."""
    if any(words in reason.lower() for words in _BUSY):
        return "try again when it takes connections; `max_connections` limits their number"
    return otherwise


def is_url(given: str) -> bool:
    """Return whether a text is meant as the URL of a store, also one without its slashes: it may contain a password."""
    return "://" in given or given.partition(":")[0].lower() in _SCHEMES


def _options(query: str, kind: str) -> dict[str, str]:
    given = dict(urllib.parse.parse_qsl(query, keep_blank_values=True))
    for name in given:
        if name not in _OPTIONS[kind]:
            allowed = ", ".join(_OPTIONS[kind]) or "none"
            raise UsageError(f"no option {name} in the URL of a {kind} store (there are: {allowed})")
    if (mode := given.get("sslmode", "prefer")) not in _SSL_MODES:
        raise UsageError(
            f"sslmode {mode!r} in the URL of the store is not allowed (there are: {', '.join(_SSL_MODES)})"
        )
    return given


def _port(parts: urllib.parse.SplitResult) -> int | None:
    try:
        return parts.port
    except ValueError:  # not chained: its message may contain a part of the password
        raise UsageError(f"the port in the URL of the store is no number up to 65535: {_FORM}; {_ENCODED}") from None


def _quoted(value: str) -> str:
    """Quote a value for libpq's connection string, into which ML Metadata copies it."""
    return "'" + value.replace("\\", "\\\\").replace("'", "\\'") + "'"


def _unquoted(value: str) -> str:
    return re.sub(r"\\(.)", r"\1", value[1:-1])


def _library_schema() -> int:
    """Return the schema version of the installed ML Metadata, from its error for an unknown version."""
    config = pb.ConnectionConfig()
    config.fake_database.SetInParent()  # in memory
    try:
        metadata_store.downgrade_schema(config, _UNKNOWN_SCHEMA)
    except mlmd_errors.InvalidArgumentError as error:
        if match := _LIBRARY_VERSION.search(str(error)):
            return int(match.group(1))
    raise UnavailableError("the installed ML Metadata does not report its schema version: install another one")


@contextlib.contextmanager
def captured_log(log: list[str]) -> Iterator[None]:
    """Append ML Metadata's messages on standard error to `log`, one item each; anything else is written through."""
    with _stderr_lock, tempfile.TemporaryFile() as captured:
        sys.stderr.flush()
        try:
            kept = os.dup(2)
        except OSError:  # closed
            yield
            return
        os.dup2(captured.fileno(), 2)
        try:
            yield
        finally:
            sys.stderr.flush()
            os.dup2(kept, 2)
            os.close(kept)
            _split_log(captured, log)


def _split_log(captured: IO[bytes], log: list[str]) -> None:
    captured.seek(0)
    in_message = False
    for line in captured.read().decode(errors="replace").splitlines():
        if match := _LOG_LINE.match(line):
            log.append(line[match.end() :])
            in_message = True
        elif in_message and _CONTINUED.match(line):
            log[-1] += " " + line.strip()
        else:
            in_message = False
            if line:
                sys.stderr.write(line + "\n")
