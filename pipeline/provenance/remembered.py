"""Answers about installed packages and imports of source files, kept in a file of the root.

Reading the metadata of some 300 packages and parsing the code takes longer than all else that a run does in which every
node is cached. What is kept is used only while everything that it was found from is the same.
"""

from __future__ import annotations

import contextlib
import json
import os
import pathlib
import sys
from collections.abc import Callable, Iterator, Sequence
from typing import Any, TypeVar

from components import atomic_file, json_text
from pipeline.core import file_digests, regular_file

T = TypeVar("T")

_DISTRIBUTIONS = (".dist-info", ".egg-info", "egg-info")  # ends of names, as importlib.metadata looks for them
_OF_WHEEL = ("METADATA", "RECORD")
_OF_EGG = ("PKG-INFO", "requires.txt", "installed-files.txt", "SOURCES.txt")


class _Answers:
    """Answers by question. `path` is the search path that they are for."""

    def __init__(self, path: tuple[str, ...], known: dict[str, Any]) -> None:
        self.path = path
        self.known = known
        self.changed = False


_answers: _Answers | None = None  # while `in_file` lasts


@contextlib.contextmanager
def in_file(file: pathlib.Path, write: bool) -> Iterator[None]:
    """Take answers from a file while the context lasts, and write new ones into it at the end.

    Args:
      file: the file; if it is missing or damaged, everything is found anew.
      write: whether the file may be written. A failure to write it has no effect.
    """
    global _answers
    path = tuple(sys.path)
    state = _state(path)
    outer, _answers = _answers, _Answers(path, _read(file, state))
    try:
        yield
    finally:
        found, _answers = _answers, outer
        if write and found.changed:
            with contextlib.suppress(OSError):
                file.parent.mkdir(exist_ok=True)
                atomic_file.write(file, json.dumps({"digest": _digest(state, found.known), "answers": found.known}))


def search_path() -> tuple[str, ...]:
    """Return where packages are looked for: as it was when `in_file` began, because libraries that a run imports add
    folders of their own.
    """
    return _answers.path if _answers else tuple(sys.path)


def answer(question: str, subject: Sequence[str], find: Callable[[], T]) -> T:
    """Return the answer to a question: the kept one, or else that of `find`.

    Args:
      question: its name.
      subject: what it is about. The answer depends on nothing else but the installed packages and this code.
      find: returns the answer, from `search_path`; it must be the same after a round trip through JSON.
    """
    answers = _answers
    if answers is None:
        return find()
    key = f"{question} {file_digests.of_mapping({'subject': subject})}"
    if key not in answers.known:
        answers.known[key] = find()
        answers.changed = True
    found: T = answers.known[key]
    return found


def _read(file: pathlib.Path, state: str) -> dict[str, Any]:
    """Return the answers in a file; empty if it is missing or damaged, or they were found from another state."""
    try:
        content = json_text.parse(regular_file.text(file))
        known = content["answers"]
        return known if isinstance(known, dict) and content["digest"] == _digest(state, known) else {}
    except (OSError, ValueError, TypeError, KeyError):
        return {}


def _digest(state: str, known: dict[str, Any]) -> str:
    return file_digests.of_mapping({"state": state, "answers": known})


def _state(path: Sequence[str]) -> str:
    """Return a digest of what answers are found from: installed packages, interpreter, system, and this code."""
    system = os.uname()
    code = sorted(pathlib.Path(__file__).parent.glob("*.py"))
    return file_digests.of_mapping(
        {
            "packages": [found for folder in path if (found := _distributions(folder))],
            # Markers of requirements name these.
            "system": [sys.version, sys.platform, system.sysname, system.release, system.version, system.machine],
            "code": [file_digests.of_file(file) for file in code],
        }
    )


def _distributions(folder: str) -> list[Any]:
    """Return the files with the metadata of the distributions in a folder or archive, and what tells a changed one."""
    try:
        names = sorted(os.listdir(folder or "."))
    except OSError:
        state = _file_state(folder)
        return [folder, state] if state else []
    found: list[Any] = []
    for name in names:
        if name.lower().endswith(_DISTRIBUTIONS):
            place = os.path.join(folder, name)
            states = [_file_state(f"{place}/{part}") for part in _OF_WHEEL]
            if None in states:
                states += [_file_state(place), *(_file_state(os.path.join(place, part)) for part in _OF_EGG)]
            found.append([place, states])
    return found


def _file_state(path: str) -> list[int] | None:
    try:
        found = os.stat(path)
    except OSError:
        return None
    return [found.st_ino, found.st_size, found.st_mtime_ns, found.st_ctime_ns]
