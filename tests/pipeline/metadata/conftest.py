"""What the tests of stores share."""

from __future__ import annotations

import functools

import pytest

from pipeline.metadata import isolation


@pytest.fixture
def own_readers(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let readers have a parent that is forked in the test, with its user, its environment and its settings."""
    monkeypatch.setattr(isolation, "processes", functools.cache(isolation.Processes))
