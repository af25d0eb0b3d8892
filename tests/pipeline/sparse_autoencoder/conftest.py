"""Roots with a history, and an empty working directory."""

from __future__ import annotations

import pytest

from tests.builders.histories import four, made_once, sae

__all__ = ["four", "made_once", "sae"]


@pytest.fixture(autouse=True)
def working_directory(monkeypatch, tmp_path):
    """An empty one: the default root is in the working directory, and that of a checkout may contain runs."""
    folder = tmp_path / "working directory"
    folder.mkdir()
    monkeypatch.chdir(folder)
