"""What commands print: data on standard output, notes beside it on standard error."""

from __future__ import annotations

import select
import sys
from typing import TYPE_CHECKING, Any, TextIO

import click

from pipeline.core import serialization

if TYPE_CHECKING:
    from pipeline.terminal.table import Screen


def screen() -> Screen:
    """What is known of standard output."""
    from pipeline.terminal.table import Screen

    return Screen.of(sys.stdout)


def write(text: str) -> None:
    """Prints text that is safe for a terminal, whatever characters this can show."""
    from pipeline.terminal.table import printable

    click.echo(printable(sys.stdout, text), color=True)  # a `Screen` knows whether colours are wanted


def write_json(fields: Any) -> None:
    """Print a dataclass or mapping as one JSON document with its `schema_version`."""
    click.echo(serialization.document(fields))


def note(text: str) -> None:
    """Says something beside the data; nothing where there is nothing to say."""
    from pipeline.core.text import escaped
    from pipeline.terminal.table import printable

    if text:
        sys.stdout.flush()  # on a terminal it comes after what it is about
        click.echo(printable(sys.stderr, escaped(text)), err=True)


def nobody_reads(stream: TextIO) -> bool:
    """Whether whoever read a stream went away, as in `sae logs latest | head -1`."""
    asked = select.poll()
    asked.register(stream.fileno(), 0)
    return any(found & (select.POLLERR | select.POLLHUP) for _, found in asked.poll(0))
