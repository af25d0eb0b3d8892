"""Print data on standard output and notes on standard error."""

from __future__ import annotations

import pathlib
import select
import sys
from collections.abc import Callable
from typing import Any, TextIO

import click

from components import atomic_file
from components.errors import cause_text
from pipeline.cli.selected import selection
from pipeline.core import serialization
from pipeline.core.errors import UnavailableError, UsageError
from pipeline.core.text import escaped
from pipeline.terminal.table import Screen, printable

NAME = "standard output"  # in errors


def screen() -> Screen:
    """Return the width and abilities of standard output."""
    return Screen.of(sys.stdout)


def write(text: str) -> None:
    """Print a text made by `sae`, and complete the commands that it suggests."""
    write_data(selection().completed(text))


def write_data(text: str) -> None:
    """Print text that is safe for a terminal; characters that it cannot show are escaped."""
    _echo(printable(sys.stdout, text))


def write_json(fields: Any) -> None:
    """Print a dataclass or mapping as one JSON document with its `schema_version`."""
    _echo(serialization.document(fields))


def write_result(as_json: bool, document: Any, text: Callable[[], str]) -> None:
    """Print the JSON document, or the text."""
    if as_json:
        write_json(document)
    else:
        write(text())


def _echo(text: str) -> None:
    with atomic_file.named_in_errors(NAME):
        click.echo(text, color=True)  # `Screen` has decided whether there are colours


def note(text: str) -> None:
    """Print a note on standard error, and complete the commands that it suggests; nothing for an empty text."""
    if text:
        sys.stdout.flush()  # on a terminal, the note follows the data
        click.echo(printable(sys.stderr, escaped(selection().completed(text))), err=True)


def check_new(target: pathlib.Path) -> None:
    """Raise `UsageError` if the file of --to exists."""
    if target.exists() or target.is_symlink():
        raise UsageError(f"--to {target} exists already: choose another name, or remove it")


def write_file(target: pathlib.Path, content: str | bytes) -> None:
    """Write the file of --to. Raises `UnavailableError`."""
    try:
        atomic_file.write(target, content)
    except OSError as error:
        raise UnavailableError(
            f"cannot write {target}: {cause_text(error)}; name a file in a folder that you may write"
        ) from error
    note(f"wrote {target}")


def is_refused(stream: TextIO) -> bool:
    """Whether a stream still has text that cannot be written, as to a file on a full disk."""
    try:
        stream.flush()
    except (OSError, ValueError):
        return True
    return False


def reader_is_gone(stream: TextIO) -> bool:
    """Whether the reader of a pipe closed it, as in `sae logs latest | head -1`."""
    poll = select.poll()
    poll.register(stream.fileno(), 0)
    return any(events & (select.POLLERR | select.POLLHUP) for _, events in poll.poll(0))
