"""The addresses that `sae worker` listens on."""

from __future__ import annotations

import socket

import pytest

from pipeline.core.errors import UnavailableError
from pipeline.orchestration.portable import worker_address


@pytest.mark.parametrize("host", ["\ufeff", "a name", "nothing.invalid", "a\0b", "1.2.3.4"])
def test_an_address_that_cannot_be_is_refused(host: str) -> None:
    with pytest.raises(UnavailableError, match="--host"):
        worker_address.check(host, 0)


def test_a_port_in_use_is_refused() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        with pytest.raises(UnavailableError, match=rf"127\.0\.0\.1:{port} .*--port"):
            worker_address.check("127.0.0.1", port)
    worker_address.check("127.0.0.1", port)


def test_names_and_short_forms_are_resolved() -> None:
    assert [worker_address.listened(one) for one in ("127.1", "0", "127.0.0.12")] == [
        ["127.0.0.1"], ["0.0.0.0"], ["127.0.0.12"],
    ]  # fmt: skip


def test_loopback_is_added_to_addresses_of_the_network_only(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(worker_address, "_number", lambda host: host)
    assert worker_address.listened("10.1.2.3") == ["10.1.2.3", "127.0.0.1"]
    assert [worker_address.listened(one) for one in ("127.0.0.11", "localhost", "0.0.0.0", "::")] == [
        ["127.0.0.11"], ["localhost"], ["0.0.0.0"], ["::"],
    ]  # fmt: skip
