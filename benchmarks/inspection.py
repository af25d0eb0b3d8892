"""Measure the commands and pages that read, on a long history.

    .venv/bin/python -m benchmarks.inspection
    .venv/bin/python -m benchmarks.inspection --cached

The history is a store with 1,000 runs that executed every node (10,000 executions); with --cached, a root with 1,000
real runs of the sample, all cached but the first, which takes a quarter of an hour to make. Commands are timed as
processes, pages from the request to the last byte.
"""

from __future__ import annotations

import argparse
import concurrent.futures
import contextlib
import os
import pathlib
import re
import statistics
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Iterator
from typing import NamedTuple

import psutil

from benchmarks.histories import executed_runs, multiply
from benchmarks.measuring import PROJECT, SAE, Options, measure, say
from pipeline.core.pipeline_root import Root

MANY = 10  # times as many runs have a very long history


def commands(place: list[str], rounds: int) -> None:
    """Print the seconds and the peak memory of commands."""
    for arguments in (
        ["runs"], ["runs", "--sort", "test_bce"], ["runs", "--json"], ["show", "latest"], ["artifacts"],
        ["artifact", "1"], ["lineage", "1"], ["diff", "latest~1", "latest"],
    ):  # fmt: skip
        measured = [measure([*SAE, *arguments, *place], {}) for _ in range(rounds)]
        seconds, peak = statistics.median(one.seconds for one in measured), max(one.peak_mib for one in measured)
        print(f"{'sae ' + ' '.join(arguments):<32} {seconds:6.2f} s  {peak:5.0f} MiB", flush=True)


class Server(NamedTuple):
    process: int
    address: str


@contextlib.contextmanager
def served(place: list[str]) -> Iterator[Server]:
    """Start a server, and stop it at the end."""
    process = subprocess.Popen([*SAE, "serve", "--port", "0", *place], stderr=subprocess.PIPE, text=True, cwd=PROJECT)
    assert process.stderr is not None
    try:
        for line in process.stderr:
            if match := re.search(r"http://[\w.:\[\]]+", line):
                yield Server(process.pid, match.group(0))
                break
        else:
            sys.exit("the server did not start")
    finally:
        process.terminate()
        process.wait()


def pages(place: list[str], rounds: int, run: str) -> None:
    """Print the times of pages."""
    with served(place) as server:
        for path in ("/", "/?sort=test_bce", f"/runs/{run}", "/artifacts", "/artifacts/1", "/artifacts/1/lineage"):
            times = []
            for _ in range(rounds + 1):
                begun = time.monotonic()
                with urllib.request.urlopen(server.address + path) as answer:
                    answer.read()
                times.append(time.monotonic() - begun)
            print(f"{path:<32} {statistics.median(times[1:]) * 1000:6.0f} ms", flush=True)


def to_first_page(place: list[str]) -> float:
    """Return the seconds from the start of a server to the last byte of its first page."""
    begun = time.monotonic()
    with served(place) as server, urllib.request.urlopen(server.address) as answer:
        answer.read()
        return time.monotonic() - begun


def memory_after(place: list[str], requests: int, run: str) -> float:
    """Return the memory of a server, with its child processes, after requests by four clients, in MiB.

    Every tenth request is for one of the pages that take long, the others are for pages of artifacts.
    """
    slow = ("/", f"/runs/{run}", "/artifacts", "/?sort=test_bce")
    paths = [slow[n // 10 % len(slow)] if n % 10 == 0 else f"/artifacts/{1 + n % 100}" for n in range(requests)]
    with served(place) as server:

        def request(path: str) -> None:
            with urllib.request.urlopen(server.address + path) as answer:
                answer.read()

        with concurrent.futures.ThreadPoolExecutor(4) as clients:
            list(clients.map(request, paths))
        process = psutil.Process(server.process)
        size = 0
        for one in (process, *process.children(recursive=True)):
            with contextlib.suppress(psutil.NoSuchProcess):  # the reader of a page has ended meanwhile
                size += one.memory_full_info().pss
        return size / 2**20


def reading(options: Options) -> dict[str, list[float]]:
    """Measure `sae runs`, `sae show latest` and the first page of `sae serve` on a long and a very long history."""
    found: dict[str, list[float]] = {}
    with options.work() as folder:
        store = pathlib.Path(folder, "metadata.sqlite")
        executed_runs(store, options.sizes.runs)
        for name, times in (("1000", 1), ("10000", MANY)):
            multiply(store, times)
            runs = times * options.sizes.runs
            say(f"made a store with {runs:,} runs, {store.stat().st_size / 2**20:,.0f} MiB")
            place = ["--metadata", str(store)]
            for command, arguments in (("runs", ["runs"]), ("show", ["show", "latest"])):
                starts = range(options.sizes.starts)
                found[f"{command}_{name}"] = [measure([*SAE, *arguments, *place]).seconds for _ in starts]
            found[f"serve_{name}"] = [to_first_page(place) for _ in starts]
            if name == "1000":
                found["serve_memory"] = [memory_after(place, options.sizes.requests, f"run-{runs - 1:05d}")]
                say(f"{options.sizes.requests:,} requests: {found['serve_memory'][0]:.0f} MiB")
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=5, help="times that each is measured (default 5)")
    parser.add_argument("--runs", type=int, default=1_000, help="runs in the store (default 1000)")
    parser.add_argument("--cached", action="store_true", help="measure a root with runs that were cached")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="sae-bench-") as folder:
        if arguments.cached:
            from benchmarks.reproducibility import make_history  # imports pytest

            root = Root(pathlib.Path(folder, "root"))
            make_history(root.path, arguments.runs, {**os.environ, "TF_USE_LEGACY_KERAS": "1"})
            place, run = ["--root", str(root.path)], max(path.stem for path in root.manifests.iterdir())
        else:
            store = pathlib.Path(folder, "metadata.sqlite")
            executed_runs(store, arguments.runs)
            place, run = ["--metadata", str(store)], f"run-{arguments.runs - 1:05d}"
        commands(place, arguments.rounds)
        pages(place, arguments.rounds, run)


if __name__ == "__main__":
    main()
