"""The command `sae encode`."""

from __future__ import annotations

from typing import Any

import click

from pipeline.cli import output
from pipeline.cli.options import current_pipeline, json_option, path_option, resolve_root, root_option
from pipeline.core.errors import UsageError
from pipeline.definition.spec import EncodeRequest


@click.command("encode")
@click.argument("data", metavar="INPUT")
@path_option("--to", "target", required=True, help="File to write; it must not exist.")
@click.option(
    "--model",
    default="latest",
    show_default=True,
    metavar="MODEL",
    help="`latest`, the served version; another version; or the folder of a SavedModel.",
)
@root_option
@json_option
def encode_command(data: str, target: Any, model: str, root: str | None, as_json: bool) -> None:
    """Write the codes of new data to a .parquet, .npz or .csv file, without training.

    INPUT is the name of a prepared data set, an array (.npy, or .npz with `images` and `labels`), or a folder of
    pictures. Images must have the size of those that the model was trained on. Arrays are uint8, or floats in [0, 1].
    One line for each way in which the input is unlike the training data is written to standard error.
    """
    pipeline = current_pipeline()
    if pipeline.encode is None:
        raise UsageError(f"the pipeline {pipeline.name} cannot encode new data")
    found = pipeline.encode(resolve_root(root), EncodeRequest(data, model, target), output.note)
    output.write_result(as_json, found, lambda: f"{found['rows']:,} rows of {found['units']} units in {found['to']}")
