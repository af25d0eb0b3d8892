"""What ML Metadata's store is like in SQLite's rollback mode (DELETE) and in WAL mode.

.venv/bin/python -m benchmarks.journal_modes [--writes 300] [--kills 10]
"""

from __future__ import annotations

import argparse
import contextlib
import pathlib
import random
import shutil
import sqlite3
import statistics
import subprocess
import sys
import tempfile
import time

import ml_metadata as mlmd
from ml_metadata.proto import metadata_store_pb2 as pb

HELD = 5.0  # seconds for which the reader keeps its transaction open
# Prints the number of each run that ML Metadata says it has written.
WRITER = """
import sys
from benchmarks.journal_modes import opened, write
store, number = opened(sys.argv[1]), 0
while True:
    write(store, f"{sys.argv[2]} {number}")
    number += 1
    print(number, flush=True)
"""
READER = """
import sqlite3, sys, time
database = sqlite3.connect(sys.argv[1], isolation_level=None)
database.execute("BEGIN")
print(database.execute("SELECT count(*) FROM Context").fetchone()[0], flush=True)
time.sleep(float(sys.argv[2]))
"""


def opened(path: pathlib.Path | str, read_only: bool = False) -> mlmd.MetadataStore:
    config = pb.ConnectionConfig()
    config.sqlite.filename_uri = str(path)
    if read_only:
        config.sqlite.connection_mode = pb.SqliteMetadataSourceConfig.READONLY
    return mlmd.MetadataStore(config)


def write(store: mlmd.MetadataStore, run: str) -> None:
    """An execution with an artifact in the context of a run, as TFX publishes it."""
    execution = pb.Execution(type_id=store.put_execution_type(pb.ExecutionType(name="Trainer")))
    artifact = pb.Artifact(type_id=store.put_artifact_type(pb.ArtifactType(name="Model")), uri=f"/{run}")
    context = pb.Context(type_id=store.put_context_type(pb.ContextType(name="pipeline_run")), name=run)
    store.put_execution(execution, [(artifact, pb.Event(type=pb.Event.OUTPUT))], [context])


def runs(path: pathlib.Path) -> int:
    with contextlib.closing(sqlite3.connect(path)) as database:
        return int(database.execute("SELECT count(*) FROM Context").fetchone()[0])


def seconds_of_a_write(path: pathlib.Path, writes: int) -> float:
    store, taken = opened(path), []
    for number in range(writes):
        began = time.perf_counter()
        write(store, f"write {number}")
        taken.append(time.perf_counter() - began)
    return statistics.median(taken)


def seconds_beside_a_reader(path: pathlib.Path) -> float:
    store = opened(path)
    command = [sys.executable, "-c", READER, str(path), str(HELD)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as reader:
        assert reader.stdout is not None
        reader.stdout.readline()
        began = time.perf_counter()
        write(store, "beside a reader")
        return time.perf_counter() - began


def changed_by_reading(path: pathlib.Path) -> str:
    def state() -> dict[str, bytes]:
        return {one.name: one.read_bytes() for one in path.parent.iterdir()}

    before = state()
    try:
        opened(path, read_only=True).get_executions()
    except RuntimeError:
        return "refused"
    names = sorted(name for name, content in state().items() if before.get(name) != content)
    return ", ".join(name.removeprefix(path.name) for name in names) or "nothing"


def killed(path: pathlib.Path, name: str) -> tuple[int, str, str]:
    """Kills a writer at a random moment. Returns how many of its writes are lost; how many the file lacks when it is
    copied without what lies beside it, or that such a copy is damaged; and what a reader then changed.
    """
    before = runs(path)
    command = [sys.executable, "-c", WRITER, str(path), name]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as writer:
        assert writer.stdout is not None
        writer.stdout.readline()
        time.sleep(random.uniform(0.0, 1.0))
        writer.kill()
        told = 1 + len(writer.stdout.read().split())
    with tempfile.TemporaryDirectory() as folder:
        alone = pathlib.Path(shutil.copy(path, folder))
        with contextlib.closing(sqlite3.connect(alone)) as database:
            whole = database.execute("PRAGMA quick_check(1)").fetchone() == ("ok",)
        lacking = str(max(0, before + told - runs(alone))) if whole else "damaged"
    changed = changed_by_reading(path)
    return max(0, before + told - runs(path)), lacking, changed


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--writes", type=int, default=300)
    parser.add_argument("--kills", type=int, default=10)
    asked = parser.parse_args()
    for mode in ("DELETE", "WAL"):
        with tempfile.TemporaryDirectory() as folder:
            path = pathlib.Path(folder) / "metadata.sqlite"
            opened(path)
            with contextlib.closing(sqlite3.connect(path)) as database:
                database.execute(f"PRAGMA journal_mode = {mode}")
            print(mode)
            print(f"  a write: {1000 * seconds_of_a_write(path, asked.writes):.1f} ms")
            print(f"  a write beside a reader who stays {HELD:.0f} s: {seconds_beside_a_reader(path):.2f} s")
            print(f"  changed by reading it at rest: {changed_by_reading(path)}")
            runs(path)  # SQLite's last connection puts away what a reader left
            writer = opened(path)
            write(writer, "open")
            print(f"  changed by reading it beside a writer: {changed_by_reading(path)}")
            del writer
            ends = [killed(path, f"kill {number}") for number in range(asked.kills)]
            print(f"  writes lost by {asked.kills} kills: {sum(lost for lost, _, _ in ends)}")
            print(f"  writes that the file alone lacks after a kill: {', '.join(lacking for _, lacking, _ in ends)}")
            print(f"  changed by reading it after a kill: {'; '.join(sorted({changed for _, _, changed in ends}))}")


if __name__ == "__main__":
    main()
