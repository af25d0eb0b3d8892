"""Clients that write: what is said of a store that cannot be written."""

from __future__ import annotations

import pathlib
import resource

import pytest

from pipeline.core.errors import UnavailableError
from pipeline.metadata import client


def test_a_new_store_on_a_full_disk_names_the_file_and_how_to_free_space(tmp_path: pathlib.Path) -> None:
    path = tmp_path / "metadata.sqlite"
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (0, limits[1]))
    try:
        with pytest.raises(UnavailableError) as caught:
            client.connect(path)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    assert str(path) in str(caught.value)
    assert "sae gc --yes" in str(caught.value)
    assert "restore" not in str(caught.value)
