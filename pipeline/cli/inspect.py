"""The commands that read ML Metadata: what was made, from what, when, how good it is, and what changed."""

from __future__ import annotations

import collections
import os
import pathlib
import sys
from collections.abc import Iterable

import click

from pipeline.cli import completion, output
from pipeline.cli.group import sae
from pipeline.cli.options import (
    Asked,
    artifact_argument,
    node_argument,
    node_option,
    reading_options,
    run_argument,
)
from pipeline.core.errors import NotFoundError, SaeError

_REPORT = "Report"
# As in `snapshots.RunState`, which the help need not import.
_STATES = ("running", "succeeded", "failed", "cancelled", "unfinished")
_limit_option = click.option(
    "--limit", type=click.IntRange(min=1), default=20, show_default=True, metavar="N", help="How many at most."
)


@sae.command(short_help="List runs, the newest first.")
@_limit_option
@click.option(
    "--state",
    type=click.Choice(_STATES),
    metavar="STATE",
    help=f"Only runs that stand so: {', '.join(_STATES)}.",
)
@click.option(
    "--sort",
    default="started",
    show_default=True,
    metavar="COLUMN",
    shell_complete=completion.columns,
    help="By started, seconds, test_bce, active_units or id; the greatest first.",
)
@click.option("--ascending", is_flag=True, help="The least first.")
@reading_options
def runs(asked: Asked, limit: int, state: str | None, sort: str, ascending: bool) -> None:
    """List runs, the newest first: state, time, data, test loss, active units, what was blessed."""
    from pipeline.inspection.views import RunState
    from pipeline.terminal import json_documents
    from pipeline.terminal import runs as text

    wanted = RunState(state) if state else None
    with asked.reader() as reader:
        rows, page = reader.runs(limit=limit, state=wanted, sort=sort, ascending=ascending)
        if asked.as_json:
            output.write_json(json_documents.runs(rows, page))
            return
        if rows:
            output.write(text.as_text(output.screen(), rows))
        output.note(text.note(len(rows), page, wanted, reader.name))


@sae.command(short_help="Show a run: its nodes, metrics and configuration.")
@run_argument
@click.option("--manifest", "whole", is_flag=True, help="What the run was made from, as one JSON object.")
@reading_options
def show(asked: Asked, run_id: str, whole: bool) -> None:
    """Show a run: nodes, times, what each read and wrote, metrics, thresholds, configuration.

    RUN is an id, the beginning of only one, `latest` or `latest~1`.
    """
    from pipeline.provenance import manifest
    from pipeline.terminal import json_documents
    from pipeline.terminal import run as text

    with asked.reader() as reader:
        found = reader.run(reader.find_run(run_id))
        made_from, missing = None, "a store alone holds no manifests: what the run was made from is not known"
        try:
            if reader.root is not None:
                made_from = manifest.read(reader.root.path, found.row.id)
        except SaeError as error:
            missing = str(error)
        evaluated = found.output("ModelEvaluation")
        evaluation = reader.preview(evaluated) if evaluated else None
        if whole:
            if made_from is None:
                raise NotFoundError(missing)
            output.write(manifest.to_json(made_from).rstrip())
        elif asked.as_json:
            output.write_json(json_documents.run(found, evaluation, made_from))
        else:
            place = str(reader.root.path) if reader.root else reader.name
            output.write(text.as_text(output.screen(), found, place, evaluation, made_from, missing))


@sae.command(short_help="Say why a node ran in a run, or did not.")
@run_argument
@node_argument
@reading_options
def why(asked: Asked, run_id: str, node: str) -> None:
    """Say why a node ran in a run, or did not: what its result depends on, part by part, against before.

    RUN is an id, the beginning of only one, `latest` or `latest~1`.
    """
    from pipeline.inspection import explain
    from pipeline.terminal import why as text

    with asked.reader() as reader:
        found = explain.explain(reader.store, reader.root, run_id, node)
    if asked.as_json:
        output.write_json(found)
    else:
        output.write(text.as_text(found))


@sae.command(short_help="List artifacts, the newest first.")
@click.option("--type", "type_name", default="", metavar="TYPE", shell_complete=completion.types, help="Such as Model.")
@node_option("--node", help="Only what this node made.")
@click.option(
    "--run",
    "run_id",
    default="",
    metavar="RUN",
    shell_complete=completion.runs,
    help="Only what this run made or used.",
)
@_limit_option
@reading_options
def artifacts(asked: Asked, type_name: str, node: str, run_id: str, limit: int) -> None:
    """List artifacts, the newest first: type, what made it, when, the digest of its content."""
    from pipeline.terminal import artifacts as text
    from pipeline.terminal import json_documents

    with asked.reader() as reader:
        rows, page = reader.artifacts(limit=limit, type_name=type_name, node=node, run_id=run_id)
        if asked.as_json:
            output.write_json(json_documents.artifacts(rows, page))
            return
        given = {"--type": type_name, "--node": node, "--run": run_id}
        chosen = " ".join(f"{name} {value}" for name, value in given.items() if value)
        if rows:
            output.write(text.as_text(output.screen(), rows))
        output.note(text.note(len(rows), page, chosen, reader.name))


