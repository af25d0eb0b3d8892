"""Compare runs on this machine with the same runs on its own clusters of Flink and Spark: digests, and times.

    .venv/bin/python -m benchmarks.cluster --rounds 3
    .venv/bin/python -m benchmarks.cluster --growth 1,4,16

The first runs a profile without a cluster, on each cluster, and on Flink while a host is killed in each node with a
Beam job. The second compares those before the training for MNIST and more pictures, made by seeded shifts. Candidates
alternate.
Needs MNIST prepared (TFDS_DATA_DIR), Java, and the parts of `sae cluster install`, and of `--engine spark`.
"""

from __future__ import annotations

import argparse
import contextlib
import dataclasses
import json
import os
import pathlib
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping

from benchmarks import growth
from benchmarks.measuring import PROJECT, SAE, SHARED
from pipeline.cluster import local, parts
from pipeline.cluster.engines import ENGINES
from pipeline.cluster.plan import ClusterPlan, hosts_of_this_machine
from pipeline.scheduler.run_process import Process

BEAM_NODES = ("ExampleGen", "StatisticsGen", "Evaluator")
GROWING = BEAM_NODES[:2]  # the Evaluator needs a training, which takes most of the time and is not on the cluster
Digests = dict[tuple[str, str], str]


@dataclasses.dataclass(frozen=True)
class Case:
    """Where a run happens.

    Attributes:
      engine: `flink` or `spark`; empty for a run without a cluster.
      hosts: of the cluster.
      kills: whether a host is killed in each node with a Beam job, and started again.
    """

    name: str
    engine: str = ""
    hosts: int = 0
    kills: bool = False


CASES = (
    Case("this machine alone"),
    Case("Flink, one host", "flink", 1),
    Case("Flink, two hosts", "flink", 2),
    Case("Flink, two hosts, one killed in each Beam node", "flink", 2, kills=True),
    Case("Spark, two hosts", "spark", 2),
)


@dataclasses.dataclass(frozen=True)
class Outcome:
    """The wall seconds of a run and of its nodes, and the content digests of its outputs."""

    seconds: float
    nodes: Mapping[str, float]
    digests: Digests


@contextlib.contextmanager
def running(case: Case) -> Iterator[local.StartedCluster | None]:
    """Run the cluster of a case, with a slot for each core of this machine; None without one."""
    if not case.engine:
        yield None
        return
    hosts = hosts_of_this_machine(case.hosts)
    slots = max(1, (os.cpu_count() or 1) // case.hosts)
    with tempfile.TemporaryDirectory(prefix="sae-bench-cluster-") as folder:
        plan = ClusterPlan(ENGINES[case.engine], parts.default_folder(), pathlib.Path(folder), hosts, slots)
        started = local.up(plan)
        try:
            yield started
        finally:
            started.end()


def run(
    case: Case, cluster: local.StartedCluster | None, settings: Mapping[str, str], profile: str, *options: str
) -> Outcome:
    """Run the pipeline in a new root."""
    with tempfile.TemporaryDirectory(prefix="sae-bench-root-") as root:
        command = [*SAE, "run", "--json", "--profile", profile, "--root", root, *options]
        for name, value in {**settings, **(cluster.cluster.settings if cluster else {})}.items():
            command += ["--set", f"{name}={value}"]
        begun = time.monotonic()
        with tempfile.TemporaryFile("w+") as log:
            process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=log, text=True, cwd=PROJECT)
            if case.kills and cluster:
                for number, node in enumerate(BEAM_NODES):
                    kill_host(process, pathlib.Path(root), node, cluster, number % case.hosts)
            summary = json.loads(process.communicate()[0] or "{}")
            seconds = time.monotonic() - begun
            if process.returncode not in (0, 4) or not summary:  # 4: few epochs may be too few for the gates
                log.seek(0)
                sys.exit(f"the run failed:\n{log.read()[-2000:]}")
        return Outcome(seconds, {node["id"]: node["seconds"] for node in summary["nodes"]}, digests(root))


