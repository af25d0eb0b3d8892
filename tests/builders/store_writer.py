"""Writes to a store from a process of its own, as a pipeline does while somebody reads.

python -m tests.builders.store_writer executions FILE   puts executions until standard input ends; prints how many
python -m tests.builders.store_writer hold FILE SECONDS   keeps everybody else from it; at most so long
python -m tests.builders.store_writer uncommitted FILE   is killed in a transaction that reached the file
python -m tests.builders.store_writer context FILE NAME   adds a run's context, with sqlite3, and keeps it open
"""

from __future__ import annotations

import os
import pathlib
import select
import signal
import sqlite3
import sys

ADD = (
    "INSERT INTO Context (type_id, name, create_time_since_epoch, last_update_time_since_epoch) "
    "SELECT id, ?, 1, 1 FROM Type WHERE name = 'pipeline_run'"
)


def _executions(path):
    from tests.builders.roots import STATE, Writer

    writer = Writer(pathlib.Path(path))
    count = 0
    print("begun", flush=True)
    while not select.select([sys.stdin], [], [], 0.005)[0]:
        writer.execution(f"run-{count // 10}", "Trainer", STATE.COMPLETE)
        count += 1
    print(count)


def _hold(path, seconds):
    database = sqlite3.connect(path, isolation_level=None)
    database.execute("BEGIN EXCLUSIVE")
    print("begun", flush=True)
    select.select([sys.stdin], [], [], float(seconds))
    database.execute("ROLLBACK")


def _uncommitted(path):
    database = sqlite3.connect(path, isolation_level=None)
    database.execute("PRAGMA cache_size = 1")  # pages go to the file before they are committed
    database.execute("BEGIN")
    database.executemany(ADD, ((f"uncommitted-{number}-{'x' * 200}",) for number in range(1000)))
    os.kill(os.getpid(), signal.SIGKILL)


def _context(path, name):
    database = sqlite3.connect(path, isolation_level=None)
    database.execute(ADD, (name,))
    print("begun", flush=True)
    sys.stdin.read()
    os.kill(os.getpid(), signal.SIGKILL)  # nothing is tidied up


if __name__ == "__main__":
    {"executions": _executions, "hold": _hold, "uncommitted": _uncommitted, "context": _context}[sys.argv[1]](
        *sys.argv[2:]
    )
