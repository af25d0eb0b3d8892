"""The commands that run the pipeline, and those that check what it made or would do."""

from __future__ import annotations

import pathlib
import sys
from typing import TYPE_CHECKING, Any, NoReturn

import click

from pipeline.cli import completion, output
from pipeline.cli.group import sae
from pipeline.cli.options import (
    json_option,
    node_option,
    part_options,
    program,
    request,
    root_option,
    run_argument,
    setting_options,
)
from pipeline.core import settings
from pipeline.core.errors import ExitCode
from pipeline.core.pipeline_root import root_of

if TYPE_CHECKING:
    from pipeline.orchestration.summary import Summary


@sae.command(short_help="Run the pipeline or a part of it.")
@setting_options
@part_options
@click.option(
    "--like", type=click.Path(path_type=pathlib.Path), metavar="FILE", help="Manifest of a run to make again."
)
@click.option(
    "--trigger", default="manual", show_default=True, metavar="TEXT", help="What starts the run: noted of it."
)
@click.option(
    "--run-id-file",
    type=click.Path(path_type=pathlib.Path),
    metavar="FILE",
    help="Write the run's id there, as soon as it has one.",
)
@click.option("--json", "as_json", is_flag=True, help="Print the summary as one JSON object on standard output.")
def run(
    from_node: str,
    to_node: str,
    base_run: str,
    no_cache: bool,
    verify_cache: bool,
    like: pathlib.Path | None,
    trigger: str,
    run_id_file: pathlib.Path | None,
    as_json: bool,
    **options: Any,
) -> None:
    """Run the pipeline: data, validation, transform, training, evaluation, report, push."""
    from pipeline.orchestration import run as run_module
    from pipeline.orchestration.request import RunRequest
    from pipeline.provenance import manifest
    from pipeline.terminal.progress import display

    wanted = RunRequest(
        request(**options),
        from_node,
        to_node,
        base_run,
        use_cache=not no_cache,
        all_bytes=verify_cache,
        command=tuple(sys.argv),
        trigger=trigger,
        run_id_file=run_id_file,
        like=manifest.from_json(like.read_text(encoding="utf-8"), str(like)) if like else None,
    )
    _end_with(run_module.run(wanted, display), as_json)


@sae.command(short_help="Go on with a run that failed or broke off.")
@click.argument("run_id", metavar="[RUN]", default="", shell_complete=completion.runs)
@root_option
@json_option
def resume(run_id: str, root: str | None, as_json: bool) -> None:
    """Go on with a run that failed, was interrupted or broke off, under the same id; finished nodes are kept.

    RUN is an id, the beginning of one, `latest` or `latest~1`; without it, the newest such run. It is refused when
    code, settings, packages or data are not those that the run began with.
    """
    from pipeline.orchestration import run as run_module
    from pipeline.terminal.progress import display

    _end_with(run_module.resume(root_of(root), run_id, display), as_json)


def _end_with(summary: Summary, as_json: bool) -> NoReturn:
    """Prints how a run ended, and ends with its exit code."""
    from pipeline.terminal import json_documents, run_summary

    if as_json:
        output.write_json(json_documents.run_summary(summary))
    else:
        output.write(run_summary.as_text(summary, program()))
    sys.stdout.flush()
    raise SystemExit(int(summary.exit_code))


@sae.command(short_help="Say which nodes would run, and why; run nothing.")
@setting_options
@part_options
@json_option
def plan(
    from_node: str,
    to_node: str,
    base_run: str,
    no_cache: bool,
    verify_cache: bool,
    as_json: bool,
    **options: Any,
) -> None:
    """Say which nodes `sae run` with the same options would run, and why. Runs and writes nothing."""
    from pipeline.orchestration import plan as plan_module
    from pipeline.terminal import plan as text

    made = plan_module.make(
        plan_module.Request(request(**options), from_node, to_node, base_run, not no_cache, verify_cache)
    )
    if as_json:
        output.write_json(made)
    else:
        output.write(text.as_text(made))


@sae.command(short_help="Make a run again elsewhere and compare what it makes.")
@run_argument
@node_option("--node", help="Make this node alone again, on the inputs that it had.")
@root_option
@json_option
def verify(run_id: str, node: str, root: str | None, as_json: bool) -> None:
    """Make a run again elsewhere, in other surroundings, and compare it artifact by artifact.

    RUN is an id, the beginning of one, `latest` or `latest~1`. Exits with 4 where content differs.
    """
    from pipeline.maintenance import verify as verify_module
    from pipeline.terminal import verify as text

    found = verify_module.verify(root_of(root), run_id, node, lambda line: click.echo(line, err=True))
    if as_json:
        output.write_json(found)
    else:
        output.write(text.as_text(found))
    if not found.verified:
        raise SystemExit(int(ExitCode.GATE_FAILED))


@sae.command(short_help="Check the files of a root against their digests.")
@root_option
@json_option
def fsck(root: str | None, as_json: bool) -> None:
    """Check a root: its artifacts against their digests, and ML Metadata against the disk. Reads all, writes nothing.

    Exits with 4 on damage.
    """
    from pipeline.maintenance import fsck as fsck_module
    from pipeline.terminal import fsck as text
    from pipeline.terminal import json_documents

    found = fsck_module.check(root_of(root))
    if as_json:
        output.write_json(json_documents.fsck(found))
    else:
        output.write(text.as_text(found))
    if found.exit_code:
        raise SystemExit(int(found.exit_code))


@sae.command(short_help="Check interpreter, packages, engine, disk and data.")
@setting_options
@json_option
def doctor(as_json: bool, **options: Any) -> None:
    """Check interpreter, packages, engine, disk and data; say what is wrong and what to do."""
    from pipeline.maintenance import doctor as doctor_module
    from pipeline.terminal import doctor as text
    from pipeline.terminal import json_documents

    checks = doctor_module.examine(settings.resolve(request(**options)).config)
    if as_json:
        output.write_json(json_documents.doctor(checks))
    else:
        output.write(text.as_text(checks))
    if not all(check.good for check in checks):
        raise SystemExit(int(ExitCode.ENVIRONMENT))
