"""The command `sae show`, in its own module: it imports more than the other commands that read runs."""

from __future__ import annotations

import click

from components.evaluation import thresholds
from pipeline.cli import output
from pipeline.cli.command import command
from pipeline.cli.options import ReadOptions, reading_options, run_argument
from pipeline.core.errors import NotFoundError, SaeError, UsageError
from pipeline.provenance import manifest
from pipeline.terminal import json_documents
from pipeline.terminal import run as run_text


@command("show")
@run_argument
@click.option("--manifest", "whole", is_flag=True, help="Print the run's manifest as one JSON object.")
@click.option("--parameters", is_flag=True, help="Print the parameters of all nodes, uncut.")
@reading_options
def show_command(options: ReadOptions, run_id: str, whole: bool, parameters: bool) -> None:
    """Show a run: nodes, times, inputs and outputs, metrics, thresholds, configuration."""
    with options.reader() as reader:
        found = reader.run(reader.find_run(run_id))
        recorded, missing = None, "unknown: a store without its root has no manifests"
        try:
            if reader.root is not None:
                recorded = manifest.read(reader.root.path, found.row.id, reader.pipeline)
        except SaeError as error:
            missing = str(error)
        evaluated = found.named_output(reader.pipeline.evaluation)
        evaluation = reader.preview(evaluated) if evaluated else None
        if parameters and (whole or options.as_json):
            other = "--manifest" if whole else "--json"
            raise UsageError(f"--parameters and {other} exclude each other: give one of them")
        if parameters:
            text = run_text.parameters_text(output.screen(), found)
            if text:
                output.write(text)
            else:
                output.note(f"no parameters are recorded in run {found.row.id}")
        elif whole:
            if recorded is None:
                raise NotFoundError(missing)
            output.write_data(manifest.to_json(recorded).rstrip())
        elif options.as_json:
            output.write_json(json_documents.run(found, evaluation, recorded, reader.slice_titles(found.row.id)))
        else:
            floors: tuple[str, ...] = ()
            if evaluation is not None:
                titles = reader.slice_titles(found.row.id)
                rows = evaluation.records("thresholds")
                floors = thresholds.of_floors(*thresholds.shown(rows, found.metrics, found.slices, titles))
                evaluation = evaluation.renamed(titles)
            words = reader.words(found.row.id)
            declared = [one.reworded(words) for one in reader.pipeline.declared_metrics]
            place = str(reader.root.path) if reader.root else reader.name
            text = run_text.as_text(output.screen(), found, place, evaluation, recorded, missing, declared, floors)
            output.write(text)
