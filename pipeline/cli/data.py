"""`sae data`: its commands, each imported when it is called."""

from __future__ import annotations

import click

from pipeline.cli.group import LazyGroup, Sections

_COMMANDS: Sections = {
    "Commands": {
        "add": ("data_edit", "Make a data set of your own files."),
        "list": ("data_read", "List the prepared data sets."),
        "show": ("data_read", "Show a data set: sizes, labels, ranges, examples."),
        "remove": ("data_edit", "Remove a data set that was added."),
    }
}


@click.group("data", cls=LazyGroup, sections=_COMMANDS)
def data_command() -> None:
    """Make data sets of your own files, and list, show and remove prepared ones.

    They are TFDS's own prepared form, in the folder of --data-dir, else of TFDS_DATA_DIR, else ~/tensorflow_datasets;
    `tfds.load(NAME)` reads them as well. `sae run --set data.dataset=NAME` runs on one.
    """
