"""A worker says what it has, over a real connection, and which files it sees."""

from __future__ import annotations

import dataclasses
import hashlib
import json
import pathlib
import socket

import pytest

from pipeline.core.errors import UnavailableError
from pipeline.definition.spec import DEFAULT_PIPELINE, load
from pipeline.orchestration.portable import worker_identity
from tests.pipeline.orchestration.portable import worker_server

PIPELINE = load(DEFAULT_PIPELINE)


@pytest.fixture(scope="module")
def here() -> worker_identity.Identity:
    return worker_identity.here(PIPELINE)


def test_a_worker_with_the_same_files_has_the_same_identity(
    here: worker_identity.Identity, tmp_path: pathlib.Path
) -> None:
    (tmp_path / "token").write_bytes(b"seen")
    with worker_server.running(lambda request: worker_identity.describe(PIPELINE, request)) as port:
        found = worker_identity.ask(f"127.0.0.1:{port}", tmp_path / "token")
        missing = worker_identity.ask(f"127.0.0.1:{port}", tmp_path / "none")
        neither = worker_identity.ask(f"127.0.0.1:{port}", None)
    assert worker_identity.differences(here, found.identity) == ""
    assert (found.host, found.file, found.reason) == (socket.gethostname(), hashlib.sha256(b"seen").hexdigest(), "")
    assert (missing.file, missing.reason) == ("", "No such file or directory")
    assert (neither.file, neither.reason) == ("", "")


@pytest.mark.parametrize(
    ("changes", "text"),
    [
        ({}, ""),
        ({"python": "3.11.2"}, "python 3.11.2 there, {python} here"),
        ({"lock": ""}, "lock none there, {lock:.12} here"),
        (
            {"code": "0" * 64, "packages": "1" * 64},
            "code 000000000000 there, {code:.12} here, packages 111111111111 there",
        ),
    ],
)
def test_what_differs_is_named(here: worker_identity.Identity, changes: dict[str, str], text: str) -> None:
    found = worker_identity.differences(here, dataclasses.replace(here, **changes))
    assert found.startswith(text.format(**dataclasses.asdict(here)))
    assert bool(found) == bool(changes)


def test_nothing_listens() -> None:
    with socket.create_server(("127.0.0.1", 0)) as unused:
        port = unused.getsockname()[1]
    with pytest.raises(UnavailableError, match=rf"127.0.0.1:{port}: start `sae worker`"):
        worker_identity.ask(f"127.0.0.1:{port}", None)


@pytest.mark.parametrize(
    ("answer", "method"), [(b"{}", "Other"), (b"{}", worker_identity.METHOD), (b"[", worker_identity.METHOD)]
)
def test_something_else_listens(answer: bytes, method: str) -> None:
    with (
        worker_server.running(lambda request: answer, method) as port,
        pytest.raises(UnavailableError, match="version"),
    ):
        worker_identity.ask(f"127.0.0.1:{port}", None)


@pytest.mark.parametrize("path", ["/dev/zero", "/", "a\0b"])
def test_a_worker_reads_no_devices(path: str) -> None:
    answer = json.loads(worker_identity.describe(PIPELINE, json.dumps({"file": path}).encode()))
    assert answer["file"] == ""
    assert answer["reason"]
