"""The commands that show runs and artifacts in a browser: `sae serve` and `export`."""

from __future__ import annotations

import pathlib
import sys

import click

from pipeline.cli import completion, output
from pipeline.cli.command import command
from pipeline.cli.options import (
    COUNT,
    LocalPath,
    current_pipeline,
    map_option,
    metadata_option,
    number_option,
    resolve_root,
    root_option,
)
from pipeline.core import garbage_collector
from pipeline.core.text import counted, escaped
from pipeline.inspection.file_places import parse_map
from pipeline.inspection.locations import open_location


@command("serve", may_be_empty=["base_path"])
@click.option("--host", default="127.0.0.1", show_default=True, metavar="ADDRESS", help="Address to listen on.")
@number_option("--port", limits=(0, 65535), default=8765, meaning="Port to listen on; 0: any free port.")
@click.option(
    "--allow-host",
    "names",
    multiple=True,
    metavar="NAME",
    help="Another name of this machine that browsers may use, such as that of a proxy. Repeatable.",
)
@click.option("--base-path", default="", metavar="PATH", help="Prefix of all addresses, such as /sae, behind a proxy.")
@click.option("--open", "in_browser", is_flag=True, help="Open the pages in the browser.")
@click.option("--get", "path", metavar="PATH", help="Print one response, such as /runs.json, without a server.")
@map_option
@root_option
@metadata_option
def serve_command(
    host: str,
    port: int,
    names: tuple[str, ...],
    base_path: str,
    in_browser: bool,
    path: str | None,
    maps: tuple[str, ...],
    root: str | None,
    metadata: str | None,
) -> None:
    """Serve web pages about runs, artifacts and lineage on this machine until interrupted; read only."""
    with open_location(current_pipeline(), metadata, resolve_root(root), [parse_map(one) for one in maps]) as place:
        place.is_expected = root is not None
        if path is None:
            place.read_ahead()
        with garbage_collector.off_for_imports():
            from pipeline.web import server  # not before the process that reads has begun: it takes as long

        if path is None:
            server.serve(place, host, port, output.note, in_browser, names, base_path)
        else:
            try:
                sys.stdout.buffer.write(server.get(place, path, names, base_path))
            except server.BadStatusError as error:
                sys.stdout.buffer.write(error.body)
                raise
            finally:
                sys.stdout.flush()


@command("export")
@click.argument("folder", metavar="DIR", type=LocalPath(), shell_complete=completion.export_folders)
@click.option("--limit", type=COUNT, metavar="N", help="Write only the newest N runs, with inputs and outputs.")
@map_option
@root_option
@metadata_option
def export_command(
    folder: pathlib.Path, limit: int | None, maps: tuple[str, ...], root: str | None, metadata: str | None
) -> None:
    """Write the pages of `sae serve` as files that open without a server.

    `sae export airflow --help` and `sae export kfp --help` show how to write the pipeline for Apache Airflow and for
    Kubeflow; folders of these names are `./airflow` and `./kfp`.
    """
    from pipeline.web import static_site  # it imports all pages

    with open_location(current_pipeline(), metadata, resolve_root(root), [parse_map(one) for one in maps]) as place:
        done = static_site.export(place, folder, limit)
    counts = [counted(done.pages, "page"), counted(done.runs, "run"), counted(done.artifacts, "artifact")]
    output.note(f"{counts[0]} on {counts[1]} and {counts[2]}: open the file below")
    output.write_data(escaped(done.folder / "index.html"))
