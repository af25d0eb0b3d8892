"""Workers: those that an earlier process left behind, and the ids of their runs."""

from __future__ import annotations

import itertools
import pathlib
from collections.abc import Sequence
from typing import Any

import pytest

from pipeline.core.pipeline_root import Root
from pipeline.orchestration import recovery
from pipeline.sweeps import workers
from pipeline.sweeps.trials import LocalTrials
from tests.builders.roots import Recorded


def local(folder: pathlib.Path) -> LocalTrials:
    return LocalTrials(Root(folder), "l1", "sample", ("Evaluator",))


@pytest.mark.parametrize("about", [None, "", "{}"])
def test_a_damaged_worker_is_put_aside(tmp_path: pathlib.Path, about: str | None) -> None:
    """It would end each call of the sweep; its point is run again."""
    place = workers.folder(Root(tmp_path), "l1") / "1"
    place.mkdir(parents=True)
    (place / "metadata.sqlite").write_bytes(b"no store")
    if about is not None:
        (place / "root.json").write_text(about)
    notes: list[str] = []
    found = workers.WorkerTrials(local(tmp_path), 2, notes.append)
    assert [one.name for one in place.parent.iterdir()] == ["damaged-1"]
    assert len(notes) == 1
    assert str(place) in notes[0]
    assert found.capacity == 1


class Started(workers.WorkerTrials):
    """Records in which roots points would run."""

    def _start_in(self, root: Root, point: int, settings: Sequence[str]) -> Any:
        self._roots = [*getattr(self, "_roots", ()), (root, self._local.options(root, point, settings))]

    def _make(self, place: pathlib.Path) -> None:
        place.mkdir(parents=True, exist_ok=True)


def test_runs_of_one_second_have_other_ids_in_each_worker(tmp_path: pathlib.Path) -> None:
    found = Started(local(tmp_path), 2, print)
    found.start(1, ())
    found._active.clear()
    found._base = "r1"
    found.start(2, ())
    found.start(3, ())
    suffixes = [dict(itertools.pairwise(options)).get("--run-id-suffix") for _, options in found._roots]
    assert suffixes == [None, "w1", "w2"]
    assert found.blocked_by()


def test_a_point_that_is_started_again_takes_no_second_worker(tmp_path: pathlib.Path) -> None:
    """Its first run found the root locked."""
    found = Started(local(tmp_path), 2, print)
    found._base = "r1"
    found.start(2, ())
    found.start(2, ())
    assert [root.path.name for root, _ in found._roots] == ["1", "1"]
    assert found.blocked_by() == ""


def test_a_killed_run_of_a_worker_is_not_taken_over(tmp_path: pathlib.Path) -> None:
    """It is closed by the next run there, perhaps after its point has succeeded in another worker."""
    recorded = Recorded(tmp_path)
    for run_id, error in (("r1", ""), ("r2", f"Trainer: {recovery.REASON}")):
        recorded.run(run_id, names=("SchemaGen",))
        recorded.end(run_id, state="failed", error=error, trigger="sweep l1 point 1")
    found = Started(local(tmp_path / "sweep"), 2, print)
    assert found._ended_runs(recorded.root) == ["r1"]
