"""The command in a child of a process that has imported it: what a test pays for is the command alone.

For programs that tests start. pytest's own process may have threads, with which a fork can hang. One such program is
`python -m tests.builders.forked STREAMS COMMANDS`: it runs each of a JSON list of commands, with streams that are
`open` or `closed`, and prints a JSON list of what `sae` returns.
"""

from __future__ import annotations

import contextlib
import io
import json
import os
import selectors
import sys

import click

from pipeline import cli
from pipeline.cli import entry


def call(arguments: list[str]) -> int:
    """Run the command in this process, without its output; return the exit code. Imports what children need."""
    out = io.TextIOWrapper(io.BytesIO(), encoding="utf-8")
    try:
        with contextlib.redirect_stdout(out):
            entry.main(arguments)
    except SystemExit as error:
        return int(error.code or 0)
    return 0


def sae(*arguments: str, closed: bool = False) -> tuple[int, str, str]:
    """Run the command in a child; return its exit code, negative for a signal, its output and its errors.

    `closed`: whether it gets no streams, as from `<&- >&- 2>&-`; then without both texts.
    """
    pipes = [os.pipe(), os.pipe()]
    pid = os.fork()
    if pid == 0:
        for number, (_, writer) in enumerate(pipes, start=1):
            os.dup2(writer, number)
        if closed:
            os.closerange(0, 3)
            sys.stdin = sys.stdout = sys.stderr = None  # type: ignore[assignment] # as Python begins then
        code = 99
        try:
            entry.main([*arguments])
        except SystemExit as error:
            code = int(error.code or 0)
        finally:
            with contextlib.suppress(OSError):
                sys.stdout.flush()
                sys.stderr.flush()
            os._exit(code)
    for _, writer in pipes:
        os.close(writer)
    output, errors = _read(*(reader for reader, _ in pipes))
    return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]), output, errors


def _read(*readers: int) -> list[str]:
    """Read pipes to their ends, all at once: a child waits while one of them is full."""
    content = dict.fromkeys(readers, b"")
    with selectors.DefaultSelector() as selector:
        for reader in readers:
            selector.register(reader, selectors.EVENT_READ)
        while selector.get_map():
            for key, _ in selector.select():
                content[key.fd] += (block := os.read(key.fd, 65_536))
                if not block:
                    selector.unregister(key.fd)
                    os.close(key.fd)
    return [text.decode(errors="replace") for text in content.values()]


def _import(commands: list[list[str]]) -> None:
    for names in commands:
        found: click.Command | None = cli.sae
        for name in names:
            found = found.commands.get(name) if isinstance(found, click.Group) else None


if __name__ == "__main__":
    given = json.loads(sys.argv[2])
    _import(given)
    print(json.dumps([sae(*command, closed=sys.argv[1] == "closed") for command in given]))
