"""One store for all tests of the commands that read, as recording it takes a second."""

from __future__ import annotations

import pytest

from tests.golden import store


@pytest.fixture(scope="package")
def recorded(tmp_path_factory):
    return store.make(tmp_path_factory.mktemp("recorded"))
