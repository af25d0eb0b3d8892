"""Read sweeps: definitions from their files, points from the runs in ML Metadata, means over seeds, the best ones."""

from __future__ import annotations

import contextlib
import dataclasses
import datetime
import math
from collections.abc import Callable, Iterator, Mapping, Sequence

from pipeline.core.errors import NotFoundError, UnavailableError, UsageError
from pipeline.core.pipeline_root import Root
from pipeline.core.text import closest
from pipeline.definition.spec import Pipeline
from pipeline.inspection.locations import open_reader
from pipeline.inspection.reader import Reader
from pipeline.inspection.views import RunRow, RunState
from pipeline.metadata import root_store, run_properties
from pipeline.metadata import sweep_trigger as trigger
from pipeline.metadata.types import RunContext
from pipeline.orchestration import recovery
from pipeline.sweeps import definition, files, frontier, record
from pipeline.sweeps.definition import Definition, Objective
from pipeline.sweeps.statistics import estimate
from pipeline.sweeps.views import Combination, Point, PointState, Sweep, SweepRow, SweepState
from pipeline_config import Value

_Runs = Mapping[int, tuple[RunContext, RunRow]]  # the newest run of each point, by its number


def rows(root: Root, pipeline: Pipeline, reader: Reader | None, damaged: Callable[[str], None]) -> list[SweepRow]:
    """Return the sweeps of a root, the one that started last first.

    Args:
      root: the root.
      pipeline: the pipeline of its runs.
      reader: of the root's store; None if it has none yet.
      damaged: called with the reason why a sweep is left out, if its definition is damaged.
    """
    found = []
    for name in files.names(root):
        try:
            found.append(read(root, pipeline, reader, name, brief=True).row)
        except UnavailableError as error:
            damaged(str(error))
    return sorted(
        found, key=lambda one: (one.started is None, -one.started.timestamp() if one.started else 0, one.name)
    )


@contextlib.contextmanager
def reader_of(root: Root, pipeline: Pipeline) -> Iterator[Reader | None]:
    """Open the store of a root; yield None if it has none yet."""
    if root_store.of(root).is_empty():
        yield None
        return
    with open_reader(pipeline, None, root) as reader:
        yield reader


def read_from(root: Root, pipeline: Pipeline, name: str, brief: bool = False) -> Sweep:
    """Open the store of a root, and return a sweep; the arguments and errors are those of `read`."""
    with reader_of(root, pipeline) as reader:
        return read(root, pipeline, reader, name, brief)


def read(root: Root, pipeline: Pipeline, reader: Reader | None, name: str, brief: bool = False) -> Sweep:
    """Return a sweep.

    Args:
      root, pipeline, reader: as of `rows`.
      name: of the sweep.
      brief: leave out what a list does not show: metrics and combinations.

    Raises:
      NotFoundError: there is no such sweep.
      UnavailableError: its definition is damaged.
    """
    found = _current(files.read(root, name), pipeline)
    runs = _newest_runs(reader, found)
    points = tuple(_points(found, pipeline, runs, brief))
    is_running = files.running(root) == name
    row = _row(found, points, is_running)
    if brief:
        return Sweep(row, found, (), (), points)
    with_values = {key for one in points for key in one.metrics}
    metrics = tuple(dict.fromkeys(one.run_key for one in pipeline.declared_metrics if one.run_key in with_values))
    metrics += tuple(sorted(with_values - set(metrics)))
    recorded = record.newest(reader.store, name) if reader else None
    return Sweep(
        row,
        found,
        metrics,
        tuple(_combinations(found, points)),
        points,
        recorded.id if recorded else None,
        recorded.content if recorded else "",
    )


def objective(found: Sweep, pipeline: Pipeline, metric: str) -> Objective:
    """Return the objective with a metric, also one that the sweep does not have.

    Raises:
      UsageError: no run of the sweep has the metric, or neither less nor more of it is better.
    """
    known = {one.metric: one for one in found.definition.objectives}
    if metric in known:
        return known[metric]
    if metric not in found.metrics:
        raise UsageError(
            f"--by {metric}: no run of sweep {found.row.name} has this metric{closest(metric, found.metrics)} "
            f"(there are: {', '.join(found.metrics) or 'none'})"
        )
    validation = pipeline.sweep_spec.validation
    original = next((test for test, other in validation.items() if other == metric), metric)
    declared = next(
        (one for one in pipeline.declared_metrics if one.run_key in (metric, original) and one.better), None
    )
    if declared is None:
        raise UsageError(f"--by {metric}: neither less nor more of it is better; name another metric")
    return Objective(metric, declared.better, validation.get(metric, metric))


