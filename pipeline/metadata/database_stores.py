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
from pipeline.metadata import client
from pipeline.metadata.isolation import IsolatedClient, Processes, ReaderDiedError

_FORM = "give postgresql://user@host:port/database or mysql://user@host:port/database"
_ENCODED = "in a name or a password write %2F %3A %40 %23 %3F for / : @ # ?"
_POSTGRESQL, _MYSQL = "postgresql", "mysql"
_SCHEMES = {"postgresql": _POSTGRESQL, "postgres": _POSTGRESQL, "mysql": _MYSQL}
_SCHEME = re.compile(r"[a-z][a-z0-9+.-]*")
_PORTS = {_POSTGRESQL: 5432, _MYSQL: 3306}
_OPTIONS = {_POSTGRESQL: ("host", "sslcert", "sslkey", "sslmode", "sslrootcert"), _MYSQL: ()}
_PASSWORDS = {_POSTGRESQL: "PGPASSWORD", _MYSQL: "MYSQL_PWD"}
_CONNECT_SECONDS = 5  # to reach a server
_STATEMENT_SECONDS = 60  # for one answer of PostgreSQL
_UNKNOWN_SCHEMA = 2**31 - 1  # a version that no library knows
_LIBRARY_VERSION = re.compile(r"library version: (\d+)")
# The start of a message in ML Metadata's log, which it writes to standard error; further lines begin with a tab.
_LOG_LINE = re.compile(r"^[IWEF]\d{4} [\d:.]+ +\d+ \S+:\d+\] ?|^WARNING: Logging before InitGoogleLogging\(\)")
_CONNECTION_FAILED = "PostgreSQL error: "
_UNREACHABLE = ("could not connect", "could not translate", "timeout expired", "server closed the connection")
_stderr_lock = threading.Lock()  # the process has one standard error: one thread at a time may capture it


class Server:
    """A database of a server.

    Attributes:
      name: its URL without the password.
    """

    def __init__(self, url: str) -> None:
        """Parse a URL, without connecting.

        Raises:
          UsageError: the URL is invalid. The message does not contain it, because it may contain a password.
        """
        scheme = url.partition(":")[0].lower()
        self._kind = _SCHEMES.get(scheme, "")
        if not self._kind:
            scheme = scheme if _SCHEME.fullmatch(scheme) else "..."
            raise UsageError(f"no store can be read with {scheme}://: {_FORM}, or the path of an SQLite file")
        try:
            parts = urllib.parse.urlsplit(url)
        except ValueError:  # not chained: its message contains the password
            raise UsageError(f"the URL of the store is invalid: {_FORM}") from None
        if not parts.netloc or "#" in url or any("@" in part for part in (parts.path, parts.query)):
            # A raw / ? or # in a password ends the host: the rest would be shown as a database or as an option.
            raise UsageError(f"the URL of the store is invalid: {_FORM}; {_ENCODED}")
        self._options = _options(parts.query, self._kind)
        self._host = self._options.pop("host", "") or parts.hostname or ""
        self._port = _port(parts) or _PORTS[self._kind]
        self._user = urllib.parse.unquote(parts.username or "")
        self._password = urllib.parse.unquote(parts.password or "") or os.environ.get(_PASSWORDS[self._kind], "")
        self._database = urllib.parse.unquote(parts.path.removeprefix("/"))
        for what, value in (("host", self._host), ("user", self._user), ("database", self._database)):
            if not value:  # ML Metadata would end the process
                raise UsageError(f"the URL of the store has no {what}: {_FORM}")
            if "\0" in value:
                raise UsageError(f"the {what} in the URL of the store contains a NUL character: {_FORM}")
        place = f"[{self._host}]" if ":" in self._host else self._host
        self.name = f"{self._kind}://{self._user}@{place}:{self._port}/{self._database}"
        self._lock = threading.Lock()
        self._processes: Processes | None = None

    def __getstate__(self) -> dict[str, object]:
        """Return what a worker needs to connect."""
        return {name: value for name, value in vars(self).items() if name not in ("_lock", "_processes")}

    def state(self) -> None:
        """Return None: a server does not say whether its database changed."""

    def connect(self) -> mlmd.MetadataStore:
        """Return a client that only reads, not thread-safe. Threads may call this at the same time.

        Raises:
          UnavailableError: the server does not answer or rejects the user, or the database has no readable store.
        """
        with self._lock:
            if self._processes is None:
                self._processes = Processes()
        try:
            return IsolatedClient(self._processes.client(self._connect), self._replace)
        except ReaderDiedError as error:
            raise self._row_error(error) from error

    def _replace(self, error: Exception, again: bool) -> NoReturn:
        del again
        raise self._row_error(error) from error

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
        if self._kind == _MYSQL:
            self._check_reachable()
        log: list[str] = []
        try:
            with _captured_log(log):
                return self._connect_to_mysql() if self._kind == _MYSQL else self._connect_to_postgresql()
        except (RuntimeError, mlmd_errors.StatusError) as error:
            raise self._connect_error(str(error), log) from error

    def _connect_to_postgresql(self) -> mlmd.MetadataStore:
        config = pb.ConnectionConfig()
        given = {"host": self._host, "port": str(self._port), "user": self._user, "dbname": self._database}
        if self._password:
            given["password"] = self._password
        for field, value in given.items():
            setattr(config.postgresql, field, _quoted(value))
        for field, value in self._options.items():
            setattr(config.postgresql.ssloption, field, _quoted(value))
        config.postgresql.skip_db_creation = True
        return client.ReadingClient(config, self.name)

    def _check_reachable(self) -> None:
        try:  # ML Metadata waits without limit, and does not report whether the server or the password is the problem
            with socket.create_connection((self._host, self._port), timeout=_CONNECT_SECONDS) as connection:
                if not connection.recv(1):  # the server sends first
                    raise ConnectionError("the connection was closed")
        except OSError as error:
            raise self._unreachable(cause_text(error)) from error

    def _connect_to_mysql(self) -> mlmd.MetadataStore:
        config = pb.ConnectionConfig()
        config.mysql.host, config.mysql.port = self._host, self._port
        config.mysql.user, config.mysql.password = self._user, self._password
        config.mysql.database = "`" + self._database.replace("`", "``") + "`"
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
                f"{self.name} has no store of ML Metadata that {self._user} may read; nothing was created in it: give "
                "the database that the pipeline writes to, or grant SELECT on its tables"
            )
        failed = next((line.partition(_CONNECTION_FAILED)[2] for line in log if _CONNECTION_FAILED in line), "")
        reason = failed or client.first_line(error)
        if any(words in reason for words in _UNREACHABLE):
            return self._unreachable(reason.partition(" Is the server running")[0])
        if self._kind == _MYSQL and "mysql_real_connect failed" in reason:
            reason = "access denied, or the user does not log in by mysql_native_password, the only supported method"
        reason = reason.partition(", error: ")[2] or reason  # MySQL's errors repeat themselves
        return UnavailableError(
            f"{self.name} cannot be opened ({reason.removeprefix('FATAL:').strip()}): check the URL; "
            f"{_PASSWORDS[self._kind]} may contain the password"
        )

    def _unreachable(self, reason: str) -> UnavailableError:
        return UnavailableError(
            f"{self.name} does not answer ({reason}), waited for {_CONNECT_SECONDS} s at most: check that the server "
            "is up, and host and port"
        )


