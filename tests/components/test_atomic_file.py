"""A file or folder that is there whole or not at all."""

from __future__ import annotations

import os
import pathlib
import resource
import subprocess
import sys

import pytest

from components import atomic_file
from tests import PROJECT


@pytest.fixture
def steps(monkeypatch: pytest.MonkeyPatch) -> list[tuple[str, str]]:
    """What is synced and renamed, in order."""
    found: list[tuple[str, str]] = []
    fsync, replace = os.fsync, os.replace

    def noting_fsync(number: int) -> None:
        found.append(("sync", os.path.basename(os.readlink(f"/proc/self/fd/{number}"))))
        fsync(number)

    def noting_replace(old: pathlib.Path, new: pathlib.Path) -> None:
        found.append(("rename", os.path.basename(new)))
        replace(old, new)

    monkeypatch.setattr(os, "fsync", noting_fsync)
    monkeypatch.setattr(os, "replace", noting_replace)
    return found


@pytest.mark.parametrize("content", ["20261124-030000 \u00e9\n", b"\x00\xff\r\n"])
def test_the_content_is_there_and_nothing_beside_it(tmp_path: pathlib.Path, content: str | bytes) -> None:
    atomic_file.write(tmp_path / "id", content)
    assert [path.name for path in tmp_path.iterdir()] == ["id"]
    assert (tmp_path / "id").read_bytes() == (content.encode() if isinstance(content, str) else content)


@pytest.mark.skipif(not os.path.isdir("/proc/self/fd"), reason="needs Linux: names of open files")
def test_file_and_folder_are_on_the_disk(tmp_path: pathlib.Path, steps: list[tuple[str, str]]) -> None:
    atomic_file.write(tmp_path / "id", "whole")
    assert steps == [("sync", f".id.{os.getpid()}.unfinished"), ("rename", "id"), ("sync", tmp_path.name)]


@pytest.mark.skipif(not os.path.isdir("/proc/self/fd"), reason="needs Linux: names of open files")
def test_a_folder_is_on_the_disk_with_all_its_files(tmp_path: pathlib.Path, steps: list[tuple[str, str]]) -> None:
    (tmp_path / "new" / "inner").mkdir(parents=True)
    (tmp_path / "new" / "one").write_text("1")
    (tmp_path / "new" / "inner" / "two").write_text("2")
    atomic_file.replace(tmp_path / "new", tmp_path / "made")
    assert (tmp_path / "made" / "inner" / "two").read_text() == "2"
    assert sorted(steps[:4]) == [("sync", "inner"), ("sync", "new"), ("sync", "one"), ("sync", "two")]
    assert steps[4:] == [("rename", "made"), ("sync", tmp_path.name)]


@pytest.mark.parametrize("step", ["fsync", "replace"])
def test_what_cannot_be_written_leaves_what_was_there(
    tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch, step: str
) -> None:
    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    path = tmp_path / "id"
    atomic_file.write(path, "whole\n")
    monkeypatch.setattr(os, step, full)
    with pytest.raises(OSError, match="No space left"):
        atomic_file.write(path, "x" * 100_000)
    assert [found.name for found in tmp_path.iterdir()] == ["id"]
    assert path.read_text() == "whole\n"


def test_a_process_that_is_killed_before_the_rename_leaves_what_was_there(tmp_path: pathlib.Path) -> None:
    path = tmp_path / "id"
    atomic_file.write(path, "whole\n")
    program = (
        "import os, pathlib, signal, sys; from components import atomic_file;"
        "os.replace = lambda *_: os.kill(os.getpid(), signal.SIGKILL);"
        "atomic_file.write(pathlib.Path(sys.argv[1]), 'other')"
    )
    done = subprocess.run([sys.executable, "-c", program, str(path)], cwd=PROJECT, check=False)
    assert done.returncode == -9
    assert path.read_text() == "whole\n"
    atomic_file.write(path, "next\n")
    assert path.read_text() == "next\n"


def test_an_error_of_writing_names_the_file_and_keeps_the_older_one(tmp_path: pathlib.Path) -> None:
    path = tmp_path / "id"
    path.write_text("old")
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (0, limits[1]))
    try:
        with pytest.raises(OSError, match="large") as caught:
            atomic_file.write(path, "new")
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    assert caught.value.filename == str(path)
    assert path.read_text() == "old"
    assert [one.name for one in tmp_path.iterdir()] == ["id"]


def test_an_error_of_opening_names_the_file_and_not_the_unfinished_one(tmp_path: pathlib.Path) -> None:
    (tmp_path / "file").touch()
    for folder in ("file", "missing"):
        with pytest.raises(OSError, match="directory") as caught:
            atomic_file.write(tmp_path / folder / "new", "text")
        assert caught.value.filename == str(tmp_path / folder / "new")


def test_a_name_that_an_error_has_already_is_kept(tmp_path: pathlib.Path) -> None:
    with pytest.raises(FileNotFoundError) as caught, atomic_file.named_in_errors(tmp_path):
        open(tmp_path / "missing", encoding="utf-8")  # noqa: SIM115
    assert caught.value.filename == str(tmp_path / "missing")