def ranked(found: Sweep, by: Objective) -> list[Combination]:
    """Return the complete combinations that have a metric, the best by its mean first."""
    candidates = [one for one in found.combinations if _score(one, by) is not None]
    return sorted(candidates, key=lambda one: (_score(one, by), one.number))


def lacking(found: Sweep) -> Objective | None:
    """Return an objective that no run of a sweep has a value of, once one has succeeded; None if there is none."""
    if not any(one.state == PointState.SUCCEEDED for one in found.points):
        return None
    return next((one for one in found.definition.objectives if one.chosen_by not in found.metrics), None)


def best_point(found: Sweep, pipeline: Pipeline, by: Objective) -> Point:
    """Return the point with the best value in the best combination. Raises `NotFoundError` if none is complete."""
    combinations = ranked(found, by)
    if not combinations:
        if by == lacking(found) and (other := definition.headline_of(pipeline, found.metrics)):
            raise NotFoundError(
                f"no run of sweep {found.row.name} has {by.chosen_by}: compare them by another metric, as with "
                f"--by {other.metric}"
            )
        raise NotFoundError(
            f"no combination of sweep {found.row.name} is complete and has {by.chosen_by}: "
            f"`sae sweep show {found.row.name}` lists its points"
        )
    return best_point_of(found, combinations[0], by)


def best_point_of(found: Sweep, combination: Combination, by: Objective) -> Point:
    """Return the point with the best value in a combination that `ranked` returned."""
    return _best_first([one for one in found.points if one.number in combination.points], by)[0]


def best_blessed_point(found: Sweep, by: Objective) -> Point | None:
    """Return the point with the best value of those whose model is blessed; None if there is none."""
    return next(iter(_best_first([one for one in found.points if one.blessed], by)), None)


def _best_first(points: Sequence[Point], by: Objective) -> list[Point]:
    """Return the points that have a value, the best first; of equal ones in the order of their numbers."""
    measured = [one for one in points if by.chosen_by in one.metrics]
    return sorted(measured, key=lambda one: (by.score(one.metrics[by.chosen_by]), one.number))


def _current(found: Definition, pipeline: Pipeline) -> Definition:
    """Return a definition whose objectives are chosen by the metrics that the pipeline declares now."""
    validation = pipeline.sweep_spec.validation
    objectives = tuple(
        dataclasses.replace(one, chosen_by=validation.get(one.metric, one.metric)) for one in found.objectives
    )
    return dataclasses.replace(found, objectives=objectives)


def _newest_runs(reader: Reader | None, definition: Definition) -> _Runs:
    found: dict[int, tuple[RunContext, RunRow]] = {}
    since = datetime.datetime.fromisoformat(definition.since) if definition.since else None
    for context, row in reader.triggered(lambda text: _is_of(text, definition.name)) if reader else ():  # newest first
        if since and context.created and context.created < since:  # of an earlier round
            continue
        parsed = trigger.parse(row.trigger)
        assert parsed is not None
        found.setdefault(parsed[1], (context, row))
    return found


def _is_of(text: str, name: str) -> bool:
    parsed = trigger.parse(text)
    return parsed is not None and parsed[0] == name


def _points(found: Definition, pipeline: Pipeline, runs: _Runs, brief: bool) -> list[Point]:
    grid = found.grid() if not found.is_search else []
    numbers = range(1, found.size + 1) if grid else sorted(number for number in runs if number <= found.size)
    made = [_point(found, pipeline, runs, number, grid, brief) for number in numbers]
    return _with_pruned(found, pipeline, made) if found.is_search else made


def _with_pruned(found: Definition, pipeline: Pipeline, made: Sequence[Point]) -> list[Point]:
    """Return the points of a search, with those that are not run because their combination was stopped early."""
    points = {one.number: one for one in made}
    for one in made:
        if one.state == PointState.PRUNED:
            for seed, number in enumerate(found.points_of(one.combination)):
                value = definition.seed_of(found, pipeline, one.settings, seed)
                pruned = Point(number, one.combination, one.settings, value, one.state, pruned_at=one.pruned_at)
                points.setdefault(number, pruned)
    return [points[number] for number in sorted(points)]


