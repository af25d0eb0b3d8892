"""The command that brings back what was lost."""

from __future__ import annotations

import click

from pipeline.cli import completion, output
from pipeline.cli.group import sae
from pipeline.cli.options import json_option, root_option
from pipeline.core.errors import UsageError
from pipeline.core.pipeline_root import Root, root_of


@sae.command(short_help="Make an artifact again, or go back to a copy of ML Metadata's store.")
@click.argument("artifact", metavar="[ID]", default="", shell_complete=completion.artifacts)
@click.option(
    "--metadata",
    "metadata_copy",  # `metadata` is the store that commands read
    is_flag=False,
    flag_value="",
    metavar="[COPY]",
    help="Go back to the copy made after this run; without a value to the newest.",
)
@root_option
@json_option
def restore(artifact: str, metadata_copy: str | None, root: str | None, as_json: bool) -> None:
    """Make an artifact again whose bytes are gone or damaged, check it against its digest, and put it back.

    ID is a number, the first digits of a digest, or what a node made in a run: latest:Trainer,
    latest:Trainer:model_run. Exits with 4 where it came out otherwise; then nothing was changed.

    With --metadata: go back to a copy of ML Metadata's store. One is made after each run that succeeds, and named by
    the run. The store that is there is kept under another name.
    """
    if bool(artifact) == (metadata_copy is not None):
        raise UsageError("say what to restore: an artifact's ID, or --metadata for a copy of ML Metadata's store")
    if metadata_copy is None:
        _artifact(root_of(root), artifact, as_json)
    elif as_json:
        raise UsageError("--json goes with an artifact's ID, not with --metadata")
    else:
        _metadata(root_of(root), metadata_copy)


def _artifact(root: Root, name: str, as_json: bool) -> None:
    from pipeline.inspection.locations import open_reader
    from pipeline.maintenance import restore
    from pipeline.terminal import restore as text

    with open_reader(None, root) as reader:
        wanted = reader.find_artifact(name)
    found = restore.restore(root, wanted, output.note)
    if as_json:
        output.write_json(found)
    else:
        output.write(text.as_text(found))


def _metadata(root: Root, copy: str) -> None:
    from pipeline.metadata import backup
    from pipeline.terminal import restore as text

    root.create()
    with root.lock():
        output.write(text.metadata_text(backup.restore(root, copy)))
