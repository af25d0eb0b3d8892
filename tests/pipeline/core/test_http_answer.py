"""Answers of a server that is not what it should be end."""

from __future__ import annotations

import contextlib
import socket
import threading
from collections.abc import Iterator

import pytest

from pipeline.core import http_answer

HEADER = b"HTTP/1.1 200 OK\r\n\r\n"


@contextlib.contextmanager
def server(part: bytes, pause: float) -> Iterator[str]:
    """A server that sends the same part again and again; yield its address."""
    ended = threading.Event()
    with socket.create_server(("127.0.0.1", 0)) as listening:

        def send() -> None:
            connection, _ = listening.accept()
            with connection, contextlib.suppress(OSError):  # the client has enough
                connection.recv(1000)
                connection.sendall(HEADER)
                while not ended.wait(pause):
                    connection.sendall(part)

        thread = threading.Thread(target=send)
        thread.start()
        try:
            yield f"http://127.0.0.1:{listening.getsockname()[1]}/"
        finally:
            ended.set()
            thread.join()


def test_an_answer_that_drips_ends() -> None:
    with server(b" ", 0.05) as url, pytest.raises(OSError, match="does not end"):
        http_answer.of(url, seconds=0.3)


def test_an_answer_without_an_end_is_not_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(http_answer, "_MOST", 1_000_000)
    with server(b" " * 100_000, 0) as url, pytest.raises(OSError, match="does not end"):
        http_answer.of(url, seconds=600)


def test_the_whole_answer_is_returned() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listening:

        def send() -> None:
            connection, _ = listening.accept()
            with connection:
                connection.recv(1000)
                connection.sendall(HEADER + b"a" * 200_000)

        thread = threading.Thread(target=send)
        thread.start()
        assert http_answer.of(f"http://127.0.0.1:{listening.getsockname()[1]}/") == b"a" * 200_000
        thread.join()
