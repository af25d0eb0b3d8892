"""The commands that decide which models are served and which runs are kept, and list these decisions."""

from __future__ import annotations

import click

from pipeline.cli import output
from pipeline.cli.options import current_pipeline, json_option, resolve_root, root_option, run_argument
from pipeline.metadata.store import open_store
from pipeline.registry import listing, pins, promotion
from pipeline.terminal import json_documents
from pipeline.terminal import models as models_text

reason_option = click.option("--reason", required=True, metavar="TEXT", help="Why; recorded with the decision.")


@click.command("models")
@root_option
@json_option
def models_command(root: str | None, as_json: bool) -> None:
    """List the pushed models, highest version first: run, test loss, digest, which is served; then the decisions."""
    place = resolve_root(root)
    pipeline = current_pipeline()
    found = listing.list_models(open_store(place, read_only=True), place, pipeline.headline)
    if as_json:
        output.write_json(json_documents.models(place, found))
    elif not found.models and not found.decisions:
        output.note(f"no model was pushed in {place.path}: a run pushes a model that passes its gates")
    else:
        output.write(models_text.as_text(output.screen(), found, pipeline.headline))


@click.command("promote")
@run_argument
@reason_option
@root_option
def promote_command(run_id: str, reason: str, root: str | None) -> None:
    """Serve the model of a run, also an older one or one that was rolled back: it becomes the highest version.

    RUN is an id, its unique beginning, `latest` or `latest~1`. Exit code 4: the model was not blessed.
    """
    _note(promotion.promote(resolve_root(root), run_id, reason, output.note))


@click.command("rollback")
@reason_option
@root_option
def rollback_command(reason: str, root: str | None) -> None:
    """Stop serving the current model, and serve the previous one: it becomes the highest version."""
    _note(promotion.rollback(resolve_root(root), reason, output.note))


def _note(chosen: promotion.ServingChange) -> None:
    instead = f" instead of version {chosen.replaced_version}" if chosen.replaced_version else ""
    output.note(f"the model of run {chosen.run_id} is served as version {chosen.version}{instead}")


@click.command("pin")
@run_argument
@reason_option
@root_option
def pin_command(run_id: str, reason: str, root: str | None) -> None:
    """Protect a run: `sae gc` keeps all its artifacts.

    RUN is an id, its unique beginning, `latest` or `latest~1`.
    """
    output.note(f"run {pins.pin(resolve_root(root), run_id, reason)} is pinned")


@click.command("unpin")
@run_argument
@reason_option
@root_option
def unpin_command(run_id: str, reason: str, root: str | None) -> None:
    """Undo `sae pin`: `sae gc` may delete the artifacts of the run.

    RUN is an id, its unique beginning, `latest` or `latest~1`.
    """
    output.note(f"run {pins.unpin(resolve_root(root), run_id, reason)} is no longer pinned")
