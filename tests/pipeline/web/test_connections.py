"""Idle, slow and hostile clients of the server: others are answered, the log stays small, and no status is 500."""

from __future__ import annotations

import concurrent.futures
import contextlib
import logging
import random
import re
import resource
import socket
import subprocess
import sys
import time
import urllib.request

import psutil
import pytest

from pipeline.web import connections
from tests import PROJECT
from tests.builders.pages import artifact_of, path_of
from tests.builders.roots import Recorded

ENOUGH_FILES = 128
SECONDS = 3.0  # for a request, instead of 10
SERVE = f"""
import sys
from pipeline import cli
from pipeline.web import connections
connections.REQUEST_SECONDS = {SECONDS}
cli.main(sys.argv[1:])
"""
HOST = b"Host: localhost\r\n"


@contextlib.contextmanager
def serving(root, files=None):
    """A server, its port, and a function that returns its log after it has ended."""
    command = [sys.executable, "-c", SERVE, "serve", "--port", "0", "--root", str(root)]

    def limit():
        if files:
            resource.setrlimit(resource.RLIMIT_NOFILE, (files, files))

    log = root.parent / f"serve-{time.monotonic_ns()}.log"
    with log.open("wb") as errors, subprocess.Popen(command, cwd=PROJECT, stderr=errors, preexec_fn=limit) as process:
        try:
            until = time.monotonic() + 60
            while not (found := re.search(rb":(\d+)/ ", log.read_bytes())) and time.monotonic() < until:
                time.sleep(0.05)
            yield int(found.group(1)), psutil.Process(process.pid), log
        finally:
            process.terminate()


def ask(port, content, responses=1):
    """What the server sends in response to bytes, up to this number of whole responses."""
    received = b""
    address = ("127.0.0.1", port)
    with socket.create_connection(address, 20) as client, contextlib.suppress(ConnectionError, TimeoutError):
        client.sendall(content)
        while _complete(received) < responses and (block := client.recv(65536)):
            received += block
    return received


def _complete(received):
    number = 0
    while found := re.match(rb"HTTP/1\.1 .*?content-length: (\d+)\r\n.*?\r\n\r\n", received, re.DOTALL | re.IGNORECASE):
        end = found.end() + int(found.group(1))
        if len(received) < end:
            break
        received, number = received[end:], number + 1
    return number


def get(port):
    with urllib.request.urlopen(f"http://127.0.0.1:{port}/runs.json", timeout=20) as answer:
        return answer.status


@pytest.mark.component
def test_half_open_connections_do_not_keep_others_out(filled):
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (min(hard, max(soft, 1024)), hard))
    with contextlib.ExitStack() as opened:
        servers = [opened.enter_context(serving(filled.root.path, files=ENOUGH_FILES)) for _ in range(2)]

        def half_open(server, content):
            """Open many connections that sent this; return what of the processor the server had used then."""
            port, process, _ = server
            for _ in range(300):
                client = opened.enter_context(socket.create_connection(("127.0.0.1", port), timeout=20))
                with contextlib.suppress(ConnectionError):
                    client.sendall(content)
            assert get(port) == 200
            return sum(process.cpu_times()[:2])

        with concurrent.futures.ThreadPoolExecutor() as both:  # a connection waits until others were given up
            used = list(both.map(half_open, servers, (b"", b"GET / HTTP/1.1\r\nHost: loc")))
        time.sleep(SECONDS + 1)
        for (port, process, _), before in zip(servers, used, strict=True):
            assert sum(process.cpu_times()[:2]) - before < 2  # it spun for all of that time
            assert len([one for one in process.net_connections() if one.status == "ESTABLISHED"]) == 0
            assert get(port) == 200
    resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
    for _, _, log in servers:
        assert log.stat().st_size < 2000


