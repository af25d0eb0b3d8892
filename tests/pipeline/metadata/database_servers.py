"""A PostgreSQL and a MariaDB of the tests' own, on loopback, with roles of their own; gone when the context ends."""

from __future__ import annotations

import contextlib
import dataclasses
import functools
import os
import pathlib
import pwd
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from collections.abc import Callable

OWNER, READER = "owner", "reader"
OWNERS_PASSWORD, READERS_PASSWORD = "own'er @:/\\ 1", "re ad'er"


@dataclasses.dataclass(frozen=True)
class Running:
    """A server.

    Attributes:
      folder: of its files; its socket is there.
      sql: runs statements in a database as the owner of everything, and returns what they print.
    """

    port: int
    folder: pathlib.Path
    sql: Callable[..., str]


def postgresql_programs():
    """Where Debian's newest PostgreSQL is; None without one."""
    found = sorted(pathlib.Path("/usr/lib/postgresql").glob("*/bin/initdb"), key=lambda path: int(path.parts[-3]))
    return found[-1].parent if found else None


def _user(name):
    """The user to start a server as, which root must not be."""
    if os.geteuid() != 0:
        return {}
    known = {entry.pw_name for entry in pwd.getpwall()}
    return {"user": name if name in known else "nobody", "extra_groups": []}


@contextlib.contextmanager
def _folder(user):
    folder = pathlib.Path(tempfile.mkdtemp(dir="/tmp"))
    try:
        folder.chmod(0o755)
        if user:
            shutil.chown(folder, user["user"])
        yield folder
    finally:
        shutil.rmtree(folder)


def free_port():
    """A port that nobody listens on."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        return server.getsockname()[1]


def _run(*command, **options):
    done = subprocess.run([str(part) for part in command], text=True, capture_output=True, timeout=60, **options)
    if done.returncode:
        raise subprocess.CalledProcessError(done.returncode, done.args, done.stdout + done.stderr)
    return done.stdout


@contextlib.contextmanager
def _started(command, stop, ready, **options):
    """The process of a server that answers; `stop` is the signal that ends it at once."""
    process = subprocess.Popen([str(part) for part in command], stderr=subprocess.DEVNULL, **options)
    try:
        deadline = time.monotonic() + 60
        while True:
            try:
                ready()
                break
            except subprocess.CalledProcessError:
                assert process.poll() is None
                assert time.monotonic() < deadline
                time.sleep(0.1)
        yield
    finally:
        process.send_signal(stop)
        process.wait(60)


@contextlib.contextmanager
def postgresql():
    """PostgreSQL with the roles `owner`, who may do everything, and `reader`, who may log in."""
    programs, user = postgresql_programs(), _user("postgres")
    with _folder(user) as folder:
        port, data, password = free_port(), folder / "data", folder / "password"
        password.write_text(OWNERS_PASSWORD)
        password.chmod(0o644)
        _run(
            programs / "initdb", "-D", data, "-U", OWNER, "-A", "scram-sha-256", "--pwfile", password, "-N",
            "--encoding=UTF8", "--locale=C", cwd=folder, **user,
        )  # fmt: skip

        def sql(*statements, database="postgres"):
            commands = [part for statement in statements for part in ("-c", statement)]
            return _run(
                programs / "psql", "-h", "127.0.0.1", "-p", port, "-U", OWNER, "-d", database, "-qAtX", *commands,
                env={**os.environ, "PGPASSWORD": OWNERS_PASSWORD, "PGOPTIONS": ""},
            )  # fmt: skip

        command = [
            programs / "postgres", "-D", data, "-p", port, "-c", "listen_addresses=127.0.0.1",
            "-c", f"unix_socket_directories={folder}", "-c", "fsync=off", "-c", "full_page_writes=off",
            "-c", "autovacuum=off",  # it visits each of the hundreds of databases once a minute
        ]  # fmt: skip
        with _started(command, signal.SIGINT, lambda: sql("SELECT 1"), cwd=folder, stdout=subprocess.DEVNULL, **user):
            sql(f"CREATE ROLE {READER} LOGIN PASSWORD '{_doubled(READERS_PASSWORD)}'")
            yield Running(port, folder, sql)


@contextlib.contextmanager
def mariadb():
    """MariaDB with the users `owner`, who may do everything, and `reader`, who may read the database `kept`."""
    user = _user("mysql")
    with _folder(user) as folder:
        port, data, place = free_port(), folder / "data", folder / "socket"
        # The server writes to TMPDIR, which may be a folder that is closed to its user.
        place_of_server = {"cwd": folder, "env": {**os.environ, "TMPDIR": str(folder)}, **user}
        _run(
            "mariadb-install-db", "--no-defaults", f"--datadir={data}", "--skip-test-db", "--skip-name-resolve",
            "--auth-root-authentication-method=normal", **place_of_server,
        )  # fmt: skip

        def sql(*statements, database="mysql"):
            command = ["mariadb", "--no-defaults", f"--socket={place}", "-u", "root", "-N", database]
            return _run(*command, "-e", "; ".join(statements))

        command = [
            shutil.which("mariadbd"), "--no-defaults", f"--datadir={data}", "--bind-address=127.0.0.1",
            f"--port={port}", f"--socket={place}", f"--pid-file={folder / 'pid'}", "--skip-name-resolve",
        ]  # fmt: skip
        ready = functools.partial(sql, "SELECT 1")
        with _started(command, signal.SIGTERM, ready, stdout=subprocess.DEVNULL, **place_of_server):
            sql(
                f"CREATE USER {OWNER}@'127.0.0.1' IDENTIFIED BY '{_doubled(OWNERS_PASSWORD)}'",
                f"GRANT ALL ON *.* TO {OWNER}@'127.0.0.1'",
                f"CREATE USER {READER}@'127.0.0.1' IDENTIFIED BY '{_doubled(READERS_PASSWORD)}'",
                f"GRANT SELECT ON `kept-runs`.* TO {READER}@'127.0.0.1'",
            )
            yield Running(port, folder, sql)


def _doubled(text):
    return text.replace("\\", "\\\\").replace("'", "''")
