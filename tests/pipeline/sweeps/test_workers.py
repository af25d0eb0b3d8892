"""Workers that an earlier process left behind."""

from __future__ import annotations

import pathlib

import pytest

from pipeline.core.pipeline_root import Root
from pipeline.sweeps import workers


@pytest.mark.parametrize("about", [None, "", "{}"])
def test_a_damaged_worker_is_put_aside(tmp_path: pathlib.Path, about: str | None) -> None:
    """It would end each call of the sweep; its point is run again."""
    place = workers.folder(Root(tmp_path), "l1") / "1"
    place.mkdir(parents=True)
    (place / "metadata.sqlite").write_bytes(b"no store")
    if about is not None:
        (place / "root.json").write_text(about)
    notes: list[str] = []
    found = workers.WorkerTrials(Root(tmp_path), "l1", "sample", ("Evaluator",), 2, notes.append)
    assert [one.name for one in place.parent.iterdir()] == ["damaged-1"]
    assert len(notes) == 1
    assert str(place) in notes[0]
    assert found.capacity == 1
