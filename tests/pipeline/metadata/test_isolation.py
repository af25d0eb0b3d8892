"""The processes of clients that read, forked from a process in which other libraries have files of their own."""

from __future__ import annotations

import concurrent.futures
import os
import pathlib
import signal
import subprocess
import sys
import tempfile
import threading
import time

import pytest

from pipeline.metadata import isolation
from tests import PROJECT

# What pyarrow 12 and later does after it read a CSV file: it closes a pipe before each fork and opens another after it.
LIBRARY = """
import os
pipe = list(os.pipe())
def close():
    for number in pipe:
        try:
            os.close(number)
        except OSError:
            pass
def reopen():
    pipe[:] = os.pipe()
os.register_at_fork(before=close, after_in_parent=reopen, after_in_child=reopen)
"""
CSV = """
import sys
import pyarrow.csv
pyarrow.csv.read_csv(sys.argv[1])
"""
# A server and a connection that are still open, as while a job runs on a cluster.
GRPC = """
import pipeline
import concurrent.futures
import grpc
handler = grpc.unary_unary_rpc_method_handler(lambda request, context: request)
server = grpc.server(concurrent.futures.ThreadPoolExecutor(1))
server.add_generic_rpc_handlers((grpc.method_handlers_generic_handler("a", {"b": handler}),))
port = server.add_insecure_port("127.0.0.1:0")
server.start()
channel = grpc.insecure_channel(f"127.0.0.1:{port}", options=[("grpc.enable_http_proxy", 0)])
assert channel.unary_unary("/a/b")(b"sent") == b"sent"
"""
END = """
import os
os._exit(0)  # without waiting for the server
"""
READ = """
from pipeline.metadata import isolation
processes = isolation.Processes()
print([processes.run(len, "abc") for _ in range(3)], flush=True)
"""
# The name of a folder that was removed may be another program's now.
FOLDERS = """
import os
import signal
from pipeline.metadata import isolation
processes = isolation.processes()
removed, left = processes.temporary_folder(), processes.temporary_folder()
processes.remove_folder(removed)
removed.mkdir()
print(removed, left, flush=True)
os.kill(os.getpid(), signal.SIGKILL)
"""


@pytest.mark.parametrize("library", [LIBRARY, CSV])
def test_a_library_that_closes_its_files_at_a_fork_closes_no_connection(tmp_path: pathlib.Path, library: str):
    table = tmp_path / "table.csv"
    table.write_text("a,b\n1,2\n")
    command = [sys.executable, "-c", library + READ, table]
    ended = subprocess.run(command, cwd=PROJECT, capture_output=True, text=True, check=False, timeout=60)
    assert ended.stdout == "[3, 3, 3]\n", ended.stderr


def test_open_connections_of_grpc_do_not_stop_the_processes():
    ended = subprocess.run(
        [sys.executable, "-c", GRPC + READ + END],
        cwd=PROJECT, capture_output=True, text=True, check=False, timeout=60,
    )  # fmt: skip
    assert ended.stdout == "[3, 3, 3]\n", ended.stderr


@pytest.mark.parametrize("has_proc", [True, False])
def test_files_of_this_process_are_let_go(monkeypatch: pytest.MonkeyPatch, has_proc: bool):
    """Otherwise a lock or a client of a server would stay as long as its readers."""
    if not has_proc:
        monkeypatch.setattr(isolation.os, "listdir", _no_folder)
    reading, writing = os.pipe()
    processes = isolation.Processes()
    assert processes.run(len, "abc") == 3
    os.close(writing)
    with os.fdopen(reading, "rb") as file:
        assert file.read() == b""  # it would wait for ever


def test_readers_of_all_stores_have_one_parent_and_those_of_a_forked_process_another():
    parent = isolation.processes().run(os.getppid)
    assert isolation.processes().run(os.getppid) == parent
    reading, writing = os.pipe()
    child = os.fork()
    if child == 0:
        os.write(writing, str(isolation.processes().run(os.getppid)).encode())
        os._exit(0)
    assert os.waitpid(child, 0)[1] == 0
    assert int(os.read(reading, 100)) not in (parent, child)
    os.close(reading)
    os.close(writing)
    assert isolation.processes().run(os.getppid) == parent


def test_the_reason_of_a_death_is_not_that_of_another_store():
    for reason in ("Check failed: a", "Check failed: b", ""):
        with pytest.raises(isolation.ReaderDiedError) as caught:
            isolation.processes().run(_log_and_die, reason)
        assert str(caught.value) == reason


def test_a_worker_that_cannot_be_forked_ends_no_other_and_no_folder(
    monkeypatch: pytest.MonkeyPatch, tmp_path: pathlib.Path
):
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    full, here, fork = tmp_path / "full", os.getpid(), os.fork

    def limited() -> int:
        if full.exists() and os.getpid() != here:
            raise BlockingIOError
        return fork()

    monkeypatch.setattr(isolation.os, "fork", limited)
    processes = isolation.Processes()
    other, folder = processes.client(dict), processes.temporary_folder()
    full.touch()
    with pytest.raises(isolation.ReaderDiedError):
        processes.run(len, "abc")
    full.unlink()
    assert other.ask("", len, ("abc",)) == processes.run(len, "abc") == 3
    assert folder.is_dir()


def test_a_parent_that_cannot_be_forked_is_forked_by_the_next_client(monkeypatch: pytest.MonkeyPatch):
    processes = isolation.Processes()
    os.kill(processes.run(os.getppid), signal.SIGKILL)

    def refused() -> int:
        raise BlockingIOError

    with monkeypatch.context() as limited:
        limited.setattr(isolation.os, "fork", refused)
        with pytest.raises(BlockingIOError) as kept:
            processes.run(len, "abc")
    assert processes.run(len, "abc") == 3
    assert kept.tb is not None  # and with it what was open


def test_threads_that_read_first_at_the_same_time_have_one_parent(monkeypatch: pytest.MonkeyPatch):
    """Otherwise the folders of the parent that is forgotten would be removed."""
    monkeypatch.setattr(isolation, "_by_process", {})
    threads = 8
    together = threading.Barrier(threads)

    class Slow(isolation.Processes):
        def _fork(self) -> None:
            together.wait()
            super()._fork()

    monkeypatch.setattr(isolation, "Processes", Slow)
    with concurrent.futures.ThreadPoolExecutor(threads) as pool:
        found = [one.result() for one in [pool.submit(isolation.processes) for _ in range(threads)]]
    assert len({id(one) for one in found}) == 1


def _log_and_die(reason: str) -> None:
    os.write(2, f"F1128 store.cc:1] {reason}\n".encode())
    os.kill(os.getpid(), signal.SIGKILL)


def test_of_temporary_folders_those_are_removed_that_a_killed_process_left(tmp_path: pathlib.Path):
    environment = {**os.environ, "TMPDIR": str(tmp_path)}
    ended = subprocess.run(
        [sys.executable, "-c", FOLDERS],
        cwd=PROJECT, env=environment, capture_output=True, text=True, check=False, timeout=60,
    )  # fmt: skip
    removed, left = map(pathlib.Path, ended.stdout.split())
    until = time.monotonic() + 60
    while left.exists() and time.monotonic() < until:
        time.sleep(0.01)
    assert [*tmp_path.iterdir()] == [removed], ended.stderr


def _no_folder(path: str) -> list[str]:
    raise FileNotFoundError(path)