@sae.command(short_help="Show an artifact by its type.")
@artifact_argument
@reading_options
def artifact(asked: Asked, artifact: str) -> None:
    """Show an artifact by its type: counts, statistics, layers, metrics; its files, and who made and used it.

    ID is a number, the first digits of a digest, or what a node made in a run: latest:Trainer,
    latest:Trainer:model_run.
    """
    from pipeline.terminal import artifact as text
    from pipeline.terminal import json_documents

    with asked.reader() as reader:
        found = reader.artifact(reader.find_artifact(artifact))
        preview = reader.preview(found.row)
        if asked.as_json:
            output.write_json(json_documents.artifact(found, preview))
        else:
            output.write(text.as_text(output.screen(), found, preview))


@sae.command(short_help="Draw what an artifact was made from, and what from it.")
@artifact_argument
@reading_options
def lineage(asked: Asked, artifact: str) -> None:
    """Draw what an artifact was made from, and what was made from it, as trees.

    ID is a number, the first digits of a digest, or what a node made in a run: latest:Trainer,
    latest:Trainer:model_run.
    """
    from pipeline.terminal import lineage as text

    with asked.reader() as reader:
        found = reader.lineage(reader.find_artifact(artifact))
        if asked.as_json:
            output.write_json(found)
        else:
            output.write(text.as_text(output.screen(), found))


@sae.command(short_help="Say what differs between two runs, and where they part.")
@click.argument("old", metavar="RUN", shell_complete=completion.runs)
@click.argument("new", metavar="RUN", shell_complete=completion.runs)
@reading_options
def diff(asked: Asked, old: str, new: str) -> None:
    """Say what differs between two runs: what they were made from, what came out, and where they part.

    RUN is an id, the beginning of only one, `latest` or `latest~1`.
    """
    from pipeline.inspection import run_diff
    from pipeline.terminal import differences as text
    from pipeline.terminal import json_documents

    with asked.reader() as reader:
        found = run_diff.compare(reader, [reader.find_run(old), reader.find_run(new)])
        if asked.as_json:
            output.write_json(json_documents.differences(found))
        else:
            output.write(text.as_text(output.screen(), found))


@sae.command(short_help="Print the log of a run, or of one of its nodes.")
@run_argument
@click.argument("node", metavar="[NODE]", default="", shell_complete=completion.nodes)
@click.option("--tail", type=click.IntRange(min=1), metavar="N", help="Only the last N lines.")
@reading_options
def logs(asked: Asked, run_id: str, node: str, tail: int | None) -> None:
    """Print the log of a run, or the lines from the start to the end of one node.

    RUN is an id, the beginning of only one, `latest` or `latest~1`.
    """
    from pipeline.core.text import escaped
    from pipeline.inspection import logs as logs_module
    from pipeline.terminal import json_documents

    with asked.reader() as reader:
        found = reader.find_run(run_id)
        path = logs_module.path_of(reader.root, found)
        span = None
        if node:
            assert reader.root is not None  # else there is no log
            span = logs_module.span_of(reader.root, reader.run(found), node)
    lines: Iterable[str] = logs_module.lines(path, span)
    if tail is not None:
        lines = collections.deque(lines, maxlen=tail)
    if asked.as_json:
        output.write_json(json_documents.log(found, node, path, list(lines)))
        return
    empty = True
    for line in lines:
        empty = False
        # Tabs are harmless, and logs are full of them.
        output.write("\t".join(map(escaped, line.split("\t"))))
    if empty:
        output.note(f"{path} has no line{f' of {node}: a node that is cached leaves none' if node else ''}")


@sae.command("open", short_help="Open the report of a run in the browser.")
@run_argument
@click.option("--print", "only_print", is_flag=True, help="Print where it is, and open nothing.")
@reading_options
def open_report(asked: Asked, run_id: str, only_print: bool) -> None:
    """Open the report of a run in the browser, and print where it is. Without a display it only prints.

    RUN is an id, the beginning of only one, `latest` or `latest~1`.
    """
    from pipeline.core.text import escaped
    from pipeline.metadata import deletion
    from pipeline.terminal import json_documents

    with asked.reader() as reader:
        found = reader.run(reader.find_run(run_id))
        report = found.output(_REPORT)
        if report is None:
            raise NotFoundError(f"run {found.row.id} has no report: it is {found.row.state.value}")
        deleted = deletion.words(report.state, reader.artifact(report.id).properties)
    path = pathlib.Path(report.uri) / "report.html"
    if deleted:
        raise NotFoundError(f"the report of run {found.row.id} was {deleted}; {deletion.advice(report.id)}")
    if not path.is_file():
        raise NotFoundError(f"the report of run {found.row.id} is not at {escaped(path)} any more")
    if asked.as_json:
        output.write_json(json_documents.report(found.row.id, path))
    else:
        output.write(escaped(path))
    if not only_print and not asked.as_json and _has_display():
        import webbrowser

        webbrowser.open(path.absolute().as_uri())


def _has_display() -> bool:
    """Whether a window can open; a browser in the terminal would take that over."""
    return sys.platform == "darwin" or bool(os.environ.get("DISPLAY") or os.environ.get("WAYLAND_DISPLAY"))
