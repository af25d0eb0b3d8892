"""The commands that read sweeps, and the promotion of a sweep's best model."""

from __future__ import annotations

import click

from pipeline.cli import output
from pipeline.cli.command import command
from pipeline.cli.models import reason_option, write_served
from pipeline.cli.options import current_pipeline, json_option, resolve_root, root_option, sweep_argument
from pipeline.core.errors import NotFoundError
from pipeline.definition.spec import Pipeline
from pipeline.registry import promotion
from pipeline.sweeps import results
from pipeline.sweeps.definition import Objective
from pipeline.sweeps.views import Sweep
from pipeline.terminal import json_documents
from pipeline.terminal import sweeps as sweeps_text

by_option = click.option(
    "--by", default="", metavar="METRIC", help="Metric to compare by.  [default: the sweep's first objective]"
)


@command("list")
@root_option
@json_option
def list_command(root: str | None, as_json: bool) -> None:
    """List the sweeps of a root, the one that started last first."""
    place, pipeline = resolve_root(root), current_pipeline()
    with results.reader_of(place, pipeline) as reader:
        found = results.rows(place, pipeline, reader, lambda why: output.note(f"left out: {why}"))
    if as_json:
        output.write_json({"sweeps": found})
    elif not found:
        output.note(f"no sweep in {place.path}: `sae sweep run NAME --over SETTING=VALUE,VALUE` runs the first one")
    else:
        output.write(sweeps_text.rows(output.screen(), found, pipeline.declared_metrics))


@command("show")
@sweep_argument
@root_option
@json_option
def show_command(name: str, root: str | None, as_json: bool) -> None:
    """Show a sweep: the mean and the 95 % interval of each combination over its seeds, and all points."""
    pipeline = current_pipeline()
    found = results.read_from(resolve_root(root), pipeline, name)
    output.write_result(as_json, found, lambda: sweeps_text.as_text(output.screen(), found, pipeline))


@command("best")
@sweep_argument
@by_option
@root_option
@json_option
def best_command(name: str, by: str, root: str | None, as_json: bool) -> None:
    """Show the best combination of a sweep, by the validation split; of several objectives, all that none dominates.

    With --by, all combinations, the best one first.
    """
    pipeline = current_pipeline()
    found = results.read_from(resolve_root(root), pipeline, name)
    chosen = _objective(found, pipeline, by)
    ranked = results.ranked(found, chosen) if by else list(found.best)
    if not ranked:  # one of these raises the error that there is none
        for one in (chosen, *found.definition.objectives):
            results.best_point(found, pipeline, one)
    points = [results.best_point_of(found, one, chosen) for one in ranked]
    output.write_result(
        as_json,
        json_documents.best_of_sweep(found, chosen, ranked, points),
        lambda: sweeps_text.best(output.screen(), found, chosen, ranked, points, pipeline.declared_metrics),
    )


@command("promote")
@sweep_argument
@by_option
@reason_option
@root_option
def promote_command(name: str, by: str, reason: str, root: str | None) -> None:
    """Serve the best model of a sweep: of its best combination, the one with the best seed, by the validation split.

    Exit code 4: the model was not blessed.
    """
    place, pipeline = resolve_root(root), current_pipeline()
    found = results.read_from(place, pipeline, name)
    chosen = _objective(found, pipeline, by)
    point = results.best_point(found, pipeline, chosen)
    output.note(f"point {point.number} of sweep {name} is the best by {chosen.chosen_by}: run {point.run}")
    try:
        served = promotion.promote(place, point.run, reason, output.note)
    except promotion.NotBlessedError as error:
        best = "no other point has a blessed model"
        if other := results.best_blessed_point(found, chosen):
            serve = f"`sae promote {other.run} --reason TEXT`"
            best = f"the best that is blessed is of point {other.number}: {serve} serves it"
        raise promotion.NotBlessedError(f"{error}; {best}") from error
    write_served(served)


def _objective(found: Sweep, pipeline: Pipeline, by: str) -> Objective:
    if by:
        return results.objective(found, pipeline, by)
    if not found.definition.objectives:
        raise NotFoundError(f"sweep {found.row.name} has no objective: name a metric with --by")
    return found.definition.objectives[0]
