"""What the tests of keys and digests share."""

from __future__ import annotations

import pytest


@pytest.fixture(scope="module", autouse=True)
def code_read_once() -> None:
    """Let each test read code anew: here it changes."""
