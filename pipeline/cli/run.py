"""The commands that run the pipeline or plan a run: `sae run`, `resume` and `plan`."""

from __future__ import annotations

import pathlib
import sys
from collections.abc import Sequence
from typing import Any, NoReturn

import click

from pipeline.cli import completion, output
from pipeline.cli.options import (
    current_pipeline,
    json_option,
    part_options,
    program,
    request,
    resolve_root,
    root_option,
    setting_options,
)
from pipeline.orchestration import plan, run
from pipeline.orchestration.request import RunRequest
from pipeline.orchestration.summary import Summary
from pipeline.provenance import manifest
from pipeline.terminal import json_documents, run_summary
from pipeline.terminal import plan as plan_text
from pipeline.terminal.progress import display


@click.command("run")
@setting_options
@part_options
@click.option("--like", type=click.Path(path_type=pathlib.Path), metavar="FILE", help="Manifest of a run to rerun.")
@click.option(
    "--trigger", default="manual", show_default=True, metavar="TEXT", help="What starts the run; recorded with it."
)
@click.option(
    "--run-id-file",
    type=click.Path(path_type=pathlib.Path),
    metavar="FILE",
    help="Write the id of the run to this file, as soon as there is one.",
)
@click.option("--json", "as_json", is_flag=True, help="Print the summary as one JSON object on standard output.")
def run_command(
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
    pipeline = current_pipeline()
    wanted = RunRequest(
        pipeline,
        request(**options),
        from_node,
        to_node,
        base_run,
        use_cache=not no_cache,
        all_bytes=verify_cache,
        command=tuple(sys.argv),
        trigger=trigger,
        run_id_file=run_id_file,
        like=manifest.from_json(like.read_text(encoding="utf-8"), str(like), pipeline) if like else None,
    )
    _end_with(run.run(wanted, display), as_json, wanted.settings.assignments)


@click.command("resume")
@click.argument("run_id", metavar="[RUN]", default="", shell_complete=completion.runs)
@root_option
@json_option
def resume_command(run_id: str, root: str | None, as_json: bool) -> None:
    """Resume a run that failed, was interrupted or died, under the same id; the results of finished nodes are kept.

    RUN is an id, its unique beginning, `latest` or `latest~1`; without it, the newest run that can be resumed. Refused
    when code, settings, packages or data differ from those of the run.
    """
    _end_with(run.resume(current_pipeline(), resolve_root(root), run_id, display), as_json)


def _end_with(summary: Summary, as_json: bool, assignments: Sequence[str] = ()) -> NoReturn:
    """Print how a run ended, and exit with its code. `assignments`: those of `--set`."""
    if as_json:
        output.write_json(json_documents.run_summary(summary))
    else:
        output.write(run_summary.as_text(summary, current_pipeline(), program(), assignments))
    sys.stdout.flush()
    raise SystemExit(int(summary.exit_code))


@click.command("plan")
@setting_options
@part_options
@json_option
def plan_command(
    from_node: str,
    to_node: str,
    base_run: str,
    no_cache: bool,
    verify_cache: bool,
    as_json: bool,
    **options: Any,
) -> None:
    """Show which nodes `sae run` with the same options would run, and why. Run and write nothing."""
    wanted = RunRequest(
        current_pipeline(),
        request(**options),
        from_node,
        to_node,
        base_run,
        use_cache=not no_cache,
        all_bytes=verify_cache,
    )
    found = plan.plan_run(wanted)
    if as_json:
        output.write_json(found)
    else:
        output.write(plan_text.as_text(found))
