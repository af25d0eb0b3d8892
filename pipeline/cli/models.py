"""The commands on models and roots over time: what is served, what is kept, and who decided it."""

from __future__ import annotations

import pathlib
from typing import TYPE_CHECKING

import click

from pipeline.cli import output
from pipeline.cli.group import sae
from pipeline.cli.options import config_option, json_option, root_option, run_argument, set_option
from pipeline.core import settings
from pipeline.core.pipeline_root import root_of

if TYPE_CHECKING:
    from pipeline.registry.promotion import Chosen

reason_option = click.option("--reason", required=True, metavar="TEXT", help="Why; it is recorded with the decision.")


@sae.command(short_help="List the versions that were pushed, and who decided what.")
@root_option
@json_option
def models(root: str | None, as_json: bool) -> None:
    """List the versions that were pushed, the highest first: run, test loss, digest, which is served; and decisions."""
    from pipeline.registry import listing
    from pipeline.terminal import json_documents
    from pipeline.terminal import models as text

    place = root_of(root)
    found = listing.read(place)
    if as_json:
        output.write_json(json_documents.models(place, found))
    elif not found.models and not found.decisions:
        output.note(f"no model was pushed in {place.path}: a run pushes the one that passes its gates")
    else:
        output.write(text.as_text(output.screen(), found))


@sae.command(short_help="Serve the model of a run.")
@run_argument
@reason_option
@root_option
def promote(run_id: str, reason: str, root: str | None) -> None:
    """Serve the model of a run, also an older or a withdrawn one: it becomes the highest version.

    RUN is an id, the beginning of only one, `latest` or `latest~1`. Exits with 4 where the model was not blessed.
    """
    from pipeline.registry import promotion

    _say(promotion.promote(root_of(root), run_id, reason, output.note))


@sae.command(short_help="Withdraw the served model, and serve the one before it.")
@reason_option
@root_option
def rollback(reason: str, root: str | None) -> None:
    """Withdraw the model that is served, and serve the one before it: it becomes the highest version."""
    from pipeline.registry import promotion

    _say(promotion.rollback(root_of(root), reason, output.note))


def _say(chosen: Chosen) -> None:
    instead = f" instead of version {chosen.replaced_version}" if chosen.replaced_version else ""
    output.note(f"the model of run {chosen.run_id} is served as version {chosen.version}{instead}")


@sae.command(short_help="Delete the bytes of old artifacts; say first what goes.")
@click.option("--yes", is_flag=True, help="Delete. Without it, it is only said what would be.")
@config_option
@set_option
@root_option
@json_option
def gc(
    yes: bool, config_file: pathlib.Path | None, assignments: tuple[str, ...], root: str | None, as_json: bool
) -> None:
    """Delete the bytes of artifacts that the settings under `retention` do not keep; say first what goes.

    Their lineage, metrics and digests stay in ML Metadata.
    """
    from pipeline.core.pipeline_root import Root
    from pipeline.maintenance import gc
    from pipeline.terminal import gc as text
    from pipeline.terminal import json_documents

    resolved = settings.resolve(settings.Request(config_file=config_file, assignments=assignments, root=root))
    place = Root(pathlib.Path(resolved.config.paths.root).resolve())
    found = (gc.apply if yes else gc.look)(place, resolved.config.retention)
    if as_json:
        output.write_json(json_documents.gc(found))
    else:
        output.write(text.as_text(found))


@sae.command(short_help="Keep a run, whatever `sae gc` deletes.")
@run_argument
@reason_option
@root_option
def pin(run_id: str, reason: str, root: str | None) -> None:
    """Keep all artifacts of a run, whatever `sae gc` deletes.

    RUN is an id, the beginning of only one, `latest` or `latest~1`.
    """
    from pipeline.registry import pins

    output.note(f"run {pins.pin(root_of(root), run_id, reason)} is pinned")


@sae.command(short_help="Keep a run no longer than others.")
@run_argument
@reason_option
@root_option
def unpin(run_id: str, reason: str, root: str | None) -> None:
    """Undo `sae pin`: the run is kept no longer than others.

    RUN is an id, the beginning of only one, `latest` or `latest~1`.
    """
    from pipeline.registry import pins

    output.note(f"run {pins.unpin(root_of(root), run_id, reason)} is not pinned any more")
