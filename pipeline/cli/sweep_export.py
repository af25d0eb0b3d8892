"""`sae sweep export`."""

from __future__ import annotations

import pathlib

import click

from pipeline.cli import output
from pipeline.cli.command import command
from pipeline.cli.options import current_pipeline, path_option, resolve_root, root_option, sweep_argument
from pipeline.core.errors import UsageError
from pipeline.core.text import closest
from pipeline.sweeps import frontier, results


@command("export")
@sweep_argument
@path_option("--to", "target", required=True, help="File to write, .csv, .svg or .pdf; it must not exist.")
@click.option(
    "--split",
    default=frontier.TEST,
    metavar="|".join(frontier.SPLITS),
    help="Split whose metrics the charts show.  [default: test]",
)
@click.option("--y", default="", metavar="METRIC", help="Metric of the frontier.  [default: the pipeline's]")
@root_option
def export_command(name: str, target: pathlib.Path, split: str, y: str, root: str | None) -> None:
    """Write the table of a sweep as CSV, or its charts as SVG or PDF.

    SVG and PDF show the frontier, the points across settings and metrics, and the same test images; PDF also the means.
    """
    from pipeline.web import sweep_files  # the pages, which no other command of sweeps needs
    from pipeline.web.formatting import DeclaredMetrics
    from pipeline.web.pages import sweep

    kind = target.suffix.lower().removeprefix(".")
    if kind not in sweep_files.TYPES:
        names = ", ".join(f".{one}" for one in sweep_files.TYPES)
        raise UsageError(f"--to {target}: the ending decides the format; use one of {names}")
    if split not in frontier.SPLITS:
        raise UsageError(f"--split {split} is not allowed: it must be one of {', '.join(frontier.SPLITS)}")
    output.check_new(target)
    place, pipeline = resolve_root(root), current_pipeline()
    with results.reader_of(place, pipeline) as reader:
        found = results.read(place, pipeline, reader, name)
        known = frontier.choices(found, pipeline)
        if y and y not in known:
            listed = ", ".join(known) or "none"
            raise UsageError(f"--y {y}: no such metric to draw{closest(y, known)} (there are: {listed})")
        view = sweep.view_of(found, pipeline, reader, split, y)
        body = sweep_files.write(view, kind, DeclaredMetrics(pipeline.declared_metrics), reader)
    output.write_file(target, body)
