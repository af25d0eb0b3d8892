"""The commands that read runs: `sae runs`, `logs` and `open`."""

from __future__ import annotations

import collections
import itertools
import os
import pathlib
import sys
import webbrowser
from collections.abc import Iterable

import click

from pipeline.cli import completion, output
from pipeline.cli.command import command
from pipeline.cli.options import COUNT, ReadOptions, limit_option, reading_options, run_argument
from pipeline.core import shell
from pipeline.core.errors import NotFoundError, UnavailableError, UsageError
from pipeline.core.pipeline_root import Root
from pipeline.core.text import escaped
from pipeline.inspection import logs, run_filter
from pipeline.inspection.views import Run, RunState
from pipeline.metadata import references, run_properties
from pipeline.metadata.types import deletion_text, restore_hint
from pipeline.terminal import json_documents
from pipeline.terminal import runs as runs_text

_STATES = [state.value for state in RunState]


@command("runs")
@limit_option
@click.option("--state", type=click.Choice(_STATES), metavar="STATE", help=f"One of {', '.join(_STATES)}.")
@click.option(
    "--pipeline",
    "pipeline_name",
    default="",
    metavar="NAME",
    shell_complete=completion.pipelines,
    help="List only runs of this pipeline, in a store with several.",
)
@click.option(
    "--sort",
    default="started",
    show_default=True,
    metavar="COLUMN",
    shell_complete=completion.columns,
    help="Sort by started, seconds, id, a metric or a setting (completion lists them): newest or largest first.",
)
@click.option(
    "--ascending",
    is_flag=True,
    help="Oldest or smallest first: the best run first where less is better, as with --sort test_bce.",
)
@click.option(
    "--where",
    multiple=True,
    metavar="CONDITION",
    help="List only runs with this setting or metric, such as 'model.l1<1e-3,test_bce<0.1'. Repeatable.",
)
@click.option("--cells", is_flag=True, help="List each cell of a notebook's session as a run, as CSV does.")
@click.option("--csv", "as_csv", is_flag=True, help="Write CSV: all recorded metrics and settings.")
@reading_options
def runs_command(
    options: ReadOptions,
    limit: int,
    state: str | None,
    pipeline_name: str,
    sort: str,
    ascending: bool,
    where: tuple[str, ...],
    cells: bool,
    as_csv: bool,
) -> None:
    """List runs, newest first: state, time, data set, metrics, and the settings by which they differ."""
    if options.as_json and as_csv:
        raise UsageError("--json and --csv exclude each other: give one of them")
    wanted, conditions = RunState(state) if state else None, run_filter.parse(where)
    with options.reader() as reader:
        rows, page = reader.runs(
            limit=limit,
            state=wanted,
            pipeline=pipeline_name,
            sort=sort,
            ascending=ascending,
            where=conditions,
            sessions=not (cells or as_csv),
        )
        if options.as_json:
            output.write_json(json_documents.runs(rows, page, reader.starting()))
            return
        if as_csv:
            output.write(runs_text.as_csv(rows))
            return
        if rows:
            metrics, several = reader.pipeline.declared_metrics, len(reader.pipelines()) > 1
            named = {sort, *(one.name for one in conditions)}
            output.write(runs_text.as_text(output.screen(), rows, metrics, several, named))
        output.note(runs_text.sessions_note(rows))
        starting = reader.starting()
        output.note(runs_text.starting_note(starting))
        if rows or not starting or wanted or conditions:  # with none, the starting run is the first one
            output.note(runs_text.note(len(rows), page, wanted, reader.name, reader.root is None, bool(conditions)))


@command("logs")
@run_argument
@click.argument("node", metavar="[NODE]", default="", shell_complete=completion.nodes)
@click.option("--tail", type=COUNT, metavar="N", help="Print only the last N lines.")
@reading_options
def logs_command(options: ReadOptions, run_id: str, node: str, tail: int | None) -> None:
    """Print the log of a run, or the lines between start and end of one node."""
    with options.reader() as reader:
        found = reader.find_run(run_id)
        path = logs.path_of(reader.root, found)
        assert reader.root is not None  # otherwise there is no log
        span = None
        if node:
            node = references.find_node(node, [one.node for one in reader.run(found).nodes])
            span = logs.span_of(reader.root, reader.run(found), node)
        workers = logs.worker_lines(reader.root, found, node)
    lines: Iterable[str] = itertools.chain(logs.lines(path, span), workers)
    if tail is not None:
        lines = collections.deque(lines, maxlen=tail)
    if options.as_json:
        output.write_json(json_documents.log(found, node, path, list(lines)))
        return
    line = None
    for line in lines:
        # Tabs are harmless and frequent in logs.
        output.write_data("\t".join(map(escaped, line.split("\t"))))
    if line is None:
        output.note(f"{path} has no lines{f' of {node}: a cached node writes none' if node else ''}")


@command("open")
@run_argument
@click.option("--print", "only_print", is_flag=True, help="Print the path without opening the report.")
@reading_options
def open_command(options: ReadOptions, run_id: str, only_print: bool) -> None:
    """Open the report of a run in the browser, and print its path; without a display, only print it."""
    with options.reader() as reader:
        found = reader.run(reader.find_run(run_id))
        root = reader.root
        report = found.named_output(reader.pipeline.report)
        if report is None:
            raise NotFoundError(f"run {found.row.id} has no report: {_why_no_report(found, root)}")
        deleted = deletion_text(report.state, reader.artifact(report.id).properties)
    path = pathlib.Path(report.uri) / "report.html"
    if deleted:
        raise NotFoundError(f"the report of run {found.row.id} was {deleted}; {restore_hint(report.id)}")
    if not path.is_file():
        raise NotFoundError(f"the report of run {found.row.id} is missing: {path}; {restore_hint(report.id)}")
    if root is not None and not path.resolve().is_relative_to(root.path.resolve()):
        raise UnavailableError(
            f"the report of run {found.row.id} is outside the root {root.path}: {path}; open it yourself"
        )
    if options.as_json:
        output.write_json(json_documents.report(found.row.id, path))
    else:
        output.write_data(escaped(path))
    if not only_print and not options.as_json and _has_display():
        webbrowser.open(path.absolute().as_uri())


def _why_no_report(found: Run, root: Root | None) -> str:
    if root is None or found.row.state != RunState.SUCCEEDED or not run_properties.options_of(found.properties).part:
        return f"it is {found.row.state.value}"
    like = shell.quoted(str(root.manifests / f"{found.row.id}.json"))
    return f"it ran a part of the pipeline, as points of sweeps do; `sae run --like {like}` runs the rest as well"


def _has_display() -> bool:
    """Whether a browser can open a window; one that runs in the terminal would take it over."""
    return sys.platform == "darwin" or bool(os.environ.get("DISPLAY") or os.environ.get("WAYLAND_DISPLAY"))