def kill_host(
    run: subprocess.Popen[str], root: pathlib.Path, node: str, cluster: local.StartedCluster, number: int
) -> None:
    """Kill a host as soon as a process works for a node, and start it again."""
    while run.poll() is None and not list((root / "logs").glob(f"*.workers/{node}/*.log")):
        time.sleep(0.1)
    host = hosts_of_this_machine(cluster.cluster.hosts)[number]
    for one in cluster.cluster.programs:
        if one.name.endswith(f"-{host.name}"):
            process = Process(one.process, one.identity)
            process.kill()
            while process.lives():  # until then it has its port
                time.sleep(0.01)
    cluster.start_host(host)


def digests(root: str) -> Digests:
    command = [*SAE, "show", "latest", "--json", "--root", root]
    document = json.loads(subprocess.run(command, stdout=subprocess.PIPE, check=True, cwd=PROJECT).stdout)
    outputs = [(node["node"], output) for node in document["nodes"] for output in node["outputs"]]
    return {(node, output["key"]): output["artifact"]["content"] for node, output in outputs}


def compare(cases: tuple[Case, ...], rounds: int, settings: Mapping[str, str], profile: str) -> None:
    """Print seconds and digests of each case, relative to the first."""
    outcomes: dict[Case, list[Outcome]] = {case: [] for case in cases}
    for number in range(1, rounds + 1):
        for case in cases:
            with running(case) as cluster:
                outcomes[case].append(run(case, cluster, settings, profile))
            print(f"round {number}: {case.name}: {outcomes[case][-1].seconds:.1f} s", flush=True)
    expected = outcomes[cases[0]][0].digests
    nodes = ", ".join(BEAM_NODES)
    print(f"\n| {profile}, {rounds} rounds | whole run | {nodes} | equal digests |\n|---|---|---|---|")
    for case, done in outcomes.items():
        whole = [one.seconds for one in done]
        each = ", ".join(f"{statistics.median(one.nodes[node] for one in done):.0f}" for node in BEAM_NODES)
        equal = min(sum(one.digests.get(key) == value for key, value in expected.items()) for one in done)
        median = f"{statistics.median(whole):.0f} s ({min(whole):.0f} to {max(whole):.0f})"
        print(f"| {case.name} | {median} | {each} s | {equal} of {len(expected)} |")


def crossover(sizes: list[int], source: pathlib.Path) -> None:
    """Print the seconds of these nodes, without a cluster and on one, for growing data."""
    alone, flink = CASES[0], CASES[2]
    print(f"| pictures | node | {alone.name} | {flink.name} |\n|---|---|---|---|", flush=True)
    for times in sizes:
        with tempfile.TemporaryDirectory(prefix="sae-bench-data-") as folder:
            growth.prepare(pathlib.Path(folder), source, sum(growth.SPLITS.values()), times, 0)
            settings = {"data.dataset": "growth", "data.data_dir": folder}
            with running(flink) as cluster:
                on_cluster = run(flink, cluster, settings, "mnist", "--to-node", GROWING[-1])
            here = run(alone, None, settings, "mnist", "--to-node", GROWING[-1])
            for node in GROWING:
                pictures = times * sum(growth.SPLITS.values())
                print(
                    f"| {pictures:,} | {node} | {here.nodes[node]:.1f} s | {on_cluster.nodes[node]:.1f} s |", flush=True
                )
            if here.digests != on_cluster.digests:
                sys.exit("the digests differ")


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.cluster", description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=3, help="times that each case runs (default 3)")
    parser.add_argument("--profile", default="mnist", help="default mnist")
    parser.add_argument("--epochs", type=int, default=2)
    parser.add_argument("--growth", help="instead: times as many pictures as MNIST has, such as 1,4,16")
    parser.add_argument("--without-spark", action="store_true")
    arguments = parser.parse_args()
    source = pathlib.Path(os.environ.get("TFDS_DATA_DIR", SHARED / "data" / "tensorflow_datasets")).resolve()
    if not (source / "mnist").exists():
        print(f"skipped: it needs {source / 'mnist'} (set TFDS_DATA_DIR)")
        return
    if arguments.growth:
        crossover([int(one) for one in arguments.growth.split(",")], source)
        return
    cases = tuple(case for case in CASES if not (arguments.without_spark and case.engine == "spark"))
    settings = {"training.epochs": str(arguments.epochs), "data.data_dir": str(source)}
    compare(cases, arguments.rounds, settings, arguments.profile)


if __name__ == "__main__":
    main()
