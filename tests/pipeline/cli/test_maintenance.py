"""The notes of `sae verify` and `sae restore`."""

from __future__ import annotations

import pytest

from pipeline.cli import maintenance
from pipeline.provenance.manifest_diff import Difference, Group


def test_each_difference_of_the_environment_is_a_line(capsys: pytest.CaptureFixture[str]) -> None:
    found = [Difference(Group.CODE, name, "1", "2", "effect", True) for name in ("a", "b")]
    maintenance._note_environment("20200101-000000", found)
    lines = capsys.readouterr().err.splitlines()
    assert len(lines) == 3
    assert "a: 1 -> 2" in lines[1]
    assert "b: 1 -> 2" in lines[2]