def _point(
    found: Definition,
    pipeline: Pipeline,
    runs: _Runs,
    number: int,
    grid: Sequence[Mapping[str, Value]],
    brief: bool,
) -> Point:
    combination, place = found.place_of(number)
    varied = dict(grid[combination - 1]) if grid else {}
    if number not in runs:
        seed = definition.seed_of(found, pipeline, varied, place)
        return Point(number, combination, varied, seed, PointState.WAITING)
    context, row = runs[number]
    varied = varied or {name: row.settings[name] for name in found.varied if name in row.settings}
    recorded = context.properties.get(run_properties.PRUNED)
    pruned_at = recorded if isinstance(recorded, int) else None
    return Point(
        number,
        combination,
        varied,
        definition.seed_of(found, pipeline, varied, place),
        _state(row, pruned_at),
        row.id,
        row.started,
        row.seconds,
        "" if pruned_at is not None else row.error,
        pruned_at,
        {} if brief else _metrics(row),
        row.blessed,
    )


def _state(row: RunRow, pruned_at: int | None) -> PointState:
    if pruned_at is not None:
        return PointState.PRUNED
    if row.state == RunState.FAILED and recovery.REASON not in row.error:
        return PointState.FAILED
    states = {RunState.RUNNING: PointState.RUNNING, RunState.SUCCEEDED: PointState.SUCCEEDED}
    return states.get(row.state, PointState.INTERRUPTED)


def _metrics(row: RunRow) -> dict[str, float]:
    return {name: value for name, value in row.metrics.items() if value is not None and math.isfinite(value)}


def baselines(pipeline: Pipeline, reader: Reader, run_id: str) -> Mapping[str, float]:
    """Return the baselines of a run that the pipeline reads from its outputs, because the run does not record them."""
    executions = reader.store.executions(run_id)
    ended = {node: one.id for node, one in executions.items() if one.has_succeeded}
    return pipeline.sweep_spec.baselines(reader.store.outputs_by_name(ended))


def _combinations(found: Definition, points: Sequence[Point]) -> list[Combination]:
    grouped: dict[int, list[Point]] = {}
    for point in points:
        grouped.setdefault(point.combination, []).append(point)
    made = []
    for number, members in grouped.items():
        succeeded = [one for one in members if one.state == PointState.SUCCEEDED]
        names = dict.fromkeys(name for one in succeeded for name in one.metrics)
        made.append(
            Combination(
                number,
                next((one.settings for one in members if one.settings), {}),
                tuple(one.number for one in members),
                len(succeeded),
                len(succeeded) == found.seeds,
                {name: estimate([one.metrics[name] for one in succeeded if name in one.metrics]) for name in names},
            )
        )
    best = _best(made, found.objectives)
    return [dataclasses.replace(one, best=one.number in best) for one in made]


def _score(one: Combination, by: Objective) -> float | None:
    """Return the mean of a metric, less being better; None unless all points of the combination have it."""
    value = one.metrics.get(by.chosen_by)
    return by.score(value.mean) if one.complete and value and value.count == len(one.points) else None


def _best(combinations: Sequence[Combination], objectives: Sequence[Objective]) -> set[int]:
    """Return the numbers of the combinations that no other one dominates; of one objective, the first best one."""
    scores: dict[int, tuple[float, ...]] = {}
    for one in combinations:
        values = [_score(one, by) for by in objectives]
        if objectives and None not in values:
            scores[one.number] = tuple(value for value in values if value is not None)
    numbers = list(scores)
    best = {numbers[place] for place in frontier.pareto(list(scores.values()))}
    return {min(best)} if len(objectives) == 1 and best else best


def _row(found: Definition, points: Sequence[Point], is_running: bool) -> SweepRow:
    counts = {state.value: sum(one.state == state for one in points) for state in PointState}
    counts[PointState.WAITING.value] += found.size - len(points)  # a search has not chosen them yet
    final = sum(one.state.is_final for one in points)
    state = SweepState.COMPLETE if final == found.size else SweepState.STOPPED
    return SweepRow(
        found.name,
        SweepState.RUNNING if is_running else state,
        "search" if found.is_search else "grid",
        found.varied,
        found.objectives,
        found.size,
        {name: count for name, count in counts.items() if count},
        min((one.started for one in points if one.started), default=None),
        sum(one.seconds or 0.0 for one in points),
    )
