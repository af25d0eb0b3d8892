"""A file that is there whole or not at all."""

from __future__ import annotations

import pytest

from pipeline.core import atomic_file


def test_the_text_is_there_and_nothing_beside_it(tmp_path):
    atomic_file.write(tmp_path / "id", "20261124-030000\n")
    assert [path.name for path in tmp_path.iterdir()] == ["id"]
    assert (tmp_path / "id").read_text() == "20261124-030000\n"


def test_what_cannot_be_written_leaves_what_was_there(tmp_path):
    path = tmp_path / "id"
    atomic_file.write(path, "whole\n")
    with pytest.raises(UnicodeEncodeError):
        atomic_file.write(path, "x" * 100_000 + "\ud800")
    assert [found.name for found in tmp_path.iterdir()] == ["id"]
    assert path.read_text() == "whole\n"