@pytest.mark.component
def test_hostile_requests_get_one_line(filled):
    one = b"GET /runs.json HTTP/1.1\r\n" + HOST
    requests = {
        b"GET /" + b"x" * 100_000 + b" HTTP/1.1\r\n" + HOST + b"\r\n": 404,
        b"GET /" + b"x" * 300_000 + b" HTTP/1.1\r\n" + HOST + b"\r\n": 400,
        b"GET / HTTP/1.1\r\n" + HOST + b"X: " + b"y" * 300_000 + b"\r\n\r\n": 400,
        b"GET /\r\n": 408,  # HTTP/0.9
        b"GET /\r\n\r\n": 400,
        b"GET / HTTP/1.0\r\n\r\n": 421,
        b"GET / HTTP/1.1\r\n\r\n": 400,
        b"GET / HTTP/1.1\r\nHost: [\r\n\r\n": 421,
        b"GET / HTTP/1.1\r\nHost: localhost:999999\r\n\r\n": 421,
        b"GET / HTTP/1.1\r\n" + HOST + b"Host: b\r\n\r\n": 400,
        b"GET / HTTP/1.1\r\nHost: \xff\x00\r\n\r\n": 400,
        b"GET [ HTTP/1.1\r\n" + HOST + b"\r\n": 400,
        b"GET http://evil.example/ HTTP/1.1\r\n" + HOST + b"\r\n": 400,
        b"OPTIONS * HTTP/1.1\r\n" + HOST + b"\r\n": 405,
        b"CONNECT a:1 HTTP/1.1\r\n" + HOST + b"\r\n": 405,
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03": 400,  # TLS
        b"\x00" * 1000 + b"\r\n\r\n": 400,
        one + b"Transfer-Encoding: chunked\r\n\r\nzz\r\n": None,
        one + b"Content-Length: -1\r\n\r\n": 400,
    }
    with serving(filled.root.path) as (port, _, log):
        for content, status in requests.items():
            received = ask(port, content)
            if status is None:
                assert not received or received.startswith((b"HTTP/1.1 200 ", b"HTTP/1.1 400 ")), content[:80]
                continue
            assert received.startswith(b"HTTP/1.1 %d " % status), (content[:80], received[:200])
            if b"text/html" not in received:
                assert received.partition(b"\r\n\r\n")[2].count(b"\n") == 1, (content[:80], received[-200:])
        pipelined = ask(port, (one + b"\r\n") * 3 + b"garbage\r\n\r\n", responses=4)
        assert [int(found) for found in re.findall(rb"HTTP/1\.1 (\d+) ", pipelined)] == [200, 200, 200, 400]
        for _ in range(200):
            ask(port, b"garbage\r\n\r\n")
        assert get(port) == 200
    assert log.stat().st_size < 2000
    assert b"Traceback" not in log.read_bytes()


@pytest.mark.parametrize(
    "path",
    [
        "/artifacts/" + "9" * 5000,
        "/artifacts/%00", "/runs/%00", "/runs/good/nodes/%00", "/artifacts/1/files/%00", "/artifacts/1/pictures/%00",
        "/runs/%zz", "/runs/%ff%fe", "/runs/%", "/runs/%ed%a0%80", "/runs/latest~" + "9" * 5000,
        "/artifacts?node=%00", "/artifacts?type=%ff", "/?start=" + "9" * 5000, "/?sort=%00", "/compare?run=%00&run=%ff",
        "/static/%2e%2e%2f%2e%2e%2fapp.py", "/static/%00", "/" + "a/" * 5000, "/" + "%" * 5000,
        "/artifacts/\u0663" + "9" * 400, "/runs/" + "x" * 60_000,
    ],
)  # fmt: skip
@pytest.mark.parametrize("suffix", ["", ".json"])
def test_hostile_addresses_are_client_errors(site, path, suffix, caplog):
    given, question, query = path.partition("?")
    answer = site.get(given + suffix + question + query)
    assert 400 <= answer.status_code < 500
    assert caplog.text == ""


