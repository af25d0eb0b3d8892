"""The commands of `sae cluster`."""

from __future__ import annotations

import pathlib
from collections.abc import Iterable
from typing import Any

import click

from pipeline.cli import output
from pipeline.cli.command import command
from pipeline.cli.options import LocalPath, json_option, number_option
from pipeline.cli.selected import selection
from pipeline.cluster import java, local, parts
from pipeline.cluster.engines import ENGINES
from pipeline.cluster.plan import ClusterPlan, Ports, hosts_of_this_machine
from pipeline.core.errors import ExitCode
from pipeline.terminal import cluster as cluster_text

_folder_option = click.option(
    "--folder",
    type=LocalPath(),
    metavar="DIR",
    help="Folder of the cluster's processes, logs and configuration.  [default: ~/.cache/sae/cluster/running]",
)


def _engine_option(names: Iterable[str]) -> Any:
    listed = list(names)
    kind = click.Choice(listed)
    text = "Engine of the cluster."
    return click.option("--engine", "engine_name", type=kind, default=listed[0], show_default=True, help=text)


def _parts_option(name: str) -> Any:
    text = f"Folder of the programs; also {parts.VARIABLE}.  [default: ~/.cache/sae/cluster]"
    return click.option(name, "programs", type=LocalPath(), metavar="DIR", help=text)


def _port_option(name: str, default: int, what: str) -> Any:
    return number_option(name, limits=(1, 65535), default=default, meaning=f"Port of {what}.")


@command("install")
@_engine_option(ENGINES)
@_parts_option("--to")
@json_option
def install_command(engine_name: str, programs: pathlib.Path | None, as_json: bool) -> None:
    """Fetch the programs of an engine and Beam's job server with Maven, and check their SHA-256.

    It continues an interrupted installation, and does nothing if the files are complete.
    """
    engine, place = ENGINES[engine_name], (programs or parts.default_folder()).absolute()
    java.find(engine)  # before 300 MB are fetched that could not be started
    done = parts.install(engine, place, output.note)
    output.write_result(as_json, done, lambda: cluster_text.installed(done))


@command("up")
@_engine_option(local.PROGRAMS)
@number_option(
    "--hosts",
    limits=(1, 64),
    default=1,
    meaning="Number of task managers, each with a `sae worker`; more than one needs Linux.",
)
@number_option("--slots", limits=(1, 64), default=2, meaning="Tasks that a host runs at once.")
@_folder_option
@_parts_option("--parts")
@_port_option("--rest-port", Ports.rest, "the engine's pages")
@_port_option("--job-port", Ports.job, "Beam's job server")
@_port_option("--worker-port", Ports.worker, "each `sae worker`")
@json_option
def up_command(
    engine_name: str,
    hosts: int,
    slots: int,
    folder: pathlib.Path | None,
    programs: pathlib.Path | None,
    rest_port: int,
    job_port: int,
    worker_port: int,
    as_json: bool,
) -> None:
    """Start a cluster on this machine, and wait until it is ready; it runs until `sae cluster down`."""
    plan = ClusterPlan(
        ENGINES[engine_name],
        (programs or parts.default_folder()).absolute(),
        (folder or local.default_folder()).absolute(),
        hosts_of_this_machine(hosts),
        slots,
        ports=Ports(rest_port, job_port, worker_port),
    )
    local.up(plan, output.note)
    found = local.status(plan.folder)
    output.write_result(as_json, found, lambda: cluster_text.status(found, selection()))


@command("status")
@_folder_option
@json_option
def status_command(folder: pathlib.Path | None, as_json: bool) -> None:
    """Show the programs of the cluster, its slots and addresses, and the options of `sae run` for it.

    The exit code is 3 if there is no cluster, and 6 if one of its programs does not run.
    """
    found = local.status((folder or local.default_folder()).absolute())
    output.write_result(as_json, found, lambda: cluster_text.status(found, selection()))
    if not found.is_good:
        raise SystemExit(int(ExitCode.ENVIRONMENT))


@command("down")
@_folder_option
@json_option
def down_command(folder: pathlib.Path | None, as_json: bool) -> None:
    """End the cluster and all that it started; its logs stay until the next one starts."""
    place = (folder or local.default_folder()).absolute()
    ended = local.down(place)
    document = {"folder": str(place), "ended": ended}
    output.write_result(as_json, document, lambda: cluster_text.ended(ended, place))
