"""The benchmark of reading commands, on stores with few runs."""

from __future__ import annotations

import pathlib

import pytest

from benchmarks.measuring import Options, Sizes


@pytest.mark.component
def test_commands_pages_and_memory_are_measured_on_two_stores(tmp_path: pathlib.Path) -> None:
    from benchmarks import inspection

    options = Options(1, Sizes(runs=2, starts=1, requests=11), tmp_path, tmp_path, tmp_path)
    found = inspection.reading(options)
    names = [f"{name}_{runs}" for runs in ("1000", "10000") for name in ("runs", "show", "serve")]
    assert sorted(found) == sorted([*names, "serve_memory"])
    assert all(0 < value < 1000 for values in found.values() for value in values)
    assert list(tmp_path.iterdir()) == []
