"""The command that goes back to what there was before."""

from __future__ import annotations

import click

from pipeline.cli.group import sae
from pipeline.cli.options import root_of, root_option
from pipeline.errors import UsageError


@sae.command(short_help="Go back to a copy of ML Metadata's store.")
@click.option(
    "--metadata",
    "metadata_copy",  # `metadata` is the store that commands read
    is_flag=False,
    flag_value="",
    metavar="[COPY]",
    help="The copy made after this run; without a value the newest.",
)
@root_option
def restore(metadata_copy: str | None, root: str | None) -> None:
    """Go back to a copy of ML Metadata's store. The store that is there is kept under another name.

    A copy is made after each run that succeeds, and named by the run.
    """
    from pipeline import metadata_copies

    if metadata_copy is None:
        raise UsageError("say what to restore: `sae restore --metadata` goes back to the newest copy of the store")
    place = root_of(root)
    place.create()
    with place.lock():
        click.echo(metadata_copies.restore(place, metadata_copy).as_text())
