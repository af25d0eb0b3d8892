"""The commands that select the served model and protect runs: `sae models`, `promote`, `rollback`, `pin`, `unpin`."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from pipeline.cli import output
from pipeline.cli.command import command
from pipeline.cli.options import ReadOptions, current_pipeline, reading_options, resolve_root, root_option, run_argument
from pipeline.core.pipeline_root import Root
from pipeline.metadata.store import Store, open_store
from pipeline.registry import listing, model_states, pins, promotion
from pipeline.terminal import json_documents
from pipeline.terminal import models as models_text

if TYPE_CHECKING:
    from pipeline.inspection.reader import Reader

reason_option = click.option("--reason", required=True, metavar="TEXT", help="Reason, recorded with the decision.")


@command("models")
@reading_options
def models_command(options: ReadOptions) -> None:
    """List the pushed models, highest version first: run, test loss, digest, state; then promotions and rollbacks.

    Of a store without a pipeline root, list all models, newest first: run, whether blessed, where they were pushed.
    """
    if options.metadata is None:
        place = resolve_root(options.root)
        _write_versions(place, open_store(place, read_only=True), options.as_json)
        return
    with options.reader() as reader:
        if reader.root is None:
            _write_states(reader, options.as_json)
        else:
            _write_versions(reader.root, reader.store, options.as_json)


def _write_states(reader: Reader, as_json: bool) -> None:
    found = model_states.list_states(reader.store)
    if as_json:
        output.write_json(json_documents.model_states(reader.name, found))
    elif not found.models:
        output.note(f"no models in {reader.name}")
    else:
        output.write(models_text.states_text(output.screen(), found.models))


def _write_versions(place: Root, store: Store, as_json: bool) -> None:
    headlines = current_pipeline().headlines
    found = listing.list_models(store, place, headlines)
    if as_json:
        output.write_json(json_documents.models(place, found))
    elif not found.models and not found.decisions:
        output.note(f"no model was pushed in {place.path}: a run pushes a model that passes its gates")
    else:
        output.write(models_text.as_text(output.screen(), found, headlines))


@command("promote")
@run_argument
@reason_option
@root_option
def promote_command(run_id: str, reason: str, root: str | None) -> None:
    """Serve the model of a run as the highest version, even if it is older or was rolled back.

    Exit code 4: the model was not blessed.
    """
    write_served(promotion.promote(resolve_root(root), run_id, reason, output.note))


@command("rollback")
@reason_option
@root_option
def rollback_command(reason: str, root: str | None) -> None:
    """Stop serving the current model, and serve the previous one as the highest version."""
    write_served(promotion.rollback(resolve_root(root), reason, output.note))


def write_served(chosen: promotion.ServingChange) -> None:
    """Say which version is served now."""
    instead = f" instead of version {chosen.replaced_version}" if chosen.replaced_version else ""
    output.note(f"the model of run {chosen.run_id} is served as version {chosen.version}{instead}")


@command("pin")
@run_argument
@reason_option
@root_option
def pin_command(run_id: str, reason: str, root: str | None) -> None:
    """Protect a run: `sae gc` keeps all its artifacts."""
    pinned = pins.pin(resolve_root(root), run_id, reason)
    output.note(f"run {pinned.run_id} is pinned")
    if pinned.deleted:
        output.note(
            f"`sae gc` had deleted {', '.join(pinned.deleted)}: regenerate what you need with "
            f"`sae restore {pinned.run_id}:{pinned.deleted[0]}`"
        )


@command("unpin")
@run_argument
@reason_option
@root_option
def unpin_command(run_id: str, reason: str, root: str | None) -> None:
    """Undo `sae pin`: `sae gc` may delete the artifacts of the run."""
    output.note(f"run {pins.unpin(resolve_root(root), run_id, reason)} is no longer pinned")
