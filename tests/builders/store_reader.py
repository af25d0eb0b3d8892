"""A program of somebody else's that is reading a store: a transaction that stays open until it is told to end."""

from __future__ import annotations

import contextlib
import subprocess
import sys

_READ = """
import sqlite3, sys
database = sqlite3.connect(sys.argv[1], isolation_level=None)
database.execute("BEGIN")
print(database.execute("SELECT count(*) FROM Context").fetchone()[0], flush=True)
sys.stdin.read()
"""


class Reader:
    """The program; `end` returns when it has ended."""

    def __init__(self, process):
        self._process = process

    def end(self):
        self._process.communicate()


@contextlib.contextmanager
def reader(path):
    """Runs it, in a process of its own."""
    command = [sys.executable, "-c", _READ, str(path)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout.readline()
        yield Reader(process)
