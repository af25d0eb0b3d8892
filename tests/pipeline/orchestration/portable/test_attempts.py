"""What an attempt left behind is removed, and nothing else."""

from __future__ import annotations

import pathlib

from pipeline.orchestration.portable import attempts


def test_left_over_files_and_folders_are_removed(tmp_path: pathlib.Path) -> None:
    kept = [tmp_path / "Split-train" / "train-00000-of-00001.tfrecord", tmp_path / "metrics-00000-of-00001.tfrecord"]
    left = [kept[0].with_name(f"{kept[0].name}.ab12cd34.unfinished"), tmp_path / "beam-temp-metrics-9f" / "part"]
    for path in (*kept, *left):
        path.parent.mkdir(exist_ok=True)
        path.write_bytes(b"x")
    attempts.remove([str(tmp_path), str(tmp_path / "none")])
    assert sorted(path for path in tmp_path.rglob("*") if path.is_file()) == sorted(kept)
    assert not left[1].parent.exists()
