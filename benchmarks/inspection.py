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
import uuid
from collections.abc import Iterator
from typing import NamedTuple

import ml_metadata as mlmd
import psutil
from ml_metadata.proto import metadata_store_pb2 as pb

from benchmarks.measuring import PROJECT, SAE, Options, measure, say
from pipeline.core.pipeline_root import Root
from pipeline.metadata import run_properties
from pipeline.sparse_autoencoder.definition import PIPELINE

PROPERTY = "x" * 1_500  # about as long as the properties that a run records on an execution


def executed_runs(path: pathlib.Path, runs: int, first: int = 0) -> None:
    """Add runs that executed every node to a store, with numbers from `first` up to `runs`."""
    config = pb.ConnectionConfig()
    config.sqlite.filename_uri = str(path)
    store = mlmd.MetadataStore(config)
    kinds = {name: store.put_context_type(pb.ContextType(name=name)) for name in ("pipeline", "pipeline_run", "node")}
    types = {node.name: store.put_execution_type(pb.ExecutionType(name=node.name)) for node in PIPELINE.nodes}
    keys = {key: store.put_artifact_type(pb.ArtifactType(name=key)) for node in PIPELINE.nodes for key in node.outputs}
    pipeline = store.get_context_by_type_and_name("pipeline", PIPELINE.name)
    [parent] = (
        [pipeline.id] if pipeline else store.put_contexts([pb.Context(type_id=kinds["pipeline"], name=PIPELINE.name)])
    )
    for number in range(first, runs):
        run = pb.Context(type_id=kinds["pipeline_run"], name=f"run-{number:05d}")
        metrics = {"test_bce": 0.08 + number % 50 / 10_000, "active_units": 12.0}
        headline = run_properties.Headline(
            "succeeded", 40.0 + number % 7, "mnist 3.0.1", "mnist", "manual", 1, 10, 0, metrics=metrics
        )
        for name, value in run_properties.headline_properties(headline).items():
            kind = {str: "string_value", float: "double_value", int: "int_value"}[type(value)]
            setattr(run.custom_properties[name], kind, value)
        [run_id] = store.put_contexts([run])
        store.put_parent_contexts([pb.ParentContext(child_id=run_id, parent_id=parent)])
        made: dict[tuple[str, str], pb.Artifact] = {}
        for node in PIPELINE.nodes:
            execution = pb.Execution(type_id=types[node.name], name=str(uuid.uuid4()), last_known_state=3)
            execution.custom_properties["key_code"].string_value = PROPERTY
            pairs = [(made[source], event(key, pb.Event.INPUT)) for key, source in node.inputs.items()]
            for key in node.outputs:
                artifact = pb.Artifact(type_id=keys[key], uri=f"/nowhere/{node.name}/{key}/{number}", state=2)
                artifact.custom_properties["content_digest"].string_value = f"{key}-1:{uuid.uuid4().hex}"
                artifact.custom_properties["files"].string_value = PROPERTY
                pairs.append((artifact, event(key, pb.Event.OUTPUT)))
            contexts = [
                pb.Context(type_id=kinds["pipeline"], name=PIPELINE.name),
                pb.Context(type_id=kinds["pipeline_run"], name=run.name),
                pb.Context(type_id=kinds["node"], name=f"{PIPELINE.name}.{node.name}"),
            ]
            _, ids, _ = store.put_execution(
                execution, pairs, contexts, reuse_context_if_already_exist=True, force_reuse_context=True
            )
            if node.outputs:
                written = store.get_artifacts_by_id(ids[-len(node.outputs) :])
                made.update({(node.name, key): one for key, one in zip(node.outputs, written, strict=True)})


def event(key: str, event_type: int) -> pb.Event:
    steps = [pb.Event.Path.Step(key=key), pb.Event.Path.Step(index=0)]
    return pb.Event(type=event_type, path=pb.Event.Path(steps=steps))


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
        sizes = [one.memory_full_info().pss for one in (process, *process.children(recursive=True))]
        return float(sum(sizes)) / 2**20


def reading(options: Options) -> dict[str, list[float]]:
    """Measure `sae runs`, `sae show latest` and the first page of `sae serve` on a long and a very long history."""
    found: dict[str, list[float]] = {}
    with options.work() as folder:
        store, made = pathlib.Path(folder, "metadata.sqlite"), 0
        for name, runs in (("1000", options.sizes.runs), ("10000", options.sizes.many_runs)):
            executed_runs(store, runs, first=made)
            made = runs
            say(f"made a store with {runs:,} runs, {store.stat().st_size / 2**20:,.0f} MiB")
            place = ["--metadata", str(store)]
            for command, arguments in (("runs", ["runs"]), ("show", ["show", "latest"])):
                rounds = range(max(options.rounds, 5))
                found[f"{command}_{name}"] = [measure([*SAE, *arguments, *place]).seconds for _ in rounds]
            found[f"serve_{name}"] = [to_first_page(place) for _ in rounds]
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
