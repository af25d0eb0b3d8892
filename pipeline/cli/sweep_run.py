"""`sae sweep run`."""

from __future__ import annotations

import contextlib
import dataclasses
import pathlib
import signal
import types
from collections.abc import Iterator
from contextlib import AbstractContextManager
from typing import Any

import click

from pipeline.cli import output
from pipeline.cli.command import command
from pipeline.cli.options import (
    current_pipeline,
    json_option,
    path_option,
    setting_options,
    sweep_argument,
)
from pipeline.core import settings
from pipeline.core.errors import ExitCode, UsageError
from pipeline.core.pipeline_root import Root
from pipeline.definition.spec import Pipeline
from pipeline.sweeps import dask_cluster, definition_file, engine, files, new_definition, space, workers
from pipeline.sweeps import definition as definitions
from pipeline.sweeps.dask_cluster import DaskCluster, DaskTrials
from pipeline.sweeps.definition import PRUNERS, SAMPLERS, Definition
from pipeline.sweeps.trials import LocalTrials, Trials
from pipeline.sweeps.views import Point, Sweep, SweepState
from pipeline.sweeps.workers import WorkerTrials
from pipeline.terminal import sweeps as sweeps_text

_NAMES = "METRIC,METRIC"


@command("run")
@sweep_argument
@click.option(
    "--over",
    multiple=True,
    metavar="NAME=V,V",
    help="Setting of a grid and its values; several make the product.",
)
@click.option(
    "--search",
    multiple=True,
    metavar="NAME=LOW..HIGH",
    help="Setting to search, and its range; LOW..HIGH:log searches the logarithm, V,V lists choices; may be repeated.",
)
@click.option("--seeds", type=int, metavar="N", help="Seeds of each combination of settings.  [default: 1]")
@click.option(
    "--trials", type=click.IntRange(1, definitions.MOST_POINTS), metavar="N", help="Combinations that a search tries."
)
@click.option("--sampler", metavar="|".join(SAMPLERS), help="How a search chooses them.  [default: tpe]")
@click.option(
    "--pruner",
    metavar="|".join(PRUNERS),
    help="Stop runs that are worse than others early.  [default: median for one loss]",
)
@click.option("--minimise", metavar=_NAMES, help="Metrics to minimise.  [default: the loss of the runs]")
@click.option("--maximise", metavar=_NAMES, help="Metrics to maximise.")
@click.option(
    "--parallel",
    type=click.IntRange(1, 64),
    metavar="N",
    help="Points that run at once, each with the threads that engine.intra_op_threads gives it.  "
    "[default: 1; with --on, one for each thread of its workers]",
)
@click.option("--on", metavar="ADDRESS", help="Run points on a Dask cluster; its scheduler, such as tcp://host:8786.")
@click.option("--again", is_flag=True, help="Run all points again if all have ended; unchanged nodes are cached.")
@path_option("--from", "file", help="TOML file with these options, in a table [sweep].")
@setting_options
@json_option
def run_command(
    request: settings.Request,
    name: str,
    file: pathlib.Path | None,
    as_json: bool,
    over: tuple[str, ...],
    search: tuple[str, ...],
    again: bool,
    parallel: int | None,
    on: str | None,
    **options: Any,
) -> None:
    """Run a sweep; each of its points is an ordinary run that pushes nothing.

    The first call defines the sweep NAME. The same call, or one with the name alone, continues where it stopped; points
    that ended are not run again. Points are compared by the validation split.

    Exit codes: 0 all points ended and one succeeded, 1 otherwise, 5 another sweep runs in the root.
    """
    pipeline = current_pipeline()
    definitions.check_name(name)
    if on is not None:
        dask_cluster.check_address(on)
    given = {"over": over, "search": search, **{key: value for key, value in options.items() if value is not None}}
    is_defined = file is not None or any(given.values())
    if file is not None:
        given = {**definition_file.read(file), **{name: value for name, value in given.items() if value}}
    axes = _axes(given, pipeline)
    base = new_definition.resolve_base(request, **axes)
    place = Root.at(pathlib.Path(base.config.paths.root))
    if not (is_defined or request.is_empty):
        raise UsageError(
            "the settings of a sweep are part of its definition: give --over or --search as well, or only the name to "
            "continue a sweep"
        )
    wanted = _definition(name, pipeline, base, {**given, **axes}) if is_defined else files.read(place, name)
    with _ended_by_sigterm():
        engine.check_root(place, base.config.paths.metadata)
        with files.lock(place) as record, _cluster(on, place, pipeline) as cluster:
            record(name)
            engine.define(place, pipeline, wanted)
            defined = files.read(place, name)
            defined = engine.begin_round(place, pipeline, defined) if again else defined
            found = _run(place, pipeline, defined, parallel, cluster)
    output.write_result(as_json, found, lambda: sweeps_text.as_text(output.screen(), found, pipeline))
    if found.row.state == SweepState.STOPPED:
        output.note(f"the sweep is not complete: `sae sweep run {name}` continues it")
    done = found.row.state != SweepState.STOPPED and found.row.counts.get("succeeded", 0) > 0
    raise SystemExit(int(ExitCode.DONE if done else ExitCode.NODE_FAILED))


