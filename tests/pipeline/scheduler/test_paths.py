from __future__ import annotations

import pathlib

from pipeline.scheduler.paths import DaemonFiles


def test_what_killed_daemons_left_is_removed(tmp_path: pathlib.Path) -> None:
    files = DaemonFiles(tmp_path)
    files.clear_except([])
    for name in ("1.run", "1.output", "11.run", "12.run.unfinished", "12.command", "2.output"):
        (files.folder / name).touch()
    files.clear_except([1, 2])
    assert sorted(path.name for path in files.folder.iterdir()) == ["1.output", "1.run", "2.output"]
    files.clear(1)
    files.clear(3)
    assert [path.name for path in files.folder.iterdir()] == ["2.output"]
