"""The commands that read artifacts: `sae artifacts`, `artifact` and `lineage`."""

from __future__ import annotations

import click

from pipeline.cli import completion, output
from pipeline.cli.command import command
from pipeline.cli.options import (
    ReadOptions,
    artifact_argument,
    limit_option,
    map_option,
    node_option,
    reading_options,
    run_option,
)
from pipeline.inspection.views import ARTIFACT_STATES
from pipeline.terminal import artifact as artifact_text
from pipeline.terminal import json_documents
from pipeline.terminal import lineage as lineage_text


@command("artifacts")
@click.option(
    "--type",
    "type_name",
    default="",
    metavar="TYPE",
    shell_complete=completion.types,
    help="List only artifacts of this type, such as Model.",
)
@node_option("--node", help="List only outputs of this node.")
@run_option("--run", "run_id", help="List only inputs and outputs of this run.")
@click.option(
    "--state",
    default="",
    type=click.Choice(["", *ARTIFACT_STATES]),
    metavar="STATE",
    help=f"List only artifacts in this state: {', '.join(ARTIFACT_STATES)}.",
)
@limit_option
@reading_options
def artifacts_command(options: ReadOptions, type_name: str, node: str, run_id: str, state: str, limit: int) -> None:
    """List artifacts, newest first: type, node, run, time, content digest."""
    with options.reader() as reader:
        rows, page = reader.artifacts(limit=limit, type_name=type_name, node=node, run_id=run_id, state=state)
        if options.as_json:
            output.write_json(json_documents.artifacts(rows, page))
            return
        given = {"--type": type_name, "--node": node, "--run": run_id, "--state": state}
        chosen = " ".join(f"{name} {value}" for name, value in given.items() if value)
        if rows:
            output.write(artifact_text.list_text(output.screen(), rows))
        output.note(artifact_text.list_note(len(rows), page, chosen, reader.name, reader.root is None))
        output.note(artifact_text.unfinished_note(page))


@command("artifact")
@artifact_argument
@map_option
@reading_options
def artifact_command(options: ReadOptions, artifact: str, maps: tuple[str, ...]) -> None:
    """Show an artifact: its preview, its files, and the nodes that wrote and read it."""
    with options.reader(maps) as reader:
        found = reader.artifact(reader.find_artifact(artifact))
        preview = reader.preview(found.row)
        shown = preview.renamed(reader.slice_titles(found.row.run)) if preview else None
        labels = {one.name: one.label for one in reader.pipeline.declared_metrics}
        shown = shown.labelled(labels).reworded(reader.words(found.row.run)) if shown else None
        is_alone = reader.root is None
        beside = () if options.as_json else reader.outputs_beside(found)
    output.write_result(
        options.as_json,
        json_documents.artifact(found, preview),
        lambda: artifact_text.as_text(output.screen(), found, shown, is_alone, beside),
    )


@command("lineage")
@artifact_argument
@reading_options
def lineage_command(options: ReadOptions, artifact: str) -> None:
    """Draw the lineage of an artifact: the artifacts and executions upstream and downstream of it, as two trees."""
    with options.reader() as reader:
        found = reader.lineage(reader.find_artifact(artifact))
    output.write_result(options.as_json, found, lambda: lineage_text.as_text(output.screen(), found))
