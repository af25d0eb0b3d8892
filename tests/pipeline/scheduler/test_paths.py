from __future__ import annotations

import pathlib

from pipeline.scheduler.paths import Places


def test_what_killed_daemons_left_is_removed(tmp_path: pathlib.Path) -> None:
    places = Places(tmp_path)
    places.clear_others([])
    for name in ("1.run", "1.output", "11.run", "12.run.unfinished", "12.command", "2.output"):
        (places.folder / name).touch()
    places.clear_others([1, 2])
    assert sorted(path.name for path in places.folder.iterdir()) == ["1.output", "1.run", "2.output"]
    places.clear(1)
    places.clear(3)
    assert [path.name for path in places.folder.iterdir()] == ["2.output"]
