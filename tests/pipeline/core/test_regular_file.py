"""Only regular files are opened."""

from __future__ import annotations

import os
import pathlib
import socket
import stat

import pytest

from pipeline.core import regular_file


def make_odd(kind: str, path: pathlib.Path) -> None:
    """Make a pipe, a socket, an endless device or a folder."""
    if kind == "pipe":
        os.mkfifo(path)
    elif kind == "socket":
        folder = os.open(path.parent, os.O_RDONLY)
        with socket.socket(socket.AF_UNIX) as made:
            made.bind(f"/proc/self/fd/{folder}/{path.name}")  # the path of a socket may not be long
        os.close(folder)
    elif kind == "device":
        try:
            os.mknod(path, 0o600 | stat.S_IFCHR, os.makedev(1, 5))  # /dev/zero
        except PermissionError:
            pytest.skip("only root makes devices")
    else:
        path.mkdir()


ODD = ("pipe", "socket", "device", "folder")


@pytest.mark.parametrize("kind", ODD)
def test_whatever_is_no_regular_file_is_refused_at_once(tmp_path: pathlib.Path, kind: str) -> None:
    path = tmp_path / "odd"
    make_odd(kind, path)
    before = len(os.listdir("/proc/self/fd"))
    for open_it in (regular_file.opened, regular_file.opened_to_append, regular_file.text):
        with pytest.raises(OSError, match="odd"):
            open_it(path)
    assert len(os.listdir("/proc/self/fd")) == before


def test_text_is_cut_and_decoded(tmp_path: pathlib.Path) -> None:
    path = tmp_path / "text"
    path.write_bytes("aé\n".encode() + b"\xff")
    assert regular_file.text(path, "replace") == "aé\n\N{REPLACEMENT CHARACTER}"
    assert regular_file.text(path, most=3) == "aé"
    with pytest.raises(UnicodeDecodeError):
        regular_file.text(path)


def test_appending_creates_the_file_and_writes_at_once(tmp_path: pathlib.Path) -> None:
    path = tmp_path / "text"
    for _ in range(2):
        with regular_file.opened_to_append(path) as file:
            file.write(b"line\n")
            assert path.read_bytes().endswith(b"line\n")
    assert path.read_text() == "line\nline\n"


def test_a_link_is_followed_unless_told_otherwise(tmp_path: pathlib.Path) -> None:
    (tmp_path / "file").write_text("text")
    (tmp_path / "link").symlink_to("file")
    assert regular_file.text(tmp_path / "link") == "text"
    with pytest.raises(OSError, match="link"):
        regular_file.opened(tmp_path / "link", follow=False)
