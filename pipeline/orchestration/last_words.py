"""Show the last lines of a run's log if its process dies without reaching its own error handling.

A native library that aborts, a segmentation fault and `kill -9` end Python at once, and standard error is redirected to
the log. So a small second process waits for the end of the first one. This module is also that process's program, so it
imports only the standard library.
"""

from __future__ import annotations

import contextlib
import faulthandler
import pathlib
import re
import subprocess
import sys
from collections.abc import Iterator
from typing import TextIO

_DONE = b"done"
_MAX_BYTES = 65_536  # read of the log's end
_MAX_LINES = 6
_MAX_COLUMNS = 300
# Python's fault handler writes this line, then the stack.
_FATAL = re.compile(r"^Fatal Python error: ", re.MULTILINE)
_STACK = re.compile(r"^  File .*", re.MULTILINE)


@contextlib.contextmanager
def shown(log: pathlib.Path, terminal: TextIO, what: str, next_step: str) -> Iterator[None]:
    """Show the log's last lines on the terminal if this process dies in this context.

    Args:
      log: the log, to which standard error is redirected.
      terminal: a stream with a file number.
      what: what died: `run 20261123-143005`.
      next_step: what the user can do.
    """
    size = str(log.stat().st_size)  # a resumed run appends
    # A session of its own, so that Ctrl-C in a terminal does not end it before this process is done.
    watcher = subprocess.Popen(
        [sys.executable, "-I", "-S", __file__, str(log), size, what, next_step],
        stdin=subprocess.PIPE,
        stdout=subprocess.DEVNULL,
        stderr=terminal.fileno(),
        start_new_session=True,
        bufsize=0,
    )
    assert watcher.stdin is not None
    trace = not faulthandler.is_enabled()
    if trace:
        faulthandler.enable(all_threads=False)
    try:
        yield
    finally:
        if trace:
            faulthandler.disable()
        with contextlib.suppress(BrokenPipeError):  # a cancelled run kills all its children
            watcher.stdin.write(_DONE)
        watcher.stdin.close()
        watcher.wait()


def message(log: pathlib.Path, offset: int, what: str, next_step: str) -> str:
    """Return the error message for a process that died: what, why if it is known, the last lines, and the log."""
    try:
        with open(log, "rb") as file:
            size = file.seek(0, 2)
            file.seek(max(offset, size - _MAX_BYTES))
            text = file.read().decode("utf-8", errors="replace")
    except OSError:
        text = ""
    fatal = list(_FATAL.finditer(text))
    how, frames = "it was killed, or a native library ended it", []
    if fatal:
        how = text[fatal[-1].end() :].partition("\n")[0]
        frames = _STACK.findall(text, fatal[-1].end())[:1]
        text = text[: fatal[-1].start()]
    lines = [line for line in text.splitlines() if line.strip()][-_MAX_LINES:] + frames
    shown = [f"  {line[:_MAX_COLUMNS]}" for line in map(_printable, lines)]
    heading = f"error: the process of {what} died: {how}; {next_step}; the last lines of {log}:"
    return "\n".join([heading, *shown]) + "\n"


def _printable(text: str) -> str:
    return "".join(character if character.isprintable() else "?" for character in text.expandtabs())


def _main(log: str, offset: str, what: str, next_step: str) -> None:
    if sys.stdin.buffer.read() != _DONE:
        sys.stderr.write(message(pathlib.Path(log), int(offset), what, next_step))


if __name__ == "__main__":
    _main(*sys.argv[1:])
