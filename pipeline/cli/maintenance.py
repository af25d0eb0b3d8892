"""The commands that check a root and repair it: `sae verify`, `fsck`, `restore` and `gc`."""

from __future__ import annotations

import pathlib
from collections.abc import Sequence

import click

from pipeline.cli import completion, output
from pipeline.cli.command import command
from pipeline.cli.options import (
    ARTIFACT_HELP,
    config_option,
    current_pipeline,
    explained,
    json_option,
    node_option,
    request,
    resolve_root,
    root_option,
    run_argument,
    set_option,
)
from pipeline.core import settings
from pipeline.core.errors import ExitCode, UsageError
from pipeline.core.pipeline_root import Root
from pipeline.inspection.locations import open_reader
from pipeline.maintenance import fsck, gc, restore, restore_store, verify
from pipeline.metadata import root_store
from pipeline.provenance.manifest_diff import Difference
from pipeline.terminal import json_documents
from pipeline.terminal import maintenance as text


def _note_environment(run_id: str, differences: Sequence[Difference]) -> None:
    for line in text.environment(run_id, differences):
        output.note(line)


@command("verify")
@run_argument
@node_option("--node", help="Rerun only this node, on its recorded inputs.")
@root_option
@json_option
def verify_command(run_id: str, node: str, root: str | None, as_json: bool) -> None:
    """Rerun a run in a clean environment, and compare every artifact with the recorded one.

    Exit code 4: content differs.
    """
    found = verify.verify(current_pipeline(), resolve_root(root), run_id, node, output.note, _note_environment)
    output.write_result(as_json, found, lambda: text.verify(found))
    if not found.verified:
        raise SystemExit(int(ExitCode.GATE_FAILED))


@command("fsck")
@root_option
@json_option
def fsck_command(root: str | None, as_json: bool) -> None:
    """Check a root: artifacts against their digests, and ML Metadata against the files. Write nothing.

    Exit code 4: damage.
    """
    found = fsck.check(resolve_root(root))
    output.write_result(as_json, json_documents.fsck(found), lambda: text.fsck(found))
    if found.exit_code:
        raise SystemExit(int(found.exit_code))


@command("gc")
@click.option("--yes/--dry-run", help="Delete, or list what would be deleted.  [default: --dry-run]")
@config_option
@set_option
@root_option
@json_option
def gc_command(
    yes: bool, config_file: pathlib.Path | None, assignments: tuple[str, ...], root: str | None, as_json: bool
) -> None:
    """Delete the bytes of artifacts that the settings under `retention` do not keep; without --yes, list them.

    Lineage, metrics and digests stay in ML Metadata.
    """
    resolved = settings.resolve(request("", config_file, assignments, None, root))
    place = Root.at(pathlib.Path(resolved.config.paths.root))
    root_store.given(place, resolved.config.paths.metadata)  # raises if it is another one
    found = (gc.apply if yes else gc.look)(current_pipeline(), place, resolved.config.retention)
    output.write_result(as_json, json_documents.gc(found), lambda: text.gc(found))


@command("restore")
@explained(ARTIFACT_HELP)
@click.argument("artifact", metavar="[ID]", default="", shell_complete=completion.artifacts)
@click.option(
    "--metadata",
    "metadata_copy",  # `metadata` is the option of commands that read
    is_flag=False,
    flag_value="",
    metavar="[COPY]",
    help="Restore the copy made after this run; without a value, the newest.",
)
@root_option
@json_option
def restore_command(artifact: str, metadata_copy: str | None, root: str | None, as_json: bool) -> None:
    """Regenerate an artifact whose bytes are missing or corrupted, check its digest, and put it back.

    Exit code 4: the content differs, and nothing was changed. With --metadata: restore a copy of the metadata store;
    each successful run makes one, named by the run. The current store is kept under another name.
    """
    if bool(artifact) == (metadata_copy is not None):
        raise UsageError("give either the ID of an artifact, or --metadata to restore a copy of the metadata store")
    place = resolve_root(root)
    if metadata_copy is not None:
        if as_json:
            raise UsageError("--json works with the ID of an artifact, not with --metadata")
        if place.path.exists():
            place.create()  # first, because it names another owner or a full disk
        root_store.of(place).find_backup(metadata_copy)  # raises if there is none, as in a root that does not exist
        with root_store.lock(place):
            output.write(text.restore_metadata(restore_store.restore(place, metadata_copy)))
        return
    with open_reader(current_pipeline(), None, place) as reader:
        wanted = reader.find_artifact(artifact)
    found = restore.restore(current_pipeline(), place, wanted, output.note, _note_environment)
    output.write_result(as_json, found, lambda: text.restore(found))
