"""The commands that say something of a run: `sae tag` and `sae note`."""

from __future__ import annotations

import click

from pipeline.cli import output
from pipeline.cli.command import command
from pipeline.cli.options import resolve_root, root_option, run_argument
from pipeline.registry import run_annotations


@command("tag")
@run_argument
@click.argument("tags", metavar="TAG...", nargs=-1, required=True)
@click.option("--remove", is_flag=True, help="Remove these tags.")
@root_option
def tag_command(run_id: str, tags: tuple[str, ...], remove: bool, root: str | None) -> None:
    """Add tags to a run; `sae runs --where tag=TAG` lists the runs that have one."""
    found, recorded = run_annotations.tag(resolve_root(root), run_id, tags, remove)
    several = "s" * (len(recorded.tags) > 1)
    output.note(f"run {found} has {f'the tag{several} ' + ', '.join(recorded.tags) if recorded.tags else 'no tags'}")


@command("note", may_be_empty=["text"])
@run_argument
@click.argument("text", metavar="TEXT")
@root_option
def note_command(run_id: str, text: str, root: str | None) -> None:
    """Write a note on a run in place of the one that it has; an empty text removes it."""
    found, recorded = run_annotations.note(resolve_root(root), run_id, text)
    output.note(f"run {found} has {'a note' if recorded.note else 'no note'}")