def _cluster(address: str | None, place: Root, pipeline: Pipeline) -> AbstractContextManager[DaskCluster | None]:
    """Connect to the Dask cluster that is asked for."""
    return dask_cluster.connect(address, place, pipeline.location) if address else contextlib.nullcontext()


def _run(
    place: Root, pipeline: Pipeline, found: Definition, parallel: int | None, cluster: DaskCluster | None
) -> Sweep:
    trials = _trials(place, pipeline, found, parallel, cluster)

    def progress(one: Point) -> None:
        output.note(sweeps_text.progress(one, found, pipeline.declared_metrics))

    ended = engine.run(place, pipeline, found, trials, output.note, progress)
    # This process holds the lock of the sweeps, but runs no point any more.
    state = SweepState.COMPLETE if ended.is_complete else SweepState.STOPPED
    return dataclasses.replace(ended, row=dataclasses.replace(ended.row, state=state))


def _trials(
    place: Root, pipeline: Pipeline, found: Definition, parallel: int | None, cluster: DaskCluster | None
) -> Trials:
    options = (place, found.name, found.profile, pipeline.sweep_spec.nodes)
    if cluster is not None:
        return DaskTrials(LocalTrials(*options), parallel, output.note, cluster, pipeline.location)
    has_workers = workers.folder(place, found.name).is_dir()  # of a sweep that was stopped
    if parallel in (None, 1) and not has_workers:
        varies = any(name.startswith("engine.") for name in found.varied)
        shared = None if varies else definitions.settings_of(found, pipeline, {}, 0).config.engine
        return LocalTrials(*options, shared)
    return WorkerTrials(LocalTrials(*options), parallel or 1, output.note)


def _axes(given: dict[str, Any], pipeline: Pipeline) -> dict[str, Any]:
    """Return the settings that the options vary, parsed, by option."""
    config_type = pipeline.configuration
    return {
        "over": [space.axis(one, "--over", config_type) for one in given["over"]],
        "search": [space.search(one, "--search", config_type) for one in given["search"]],
        "groups": [
            [space.axis(one, "--from, [[sweep.points]]", config_type) for one in group]
            for group in given.get("groups", ())
        ],
    }


def _definition(name: str, pipeline: Pipeline, base: settings.Settings, given: dict[str, Any]) -> Definition:
    names: dict[str, Any] = {option: _split(given.pop(option, "")) for option in ("minimise", "maximise")}
    return new_definition.make(name, pipeline, base, **names, **given)


def _split(text: str) -> list[str]:
    return [one.strip() for one in text.split(",") if one.strip()]


@contextlib.contextmanager
def _ended_by_sigterm() -> Iterator[None]:
    """Treat SIGTERM as Ctrl-C."""

    def interrupt(number: int, frame: types.FrameType | None) -> None:
        del number, frame
        raise KeyboardInterrupt

    before = signal.signal(signal.SIGTERM, interrupt)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)
