"""Read files of artifacts that anyone may have written: only regular files, up to a size, with errors of one line."""

from __future__ import annotations

import pathlib
from typing import Any

from google.protobuf import text_format
from google.protobuf.message import DecodeError

from components.data import features
from components.errors import cause_text
from pipeline.core import regular_file
from pipeline.core.text import bytes_text

MIB = 1024 * 1024
_FOLDER = "Split-"
_TEXT = ".pbtxt"
_LARGEST_TEXT = 2 * MIB  # bytes of a message as text, which is read by Python code


class UnreadableFileError(ValueError):
    """A file cannot be shown; the message names it and says why."""


def splits(folder: pathlib.Path) -> dict[str, pathlib.Path]:
    """Return the folder of each split by name: train, validation and test first, then others sorted by name.

    TFX up to 0.26 named the folders as the splits.
    """
    folders = [path for path in folder.iterdir() if path.is_dir() and not path.name.startswith(".")]
    marked = [path for path in folders if path.name.startswith(_FOLDER)]
    found = {path.name.removeprefix(_FOLDER): path for path in marked or folders}
    ours = [name for name in features.SPLITS if name in found]
    return {name: found[name] for name in [*ours, *sorted(found.keys() - set(ours))]}


def content(path: pathlib.Path, most: int) -> bytes:
    """Return the bytes of a file.

    Args:
      path: of the file.
      most: bytes of the largest file that is read.

    Raises:
      UnreadableFileError: it is missing, larger, or no regular file.
    """
    try:
        with regular_file.opened(path) as file:
            found = file.read(most + 1)
    except OSError as error:
        raise UnreadableFileError(f"{_name(path)} cannot be read: {cause_text(error)}") from error
    if len(found) > most:
        raise UnreadableFileError(f"{_name(path)} is larger than {bytes_text(most)}, and is not read")
    return found


def message(kind: Any, path: pathlib.Path, most: int) -> Any:
    """Return the message in a file: text if its name ends in `.pbtxt`, else binary. Raises as `content` does.

    Unknown fields are allowed: later versions of TFX have added some.
    """
    if path.suffix != _TEXT:
        return parsed(kind, content(path, most), path)
    try:
        text = content(path, min(most, _LARGEST_TEXT)).decode()
        return text_format.Parse(text, kind(), allow_unknown_field=True)
    except (text_format.ParseError, UnicodeDecodeError, RecursionError) as error:
        raise UnreadableFileError(f"{_name(path)} is damaged, or is not a {kind.DESCRIPTOR.name}") from error


def parsed(kind: Any, serialized: bytes, path: pathlib.Path) -> Any:
    """Return a message from its bytes. Raises `UnreadableFileError`, which names the file, if they are damaged."""
    try:
        return kind.FromString(serialized)
    except (DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise UnreadableFileError(f"{_name(path)} is damaged, or is not a {kind.DESCRIPTOR.name}") from error


def _name(path: pathlib.Path) -> str:
    return f"{path.parent.name}/{path.name}"
