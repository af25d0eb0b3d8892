"""Kill a run at chosen moments: in a node, between two, in training, in the push. Its events say where it is."""

from __future__ import annotations

import dataclasses
import json
import os
import pathlib
import random
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence

from pipeline.core.errors import ExitCode
from pipeline.core.pipeline_root import Root
from pipeline.metadata.store import open_store
from pipeline.sparse_autoencoder.definition import PIPELINE
from tests import PROJECT

_POLL = 0.005  # seconds between two looks
_LONGEST = 600.0  # seconds that a run may take
# What a run prints comes to nothing: its files tell.
_ENDED_WELL = (ExitCode.DONE, ExitCode.GATE_FAILED)

Told = Sequence[Mapping[str, object]]


@dataclasses.dataclass(frozen=True)
class Point:
    """Where a run is killed.

    Attributes:
      name: for people.
      reached: whether the events of the attempt say that it is there.
      delay: seconds to wait from then on.
    """

    name: str
    reached: Callable[[Told], bool]
    delay: float = 0.0


def in_node(node: str, delay: float = 0.0) -> Point:
    """While a node runs: `delay` seconds after it began."""
    return Point(f"{delay:.3f} s into {node}", lambda told: _has(told, "NodeStarted", node), delay)


def after_node(node: str, delay: float = 0.0) -> Point:
    """Between the end of a node and the work of the next one."""
    return Point(f"{delay:.3f} s after {node}", lambda told: _has(told, "NodeEnded", node), delay)


def after_epoch(epoch: int, delay: float = 0.0) -> Point:
    """While the Trainer trains."""
    return Point(
        f"{delay:.3f} s after epoch {epoch}",
        lambda told: any(one["event"] == "EpochEnded" and one["epoch"] == epoch for one in told),
        delay,
    )


def pushing(serving: pathlib.Path, delay: float = 0.0) -> Point:
    """Inside the Pusher: while a model is copied to where it is served; or right after, where that was not seen."""
    return Point(
        f"{delay:.3f} s into the push",
        lambda told: (serving / ".unfinished").exists() or _has(told, "NodeEnded", "Pusher"),
        delay,
    )


def _has(told: Told, event: str, node: str) -> bool:
    return any(one["event"] == event and one["node"] == node for one in told)


def command(root: pathlib.Path, *options: str, name: str = "run") -> list[str]:
    """`sae run` or `sae resume` on a root."""
    return [sys.executable, "-m", "pipeline", name, "--root", str(root), *options]


def run_until(wanted: Sequence[str], root: pathlib.Path, point: Point) -> bool:
    """Starts a command and kills it at a point. Returns False where it ended before that."""
    before = _sizes(root)
    process = subprocess.Popen(
        wanted, cwd=PROJECT, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, start_new_session=True
    )
    try:
        deadline = time.monotonic() + _LONGEST
        while process.poll() is None and time.monotonic() < deadline:
            if point.reached(_told_since(root, before)):
                time.sleep(point.delay)
                break
            time.sleep(_POLL)
        return process.poll() is None
    finally:
        if process.poll() is None:
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()


def run_to_the_end(wanted: Sequence[str]) -> str:
    """Runs a command to its end; returns what it printed on standard output. Raises where it failed."""
    done = subprocess.run([*wanted, "--json"], cwd=PROJECT, capture_output=True, text=True, check=False)
    if done.returncode not in _ENDED_WELL:
        raise RuntimeError(f"{' '.join(wanted)} ended with {done.returncode}: {done.stderr[-2000:]}")
    return done.stdout


def _sizes(root: pathlib.Path) -> dict[pathlib.Path, int]:
    return {path: path.stat().st_size for path in (root / "progress").glob("*.jsonl")}


def told(root: pathlib.Path) -> list[dict[str, object]]:
    """The events of all runs."""
    return _told_since(root, {})


def _told_since(root: pathlib.Path, before: Mapping[pathlib.Path, int]) -> list[dict[str, object]]:
    """The events that were written since."""
    told = []
    for path in (root / "progress").glob("*.jsonl"):
        with open(path, "rb") as file:
            file.seek(before.get(path, 0))
            told += [json.loads(line) for line in file.read().splitlines(keepends=True) if line.endswith(b"\n")]
    return told


def contents(root: Root, run_id: str) -> dict[str, str]:
    """Content digest of each artifact of a run, by node and output."""
    store = open_store(root, read_only=True)
    executions = store.executions(run_id)
    return {
        f"{node} {key}": output.content
        for node in PIPELINE.names
        for key, output in store.outputs(executions[node].id).items()
    }


def draw(seed: int, seconds: Mapping[str, float], serving: pathlib.Path) -> list[Point]:
    """In each node, at a random moment of the time that it took unbroken; and between some of them."""
    chosen = random.Random(seed)
    between = set(chosen.sample(PIPELINE.names[:-1], 3))
    made = []
    for node in PIPELINE.names:
        times = 2 if node == "Trainer" else 1
        made += [in_node(node, chosen.uniform(0, 0.9 * seconds[node])) for _ in range(times)]
        if node == "Pusher":
            made.append(pushing(serving, chosen.uniform(0, 0.01)))
        if node in between:
            made.append(after_node(node, chosen.uniform(0, 0.01)))
    return made
