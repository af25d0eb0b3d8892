"""The commands that say what of a root is kept: `gc`, `pin`, `unpin`."""

from __future__ import annotations

import pathlib

import click

from pipeline import settings
from pipeline.cli import output
from pipeline.cli.group import sae
from pipeline.cli.options import config_option, json_option, root_of, root_option, run_argument, set_option

reason_option = click.option("--reason", required=True, metavar="TEXT", help="Why; it is recorded with the decision.")


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
    from pipeline import retention
    from pipeline.render import escaped
    from pipeline.root import Root

    resolved = settings.resolve(settings.Request(config_file=config_file, assignments=assignments, root=root))
    place = Root(pathlib.Path(resolved.config.paths.root).resolve())
    found = (retention.apply if yes else retention.look)(place, resolved.config.retention)
    output.write(found.as_json() if as_json else "\n".join(map(escaped, found.as_text().split("\n"))))


@sae.command(short_help="Keep a run, whatever `sae gc` deletes.")
@run_argument
@reason_option
@root_option
def pin(run_id: str, reason: str, root: str | None) -> None:
    """Keep all artifacts of a run, whatever `sae gc` deletes.

    RUN is an id, the beginning of only one, `latest` or `latest~1`.
    """
    from pipeline.models import pins

    output.note(f"run {pins.pin(root_of(root), run_id, reason)} is pinned")


@sae.command(short_help="Keep a run no longer than others.")
@run_argument
@reason_option
@root_option
def unpin(run_id: str, reason: str, root: str | None) -> None:
    """Undo `sae pin`: the run is kept no longer than others.

    RUN is an id, the beginning of only one, `latest` or `latest~1`.
    """
    from pipeline.models import pins

    output.note(f"run {pins.unpin(root_of(root), run_id, reason)} is not pinned any more")
