"""The commands that run the pipeline or plan a run: `sae run`, `resume` and `plan`."""

from __future__ import annotations

import contextlib
import dataclasses
import pathlib
import re
import sys
from collections.abc import Iterator
from typing import Any, NoReturn, TextIO

import click

from pipeline.cli import completion, output
from pipeline.cli.command import command
from pipeline.cli.options import (
    current_pipeline,
    json_option,
    part_options,
    path_option,
    resolve_root,
    root_option,
    setting_options,
)
from pipeline.cli.selected import selection
from pipeline.core import settings, shell
from pipeline.core.errors import UsageError
from pipeline.core.events import Listener, Note
from pipeline.core.pipeline_root import Root
from pipeline.definition.spec import Pipeline
from pipeline.orchestration import run
from pipeline.orchestration.request import RunRequest
from pipeline.orchestration.summary import Summary
from pipeline.provenance import manifest
from pipeline.terminal import json_documents, run_summary
from pipeline.terminal.progress import display

_SUFFIX = re.compile(r"[a-z][a-z0-9]{0,15}")


def _run_request(request: settings.Request, no_cache: bool, verify_cache: bool, **others: Any) -> RunRequest:
    """Return the request of `setting_options` and `part_options`."""
    return RunRequest(current_pipeline(), request, use_cache=not no_cache, all_bytes=verify_cache, **others)


@command("run")
@setting_options
@part_options
@path_option(
    "--like",
    help="Rerun the run of this manifest, `manifests/RUN.json` in its root, with its settings and data. It also names "
    "the root, unless --root or SAE_ROOT does.",
)
@click.option(
    "--trigger", default="manual", show_default=True, metavar="TEXT", help="Cause of the run, recorded with it."
)
@path_option("--run-id-file", help="Write the id of the run to this file as soon as the run has one.")
@click.option(
    "--run-id-suffix",
    metavar="TEXT",
    help="End the id of the run with this, such as w1, so that another root can take the run over.",
)
@json_option
def run_command(
    request: settings.Request,
    no_cache: bool,
    verify_cache: bool,
    like: pathlib.Path | None,
    trigger: str,
    run_id_file: pathlib.Path | None,
    run_id_suffix: str | None,
    as_json: bool,
    **part: str,
) -> None:
    """Run the pipeline or a part of it."""
    if run_id_suffix is not None and not _SUFFIX.fullmatch(run_id_suffix):
        raise UsageError(
            f"--run-id-suffix {run_id_suffix!r} is not allowed: give up to 16 letters and digits, such as w1"
        )
    earlier = None
    if like is not None:
        earlier = manifest.from_file(like, current_pipeline())
        request = _with_profile_of(earlier, request)
        _check_root(like, earlier, request)
    wanted = _run_request(
        request,
        no_cache,
        verify_cache,
        **part,
        command=tuple(sys.argv),
        trigger=trigger,
        run_id_file=run_id_file,
        run_id_suffix=run_id_suffix or "",
        like=earlier,
    )
    _end_with(run.run(wanted, _display()), wanted.pipeline, as_json)


def _with_profile_of(earlier: manifest.Manifest, request: settings.Request) -> settings.Request:
    """Return the request with the profile of the run to rerun. Raises `UsageError` if another one is given."""
    if request.profile not in ("", earlier.profile):
        raise UsageError(
            f"--profile {request.profile} would have no effect: --like takes the settings of run {earlier.run_id}, "
            f"of the profile {earlier.profile}; change some with --set, or leave --profile or --like out"
        )
    return dataclasses.replace(request, profile=earlier.profile)


def _check_root(like: pathlib.Path, earlier: manifest.Manifest, request: settings.Request) -> None:
    """Raise `UsageError` if a rerun would make a root anew that was moved, and has the manifest in its new place."""
    resolved = settings.resolve(request, like=earlier.configuration)
    named = Root.at(pathlib.Path(resolved.config.paths.root))
    given = resolved.origins[settings.of_option("--root", request.config_type)] != settings.EARLIER_RUN
    here = Root.at(like.absolute().parent.parent)
    if not given and here.about.is_file() and not named.path.exists():
        raise UsageError(
            f"{like} names the root {named.path}, which does not exist, and lies in the root {here.path}: add --root "
            f"{shell.quoted(str(here.path))}, or --root {shell.quoted(str(named.path))} to make that one"
        )


@command("resume")
@click.argument("run_id", metavar="[RUN]", default="", shell_complete=completion.runs)
@root_option
@json_option
def resume_command(run_id: str, root: str | None, as_json: bool) -> None:
    """Resume a failed, interrupted or killed run under its id; nodes that succeeded are not executed again.

    RUN is an id, its unique beginning, `latest` or `latest~1`; without it, the newest run, if it did not succeed. The
    command refuses if code, settings, packages or data differ from those of the run.
    """
    pipeline = current_pipeline()
    _end_with(run.resume(pipeline, resolve_root(root), run_id, _display()), pipeline, as_json)


def _display() -> run.Display:
    """Return the display of events, which completes the commands that notes suggest; threads may use it."""
    selected = selection()

    @contextlib.contextmanager
    def shown(stream: TextIO) -> Iterator[Listener]:
        with display(stream) as listener:
            yield lambda event: listener(
                dataclasses.replace(event, text=selected.completed(event.text)) if isinstance(event, Note) else event
            )

    return shown


def _end_with(summary: Summary, pipeline: Pipeline, as_json: bool) -> NoReturn:
    """Print how a run ended, and exit with its code."""
    output.write_result(
        as_json,
        json_documents.run_summary(summary),
        lambda: run_summary.as_text(summary, pipeline, selection()),
    )
    sys.stdout.flush()
    raise SystemExit(int(summary.exit_code))


@command("plan")
@setting_options
@part_options
@json_option
def plan_command(request: settings.Request, no_cache: bool, verify_cache: bool, as_json: bool, **part: str) -> None:
    """Show which nodes `sae run` with the same options would execute, and why. Execute and write nothing."""
    from pipeline.orchestration import plan  # runs need neither
    from pipeline.terminal import plan as plan_text

    found = plan.plan_run(_run_request(request, no_cache, verify_cache, **part))
    output.write_result(as_json, found, lambda: plan_text.as_text(found))
