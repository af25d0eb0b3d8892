"""The command `sae encode`."""

from __future__ import annotations

from typing import Any

import click

from pipeline.cli import output
from pipeline.cli.command import command
from pipeline.cli.options import (
    current_pipeline,
    json_option,
    label_options,
    path_option,
    resolve_root,
    root_option,
)
from pipeline.core.errors import UsageError
from pipeline.core.text import counted
from pipeline.definition.spec import EncodeRequest


@command("encode")
@click.argument("data", metavar="INPUT")
@path_option("--to", "target", required=True, help="File to write; it must not exist.")
@click.option(
    "--model",
    default="latest",
    show_default=True,
    metavar="MODEL",
    help="`latest`, the served version; another version; or the folder of a SavedModel.",
)
@label_options
@click.option(
    "--group",
    default="",
    metavar="COLUMN|REGEX",
    help="Column, array or pattern of groups, as when the data was added; it is left out.",
)
@click.option("--skip-unreadable", is_flag=True, help="Leave out and name records that cannot be used.")
@root_option
@json_option
def encode_command(
    labels: dict[str, Any],
    data: str,
    target: Any,
    model: str,
    group: str,
    skip_unreadable: bool,
    root: str | None,
    as_json: bool,
) -> None:
    """Write the codes of new data to a .parquet, .npz or .csv file, without training.

    INPUT is what `sae data add` takes (a picture or a folder of them, a .npy, .npz, .csv or .parquet file, or IDX
    files), or the name of a prepared data set. Images are resized and converted as the training data of the model was.
    A model of 8- or 16-bit images also takes floats in [0, 1], scaled already. Each way in which the input is unlike
    the training data is one line on standard error.
    """
    pipeline = current_pipeline()
    if pipeline.encode is None:
        raise UsageError(f"the pipeline {pipeline.name} cannot encode new data")
    request = EncodeRequest(data, model, target, group=group, skip_unreadable=skip_unreadable, **labels)
    found = pipeline.encode(resolve_root(root), request, output.note)
    output.write_result(
        as_json, found, lambda: f"{counted(found['rows'], 'row')} of {counted(found['units'], 'unit')} in {found['to']}"
    )
