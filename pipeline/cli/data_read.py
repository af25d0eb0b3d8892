"""The commands that read prepared data sets: `sae data list` and `sae data show`."""

from __future__ import annotations

import pathlib

import click

from components import atomic_file
from components.errors import cause_text
from pipeline.cli import output
from pipeline.cli.command import command
from pipeline.cli.options import data_dir_option, data_folder, dataset_argument, json_option, path_option
from pipeline.core.errors import UnavailableError, advice
from pipeline.sparse_autoencoder import example_sheet, prepared
from pipeline.terminal import datasets


@command("list")
@data_dir_option
@json_option
def list_command(data_dir: pathlib.Path | None, as_json: bool) -> None:
    """List the prepared data sets: versions, features, records, size."""
    folder = data_folder(data_dir)
    found = prepared.find(folder)
    if as_json:
        output.write_json(datasets.list_document(found))
    elif found:
        output.write(datasets.list_text(output.screen(), found))
    else:
        output.note(f"no prepared data set is in {folder}: `sae data add NAME PATH` makes one of your own files")


@command("show")
@dataset_argument
@click.option("--version", default="", metavar="VERSION", help="Version to show.  [default: the newest]")
@path_option("--sheet", help="Write the sheet of examples to FILE, a PNG.")
@data_dir_option
@json_option
def show_command(
    name: str, version: str, sheet: pathlib.Path | None, data_dir: pathlib.Path | None, as_json: bool
) -> None:
    """Show a data set: features, records, counts of labels, range of values, how it was made, and some examples."""
    dataset = prepared.named(data_folder(data_dir), name, version)
    found = prepared.contents(dataset)
    if sheet is not None:
        if not found.examples or found.range is None:
            raise UnavailableError(f"{name} has no image or vector that can be drawn: leave out --sheet")
        try:
            atomic_file.write(sheet, example_sheet.png(found.examples, found.range))
        except OSError as error:
            raise UnavailableError(
                f"--sheet {sheet} cannot be written ({cause_text(error)}): {advice(error, 'name another file')}"
            ) from error
    output.write_result(
        as_json, datasets.show_document(dataset, found), lambda: datasets.show_text(output.screen(), dataset, found)
    )
