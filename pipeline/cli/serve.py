"""The commands that show all of it in a browser."""

from __future__ import annotations

import pathlib
import sys

import click

from pipeline.cli import output
from pipeline.cli.group import sae
from pipeline.cli.options import metadata_option, root_option
from pipeline.core.pipeline_root import root_of


@sae.command(short_help="Serve pages on all this, on this machine.")
@click.option("--host", default="127.0.0.1", show_default=True, metavar="ADDRESS", help="Where to listen.")
@click.option(
    "--port", type=click.IntRange(0, 65535), default=8765, show_default=True, metavar="N", help="0: any that is free."
)
@click.option("--open", "in_browser", is_flag=True, help="Open it in the browser.")
@click.option("--get", "path", metavar="PATH", help="Print one answer, such as /runs.json, without a server.")
@root_option
@metadata_option
def serve(host: str, port: int, in_browser: bool, path: str | None, root: str | None, metadata: str | None) -> None:
    """Serve pages on runs, artifacts and their lineage, on this machine, until it is interrupted. Reads only."""
    from pipeline.inspection.locations import open_place
    from pipeline.web import server

    with open_place(metadata, root_of(root)) as place:
        if path is None:
            server.serve(place, host, port, output.note, in_browser)
        else:
            try:
                sys.stdout.buffer.write(server.get(place, path))
            except server.NotWellError as error:
                sys.stdout.buffer.write(error.body)
                raise
            finally:
                sys.stdout.flush()


@sae.command(short_help="Write these pages as files that open from disk.")
@click.argument("folder", metavar="DIR", type=click.Path(path_type=pathlib.Path))
@click.option("--limit", type=click.IntRange(min=1), metavar="N", help="Only the newest N runs, and what they made.")
@root_option
@metadata_option
def export(folder: pathlib.Path, limit: int | None, root: str | None, metadata: str | None) -> None:
    """Write the pages of `sae serve` as files that open from disk."""
    from pipeline.core.text import escaped
    from pipeline.inspection.locations import open_place
    from pipeline.web import static_site as export_module

    with open_place(metadata, root_of(root)) as place:
        done = export_module.export(place, folder, limit)
    output.note(f"{done.pages:,} pages on {done.runs:,} runs and {done.artifacts:,} artifacts: open the file below")
    output.write(escaped(done.folder / "index.html"))
