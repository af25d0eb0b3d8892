"""Folders that are renamed when they are complete, and those that killed processes leave."""

from __future__ import annotations

import pathlib
import signal
import subprocess
import sys

from pipeline.core import unfinished_folder
from tests import PROJECT

_HOLDER = """
import pathlib, sys
from pipeline.core import unfinished_folder
with unfinished_folder.create(pathlib.Path(sys.argv[1])) as made:
    print(made, flush=True)
    sys.stdin.read()
"""


def test_a_folder_of_a_killed_process_is_abandoned_and_removed_by_the_next(tmp_path: pathlib.Path) -> None:
    with subprocess.Popen(
        [sys.executable, "-c", _HOLDER, str(tmp_path / "site")],
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, cwd=PROJECT,
    ) as process:  # fmt: skip
        assert process.stdout is not None
        left = pathlib.Path(process.stdout.readline().strip())
        assert left.is_dir()
        assert unfinished_folder.abandoned(tmp_path, "site") == []
        with unfinished_folder.create(tmp_path / "site") as other:
            assert left.is_dir()
            assert other != left
        process.send_signal(signal.SIGKILL)
    assert unfinished_folder.abandoned(tmp_path, "site") == [left]
    assert unfinished_folder.abandoned(tmp_path, "other") == []
    with unfinished_folder.create(tmp_path / "site"):
        assert not left.exists()


def test_it_is_removed_unless_it_was_renamed(tmp_path: pathlib.Path) -> None:
    with unfinished_folder.create(tmp_path / "new" / "site") as made:
        assert made.stat().st_mode & 0o777 == 0o755
    assert list((tmp_path / "new").iterdir()) == []
    with unfinished_folder.create(tmp_path / "site") as made:
        made.rename(tmp_path / "site")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["new", "site"]
