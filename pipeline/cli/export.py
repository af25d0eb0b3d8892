"""The commands that write the pipeline for other orchestrators: `sae export airflow` and `kfp`."""

from __future__ import annotations

import pathlib

import click

from pipeline.cli import completion, output
from pipeline.cli.command import command
from pipeline.cli.options import current_pipeline, path_option, resolve_root, setting_options
from pipeline.cli.schedule_edit import cron_option, work_of, zone_option
from pipeline.core import settings
from pipeline.core.errors import UsageError
from pipeline.export import airflow, kfp
from pipeline.scheduler import times, triggers
from pipeline.scheduler.store import ScheduleDatabase
from pipeline.scheduler.types import Work
from pipeline_config import SchedulePolicies

_target_option = path_option(
    "--to", "target", help="File to write; it must not exist. Without it, the text is printed."
)


@command("export airflow")
@_target_option
@click.option(
    "--schedule",
    "schedule_name",
    metavar="NAME",
    shell_complete=completion.schedules,
    help="Take settings, times, retries and timeout of this schedule.",
)
@cron_option
@zone_option
@click.option("--name", metavar="ID", help="Id of the DAG.  [default: name of the schedule, else of the pipeline]")
@setting_options
def export_airflow_command(
    request: settings.Request,
    target: pathlib.Path | None,
    schedule_name: str | None,
    cron: str | None,
    zone: str | None,
    name: str | None,
) -> None:
    """Write the pipeline as a DAG of Apache Airflow 2 or 3, with a task for each node.

    Each task is a command of this installation, so `sae` and the root must have the same paths where Airflow runs its
    tasks. Without --schedule and --cron, the DAG runs when it is triggered.
    """
    pipeline, folder, now = current_pipeline(), pathlib.Path.cwd(), times.now()
    if schedule_name is not None:
        if not request.is_empty or cron is not None or zone is not None:
            raise UsageError(
                f"--schedule {schedule_name} excludes --profile, --config, --set, --seed, --cron and --zone: a "
                "schedule has settings and times of its own"
            )
        place = resolve_root(request.root).path
        with ScheduleDatabase.read(place) as database:
            schedule = database.schedule(schedule_name)
        wanted = airflow.of_schedule(schedule, name or schedule_name, place, folder, now)
    else:
        if zone is not None and cron is None:
            raise UsageError(f"--zone {zone} works with --cron only: without it the DAG runs when it is triggered")
        timing = None if cron is None else triggers.cron(cron, zone or "UTC")
        work, place = work_of(request, folder)
        wanted = airflow.DagRequest(
            name or pipeline.name, work, place, folder, timing, SchedulePolicies(), airflow.midnight(now, timing)
        )
    _write(airflow.dag(pipeline, wanted), target)


@command("export kfp")
@_target_option
@click.option(
    "--image", required=True, metavar="IMAGE", help="Container image with `sae`, such as that of the Dockerfile."
)
@click.option("--claim", required=True, metavar="NAME", help="Claim of the persistent volume with the root.")
@click.option("--name", default="", metavar="ID", help="Name of the pipeline in Kubeflow.  [default: of the pipeline]")
@click.option(
    "--memory",
    default="",
    metavar="SIZE",
    help="Memory that each task requests, and may use, such as 4Gi.  [default: what the cluster sets]",
)
@click.option(
    "--cpu",
    default="",
    metavar="N",
    help="Processors that each task requests, such as 2 or 500m.  [default: what the cluster sets]",
)
@setting_options
def export_kfp_command(
    request: settings.Request,
    target: pathlib.Path | None,
    image: str,
    claim: str,
    name: str,
    memory: str,
    cpu: str,
) -> None:
    """Write the pipeline as a specification of Kubeflow Pipelines 2, with a task for each node.

    The settings are written into the file, also those of --config. --root is a path in the container, by default
    /mnt/sae/pipeline_root; the volume is mounted at the folder above it.
    """
    resolved = settings.resolve(request)
    given = resolved.origins["paths.root"] not in ("default", settings.ROOT_VARIABLE)
    wanted = kfp.KfpRequest(
        name,
        Work(resolved.profile, assignments=settings.assignments(resolved)),
        image,
        claim,
        resolved.config.paths.root if given else kfp.DEFAULT_ROOT,
        memory,
        cpu,
    )
    _write(kfp.specification(current_pipeline(), wanted), target)


def _write(text: str, target: pathlib.Path | None) -> None:
    """Write a new file, or print the text."""
    if target is None:
        output.write_data(text.rstrip("\n"))
        return
    output.check_new(target)
    output.write_file(target, text)