def test_a_message_that_repeats_is_logged_once_with_its_number(monkeypatch):
    once, now = connections.OncePerInterval(), [0.0]
    monkeypatch.setattr(connections.time, "monotonic", lambda: now[0])
    record = {"msg": "failed: %s", "args": ("a",)}
    records = [logging.makeLogRecord(record) for _ in range(5)]
    assert [once.filter(one) for one in records[:4]] == [True, False, False, False]
    now[0] = 11.0
    assert once.filter(records[4])
    assert records[4].getMessage() == "failed: a (3 more since the last one)"


def test_connections_leave_files_for_requests(monkeypatch):
    for files, most in ((128, 32), (2, 1), (resource.RLIM_INFINITY, 256), (10**6, 256)):
        monkeypatch.setattr(connections.resource, "getrlimit", lambda _, files=files: (files, files))
        assert connections.most_connections() == most


SLOW = 200
MIB = 1024 * 1024


@pytest.mark.component
def test_slow_readers_of_a_large_file_do_not_fill_the_memory(tmp_path):
    recorded = Recorded(tmp_path)
    recorded.run("r1", names=["SchemaGen"])
    number = artifact_of(recorded, "r1", "SchemaGen", "schema")
    with path_of(recorded, "r1", "SchemaGen", "schema").joinpath("large").open("wb") as file:
        file.truncate(100 * MIB)
    request = f"GET /artifacts/{number}/files/large HTTP/1.1\r\n".encode() + HOST + b"\r\n"
    with serving(recorded.root.path) as (port, process, log), contextlib.ExitStack() as opened:
        assert get(port) == 200
        before = process.memory_info().rss
        clients = []
        for _ in range(SLOW):
            client = opened.enter_context(socket.socket())
            client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
            client.settimeout(60)
            client.connect(("127.0.0.1", port))
            client.sendall(request)
            clients.append(client)
        for client in clients:
            assert client.recv(15).startswith(b"HTTP/1.1 200 ")
        most = process.memory_info().rss
        for client in clients:
            assert client.recv(4096)
            most = max(most, process.memory_info().rss)
        assert get(port) == 200
        assert (most - before) / MIB < 100
    assert b"Traceback" not in log.read_bytes()


@pytest.mark.component
def test_a_large_file_arrives_whole(tmp_path):
    recorded = Recorded(tmp_path)
    recorded.run("r1", names=["SchemaGen"])
    number = artifact_of(recorded, "r1", "SchemaGen", "schema")
    content = random.Random(7).randbytes(40 * MIB + 3)
    path_of(recorded, "r1", "SchemaGen", "schema").joinpath("large").write_bytes(content)
    address = f"/artifacts/{number}/files/large"
    with serving(recorded.root.path) as (port, process, log):
        with urllib.request.urlopen(f"http://127.0.0.1:{port}{address}", timeout=60) as answer:
            assert answer.headers["Content-Length"] == str(len(content))
            assert answer.read() == content
        head = ask(port, f"HEAD {address} HTTP/1.1\r\nConnection: close\r\n".encode() + HOST + b"\r\n", responses=9)
        assert head.startswith(b"HTTP/1.1 200 ")
        assert f"content-length: {len(content)}\r\n".encode() in head.lower()
        assert head.endswith(b"\r\n\r\n")
        with socket.create_connection(("127.0.0.1", port), 20) as client:  # it leaves in the middle
            client.sendall(f"GET {address} HTTP/1.1\r\n".encode() + HOST + b"\r\n")
            assert client.recv(15)
        until = time.monotonic() + 20
        while _opens(process, "large") and time.monotonic() < until:
            time.sleep(0.05)
        assert not _opens(process, "large")
        assert get(port) == 200
    assert b"Traceback" not in log.read_bytes()


def _opens(process, name):
    return any(one.path.endswith(f"/{name}") for one in process.open_files())
