"""The tests that run by default: collecting them imports none of the heavy libraries."""

from __future__ import annotations

import pytest

from tests.conftest import LOADED_BY_COLLECTION


def test_collecting_the_tests_imports_no_tensorflow_tfx_or_beam(request: pytest.FixtureRequest) -> None:
    heavy = {"tensorflow", "tfx", "apache_beam", "tensorflow_datasets", "tensorflow_transform"}
    assert not heavy & request.config.stash[LOADED_BY_COLLECTION]
