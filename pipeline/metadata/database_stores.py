"""A store in PostgreSQL or MySQL, by URL. It is read: no session of ours makes a table or a database.

In PostgreSQL every transaction is read-only, whatever the role may do. MySQL has no such setting that ML Metadata would
pass on, so the database is asked first whether a store is in it: ML Metadata makes one in an empty database.
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
from collections.abc import Callable, Iterator
from typing import IO

import ml_metadata as mlmd
from ml_metadata import errors as mlmd_errors
from ml_metadata.metadata_store import metadata_store
from ml_metadata.proto import metadata_store_pb2 as pb

from pipeline.core.errors import UnavailableError, UsageError
from pipeline.metadata import client

_FORM = "give postgresql://user@host:port/database or mysql://user@host:port/database"
_POSTGRESQL, _MYSQL = "postgresql", "mysql"
_SCHEMES = {"postgresql": _POSTGRESQL, "postgres": _POSTGRESQL, "mysql": _MYSQL}
_PORTS = {_POSTGRESQL: 5432, _MYSQL: 3306}
_OPTIONS = {_POSTGRESQL: ("host", "sslcert", "sslkey", "sslmode", "sslrootcert"), _MYSQL: ()}
_PASSWORDS = {_POSTGRESQL: "PGPASSWORD", _MYSQL: "MYSQL_PWD"}
_CONNECT_SECONDS = 5  # to reach a server
_STATEMENT_SECONDS = 60  # for one answer of PostgreSQL
_NO_SCHEMA = 2**31 - 1  # a version that no library knows
_LIBRARY = re.compile(r"library version: (\d+)")
# A line of ML Metadata's log, which it writes to standard error, and the lines that go on from it.
_LOG_LINE = re.compile(r"^[IWEF]\d{4} [\d:.]+ +\d+ \S+:\d+\] ?|^WARNING: Logging before InitGoogleLogging\(\)")
_CONNECTION_FAILED = "PostgreSQL error: "
_UNREACHABLE = ("could not connect", "could not translate", "timeout expired", "server closed the connection")
_standard_error = threading.Lock()  # it is the process's: one thread at a time may catch what is written to it


class Server:
    """A database of a server.

    Attributes:
      name: its URL without the password.
    """

    def __init__(self, url: str) -> None:
        """Takes a URL apart; nothing is asked yet.

        Raises:
          UsageError: it is none that can be opened. The message does not repeat it: it may hold a password.
        """
        try:
            parts = urllib.parse.urlsplit(url)
        except ValueError:  # not told on: it quotes the password
            raise UsageError(f"the URL of the store cannot be taken apart: {_FORM}") from None
        self._kind = _SCHEMES.get(parts.scheme, "")
        if not self._kind:
            raise UsageError(f"a store cannot be read by {parts.scheme}://: {_FORM}, or the path of an SQLite file")
        self._options = _options(parts.query, self._kind)
        self._host = self._options.pop("host", "") or parts.hostname or ""
        self._port = _port(parts) or _PORTS[self._kind]
        self._user = urllib.parse.unquote(parts.username or "")
        self._password = urllib.parse.unquote(parts.password or "") or os.environ.get(_PASSWORDS[self._kind], "")
        self._database = urllib.parse.unquote(parts.path.removeprefix("/"))
        for what, value in (("host", self._host), ("user", self._user), ("database", self._database)):
            if not value:  # ML Metadata would end the process
                raise UsageError(f"the URL of the store names no {what}: {_FORM}")
            if "\0" in value:
                raise UsageError(f"the {what} in the URL of the store holds a character that none can hold: {_FORM}")
        place = f"[{self._host}]" if ":" in self._host else self._host
        self.name = f"{self._kind}://{self._user}@{place}:{self._port}/{self._database}"

    def connect(self) -> mlmd.MetadataStore:
        """A client that only reads. Several threads may ask at once.

        Raises:
          UnavailableError: the server does not answer, refuses the user, or holds no store that can be read.
        """
        return self._in_mysql() if self._kind == _MYSQL else self._in_postgresql()

    def _in_postgresql(self) -> mlmd.MetadataStore:
        config = pb.ConnectionConfig()
        given = {"host": self._host, "port": str(self._port), "user": self._user, "dbname": self._database}
        if self._password:
            given["password"] = self._password
        for field, value in given.items():
            setattr(config.postgresql, field, _quoted(value))
        for field, value in self._options.items():
            setattr(config.postgresql.ssloption, field, _quoted(value))
        config.postgresql.skip_db_creation = True
        return self._opened(lambda: client.ReadingClient(config, self.name))

    def _in_mysql(self) -> mlmd.MetadataStore:
        try:  # ML Metadata waits without limit, and does not say whether it was the server or the password
            with socket.create_connection((self._host, self._port), timeout=_CONNECT_SECONDS) as connection:
                if not connection.recv(1):  # MySQL speaks first
                    raise ConnectionError("the connection was closed")
        except OSError as error:
            raise self._unreachable(error.strerror or str(error)) from error
        config = pb.ConnectionConfig()
        config.mysql.host, config.mysql.port = self._host, self._port
        config.mysql.user, config.mysql.password = self._user, self._password
        config.mysql.database = "`" + self._database.replace("`", "``") + "`"
        config.mysql.skip_db_creation = True

        def opened() -> mlmd.MetadataStore:
            # Asks for nothing to be done, and is refused where there is no store. Opening one would make it.
            metadata_store.downgrade_schema(config, _library_schema())
            return client.ReadingClient(config, self.name)

        return self._opened(opened)

    def _opened(self, opening: Callable[[], mlmd.MetadataStore]) -> mlmd.MetadataStore:
        log: list[str] = []
        try:
            with _log_caught(log):
                return opening()
        except (RuntimeError, mlmd_errors.StatusError) as error:
            raise self._why(str(error), log) from error

    def _why(self, error: str, log: list[str]) -> UnavailableError:
        if schemas := client.other_schema(error):
            found, known = schemas
            advice = "upgrade a copy of the database" if found < known else "read it with the version that wrote it"
            return UnavailableError(
                f"{self.name} has schema {found} of ML Metadata, and this version reads schema {known} of a server; "
                f"nothing was changed: {advice}"
            )
        if "read-only transaction" in error or "Empty database is given" in error:
            return UnavailableError(
                f"{self.name} holds no store of ML Metadata that {self._user} may read; nothing was made in it: name "
                "the database that the pipeline writes to, or grant SELECT on its tables"
            )
        failed = next((line.partition(_CONNECTION_FAILED)[2] for line in log if _CONNECTION_FAILED in line), "")
        said = failed or client.said(error)
        if any(words in said for words in _UNREACHABLE):
            return self._unreachable(said.partition(" Is the server running")[0])
        if self._kind == _MYSQL and "mysql_real_connect failed" in said:
            said = "access denied, or the user does not log in by mysql_native_password, which is all that is supported"
        said = said.partition(", error: ")[2] or said  # MySQL's, which is said twice
        return UnavailableError(
            f"{self.name} cannot be opened ({said.removeprefix('FATAL:').strip()}): look at the URL; "
            f"{_PASSWORDS[self._kind]} may hold the password"
        )

    def _unreachable(self, said: str) -> UnavailableError:
        return UnavailableError(
            f"{self.name} does not answer ({said}), waited for {_CONNECT_SECONDS} s at most: is the server up, and are "
            "host and port right?"
        )


@contextlib.contextmanager
def open_server(url: str) -> Iterator[Server]:
    """A server's database, as long as the context lasts: the settings of its sessions are those of the process.

    Raises:
      UsageError: the URL is none that can be opened.
    """
    server = Server(url)
    theirs = os.environ.get("PGOPTIONS", "")
    settings = {
        # The last one counts; the limit may be another one, to write is never allowed.
        "PGOPTIONS": f"-c statement_timeout={_STATEMENT_SECONDS}s {theirs} -c default_transaction_read_only=on",
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
    except ValueError as error:
        raise UsageError(
            f"the port in the URL of the store is no number up to 65535: {_FORM}, with %2F, %3A and %40 for / : @ in a "
            "name or a password"
        ) from error


def _quoted(value: str) -> str:
    """A value as libpq reads it; ML Metadata puts it into the line as it is."""
    return "'" + value.replace("\\", "\\\\").replace("'", "\\'") + "'"


def _library_schema() -> int:
    """The schema that the installed ML Metadata knows; it tells when asked for one that it does not."""
    config = pb.ConnectionConfig()
    config.fake_database.SetInParent()  # in memory
    try:
        metadata_store.downgrade_schema(config, _NO_SCHEMA)
    except mlmd_errors.InvalidArgumentError as error:
        if match := _LIBRARY.search(str(error)):
            return int(match.group(1))
    raise UnavailableError("the installed ML Metadata does not tell its schema: use another version of it")


@contextlib.contextmanager
def _log_caught(log: list[str]) -> Iterator[None]:
    """Adds to `log` what ML Metadata writes to standard error, a line for each message; the rest is written there."""
    with _standard_error, tempfile.TemporaryFile() as caught:
        sys.stderr.flush()
        try:
            kept = os.dup(2)
        except OSError:  # closed
            yield
            return
        os.dup2(caught.fileno(), 2)
        try:
            yield
        finally:
            sys.stderr.flush()
            os.dup2(kept, 2)
            os.close(kept)
            _sort_out(caught, log)


def _sort_out(caught: IO[bytes], log: list[str]) -> None:
    caught.seek(0)
    of_log = False
    for line in caught.read().decode(errors="replace").splitlines():
        if match := _LOG_LINE.match(line):
            log.append(line[match.end() :])
            of_log = True
        elif of_log and line.startswith("\t"):
            log[-1] += " " + line.strip()
        else:
            of_log = False
            if line:
                sys.stderr.write(line + "\n")