@contextlib.contextmanager
def open_server(url: str) -> Iterator[Server]:
    """Yield a server's database; while the context lasts, this process's environment limits PostgreSQL sessions.

    Raises:
      UsageError: the URL is invalid.
    """
    server = Server(url)
    given = os.environ.get("PGOPTIONS", "")
    settings = {
        # The last setting of a name counts: the user may change the limit, but never allow writes.
        "PGOPTIONS": f"-c statement_timeout={_STATEMENT_SECONDS}s {given} -c default_transaction_read_only=on",
        "PGCONNECT_TIMEOUT": str(_CONNECT_SECONDS),
    }
    before = {name: os.environ.get(name) for name in settings}
    os.environ.update(settings)
    try:
        yield server
    finally:
        for name, value in before.items():
            os.environ.pop(name)
            if value is not None:
                os.environ[name] = value


def is_url(given: str) -> bool:
    """Return whether a text is meant as the URL of a store, also one without its slashes: it may contain a password."""
    return "://" in given or given.partition(":")[0].lower() in _SCHEMES


def _options(query: str, kind: str) -> dict[str, str]:
    given = dict(urllib.parse.parse_qsl(query, keep_blank_values=True))
    for name in given:
        if name not in _OPTIONS[kind]:
            allowed = ", ".join(_OPTIONS[kind]) or "none"
            raise UsageError(f"no option {name} in the URL of a {kind} store (there are: {allowed})")
    return given


def _port(parts: urllib.parse.SplitResult) -> int | None:
    try:
        return parts.port
    except ValueError:  # not chained: its message may contain a part of the password
        raise UsageError(f"the port in the URL of the store is no number up to 65535: {_FORM}; {_ENCODED}") from None


def _quoted(value: str) -> str:
    """Quote a value for libpq's connection string, into which ML Metadata copies it."""
    return "'" + value.replace("\\", "\\\\").replace("'", "\\'") + "'"


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
def _captured_log(log: list[str]) -> Iterator[None]:
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
        elif in_message and line.startswith("\t"):
            log[-1] += " " + line.strip()
        else:
            in_message = False
            if line:
                sys.stderr.write(line + "\n")
