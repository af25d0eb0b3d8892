"""Check a cluster before a run uses it: Flink, Beam's job server, the workers, and that all see the pipeline root."""

from __future__ import annotations

import contextlib
import dataclasses
import os
import pathlib
import socket
from collections.abc import Iterator

from pipeline.core import file_digests
from pipeline.core.errors import ExitCode, SaeError, UnavailableError, UsageError
from pipeline.core.pipeline_root import Root
from pipeline.definition.spec import Pipeline
from pipeline.orchestration.portable import beam_options, worker_address, worker_identity
from pipeline.orchestration.portable.flink import FlinkMaster
from pipeline_config import EngineConfig

_SECONDS = 5.0
_ANSWER_SECONDS = 30.0  # a job server that has just started looks for its options first
_JOB_OPTIONS = "/org.apache.beam.model.job_management.v1.JobService/DescribePipelineOptions"


@dataclasses.dataclass(frozen=True)
class ClusterFinding:
    """What a check of a cluster found.

    Attributes:
      name: of what was checked.
      found: what was found, in words.
      advice: what to do; empty if it can be used.
      exit_code: of a run that fails for it.
    """

    name: str
    found: str
    advice: str = ""
    exit_code: ExitCode = ExitCode.ENVIRONMENT


def require(engine: EngineConfig, pipeline: Pipeline, root: Root, write: bool) -> None:
    """Raise an error for the first thing that keeps a run from using its cluster; do nothing for a local run.

    Args:
      engine: the settings of the engine.
      pipeline: the pipeline that runs.
      root: its root.
      write: whether a file may be written to the root, which workers must then see.
    """
    for one in examine(engine, pipeline, root, write):
        if one.advice:
            error = UsageError if one.exit_code == ExitCode.USAGE else UnavailableError
            raise error(f"{one.found}: {one.advice}")


def examine(engine: EngineConfig, pipeline: Pipeline, root: Root, write: bool) -> Iterator[ClusterFinding]:
    """Yield what is found of the cluster of a run, in the order of the arguments of `require`; nothing for a local one.

    A finding with advice is the last one.
    """
    if engine.is_local:
        return
    found = ClusterFinding("cluster", f"no check of the runner {engine.runner}")
    try:
        beam_options.check(engine)
        if engine.runner == "dataflow":
            yield found
            return
        hosts: list[str] = []
        if engine.runner == "flink":
            found = _flink(engine)
            yield found
            if found.advice:
                return
            hosts = FlinkMaster(engine.flink_master).hosts()
        found = _job_server(engine)
        yield found
        if not found.advice:
            yield from _workers(engine, pipeline, root, hosts, write)
    except UsageError as error:
        text, _, advice = str(error).partition(": ")
        yield ClusterFinding("Beam options", text, advice, error.exit_code)
    except SaeError as error:
        yield ClusterFinding("cluster", str(error), "start the cluster and try again; docs/cluster.md shows how")


def _flink(engine: EngineConfig) -> ClusterFinding:
    """Check that Flink's job manager answers, and has enough free slots."""
    master = FlinkMaster(engine.flink_master)
    try:
        overview = master.overview()
    except SaeError as error:
        return ClusterFinding("Flink", str(error), "start it, or set engine.flink_master; docs/cluster.md shows how")
    slots = f"{overview.free_slots} of {overview.slots} slots on {overview.task_managers} task managers are free"
    advice = ""
    if overview.slots < engine.parallelism:
        advice = f"add task managers, or set engine.parallelism to at most {overview.slots}"
    elif overview.free_slots < engine.parallelism:
        advice = f"engine.parallelism needs {engine.parallelism}: wait for other jobs to end"
    return ClusterFinding("Flink", f"Flink {overview.version} at {master.url}: {slots}", advice)


def _job_server(engine: EngineConfig) -> ClusterFinding:
    """Check that Beam's job server answers: Beam itself would wait for minutes for another server."""
    import grpc  # 0.1 s

    host, _, port = engine.job_endpoint.rpartition(":")
    name, reason = "job server", ""
    try:
        socket.create_connection((host.strip("[]"), int(port)), _SECONDS).close()
        with grpc.insecure_channel(engine.job_endpoint, [worker_address.NO_PROXY]) as opened:
            opened.unary_unary(_JOB_OPTIONS)(b"", timeout=_ANSWER_SECONDS)  # an empty message has no bytes
    except OSError as error:
        reason = f"cannot be reached ({error.strerror or error})"
    except grpc.RpcError as error:
        waited = error.code() == grpc.StatusCode.DEADLINE_EXCEEDED
        reason = f"has not answered for {_ANSWER_SECONDS:.0f} s" if waited else "is another program"
    if reason:
        found = f"Beam's job server at {engine.job_endpoint} {reason}"
        return ClusterFinding(name, found, "start it, or set engine.job_endpoint; docs/cluster.md shows how")
    return ClusterFinding(name, f"Beam's job server answers at {engine.job_endpoint}")


def _workers(
    engine: EngineConfig, pipeline: Pipeline, root: Root, hosts: list[str], write: bool
) -> Iterator[ClusterFinding]:
    """Check that a worker answers on each host, sees the root, and has the same code and packages.

    Where the hosts are not known, a name that means another host on each of them cannot be checked.
    """
    host, _, port = engine.worker_address.rpartition(":")
    if not hosts and (host == "localhost" or _is_unknown(host)):
        yield ClusterFinding(
            "worker", f"the workers at {host}:{port}, as executors see them, cannot be checked from here"
        )
        return
    identity = worker_identity.here(pipeline)
    with _token(root, write) as token:
        for one in hosts or [host]:
            found, advice = _worker(one, port, identity, root, token)
            yield ClusterFinding("worker", found, advice)
            if advice:
                return


def _worker(
    host: str, port: str, identity: worker_identity.Identity, root: Root, token: pathlib.Path | None
) -> tuple[str, str]:
    """Return what is found of the worker of a host, and what to do; the latter is empty if the worker can be used."""
    address = f"{host}:{port}"
    try:
        answer = worker_identity.ask(address, token)
    except UnavailableError as error:
        return str(error), f"`sae worker --host {host}` beside each task manager"
    who = f"the worker of host {answer.host} ({address})"
    if different := worker_identity.differences(identity, answer.identity):
        return f"{who} differs: {different}", "install the same code and lock there, and restart `sae worker`"
    if token is not None and answer.file != file_digests.of_file(token):
        found = f"{who} does not see the pipeline root {root.path} ({answer.reason or 'another file is there'})"
        return found, "choose a root with --root in a folder that all hosts share"
    return f"{who} has the same code and packages" + ", and sees the root" * (token is not None), ""


def _is_unknown(host: str) -> bool:
    try:
        socket.getaddrinfo(host.strip("[]"), None)
    except OSError:
        return True
    return False


@contextlib.contextmanager
def _token(root: Root, write: bool) -> Iterator[pathlib.Path | None]:
    """Yield a file of the root that exists here: a new one, or that of the root's format; None without a root."""
    if not write:
        yield root.about if root.about.is_file() else None
        return
    token = root.path / f".shared-{os.urandom(8).hex()}"
    try:
        token.write_text(token.name)
        yield token
    finally:
        token.unlink(missing_ok=True)
