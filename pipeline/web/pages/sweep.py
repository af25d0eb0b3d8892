"""A sweep: means over seeds, all points, the frontier, and the same test images of several combinations."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Mapping, Sequence

from components.evaluation.metrics import reworded
from pipeline.artifacts.sections import Pictures
from pipeline.core import shell
from pipeline.core.errors import NotFoundError
from pipeline.core.pipeline_root import Root
from pipeline.definition.spec import Pipeline
from pipeline.inspection import run_filter
from pipeline.inspection.reader import Reader
from pipeline.inspection.run_filter import short_setting
from pipeline.inspection.views import Run
from pipeline.sweeps import files, frontier, results
from pipeline.sweeps.definition import applied_profile
from pipeline.sweeps.frontier import DrawnFrontier, Method
from pipeline.sweeps.statistics import Estimate
from pipeline.sweeps.views import Combination, Point, PointState, Sweep
from pipeline.web import formatting, urls
from pipeline.web.charts.chart import Drawing
from pipeline.web.charts.frontier import BaselineLine, FrontierGroup, FrontierMark, SingleRun
from pipeline.web.charts.frontier import frontier as frontier_chart
from pipeline.web.charts.parallel_coordinates import ParallelAxis, ParallelLine, parallel_coordinates
from pipeline.web.charts.scales import number
from pipeline.web.formatting import DeclaredMetrics, in_sentence
from pipeline.web.pages import compare
from pipeline.web.pages.base import Drawings, MovedError, PageRequest
from pipeline.web.pages.charts import setting_axis
from pipeline.web.pages.compare import ComparedImage, ComparedRun
from pipeline.web.urls import Links

MOST_PICTURES = 8  # combinations whose test images are shown
_MOST_MODELS = 10_000  # the newest ones, in which the same model is looked for
_MOST_IMAGES = 20  # rows of test images
_COLORED = 8  # combinations that have colours of their own, where there is one method
_WIDTH = 1000  # pixels of the charts


@dataclasses.dataclass(frozen=True)
class MetricColumn:
    """A metric in the tables.

    Attributes:
      name: of the values.
      declared: the metric that declares how they are written: that of the test split.
      only_test: whether the validation split is shown, but the metric is known on the test split alone.
    """

    name: str
    declared: str
    only_test: bool


@dataclasses.dataclass(frozen=True)
class BaselineValue:
    """A baseline of the metric drawn up: its name, label and value on the test split."""

    name: str
    label: str
    value: float


@dataclasses.dataclass(frozen=True)
class ShownCombination:
    """A combination whose test images are shown: its best point, and the run that has the pictures of its model."""

    combination: int
    point: int
    run: str


@dataclasses.dataclass(frozen=True)
class SweepView:
    """The page.

    Attributes:
      sweep: the sweep.
      split: `test` or `validation`: whose metrics the charts and tables show.
      columns: metrics in the tables; first those that chose.
      y: the metric drawn up; empty: there is none.
      default_y: that without a choice.
      choices: metrics that may be.
      frontier: None if the pipeline declares none, or no combination succeeded.
      baselines: of the metric drawn up, which are known on the test split; empty if the other one is drawn.
      pictured: the columns of the test images.
      images: the same test images of these combinations.
      missing: what is not shown, and why.
      titles: what pages call each combination: `l1 = 0.001`, by its number.
      profile: of the runs; empty if none of it applies.
      words: what people see in labels and titles in place of other words, such as `vector` for `image`.
    """

    sweep: Sweep
    split: str
    columns: tuple[MetricColumn, ...]
    y: str
    default_y: str
    choices: tuple[str, ...]
    frontier: DrawnFrontier | None
    baselines: tuple[BaselineValue, ...]
    pictured: tuple[ShownCombination, ...]
    images: tuple[ComparedImage, ...]
    missing: tuple[str, ...]
    titles: Mapping[int, str]
    profile: str
    words: Mapping[str, str]


def build(request: PageRequest, sweep: str) -> SweepView:
    """Read a sweep; `split=` selects the split, `y=` the metric drawn up.

    Raises:
      NotFoundError: there is no such sweep.
      UsageError: an unknown split or metric.
    """
    if request.root is None:
        raise NotFoundError(f"{request.store} is a store without a pipeline root, which has no sweeps")
    found = read(request.root, request.pipeline, request.reader, sweep)
    split = request.query.one("split", frontier.SPLITS, frontier.TEST)
    y = request.query.one("y", frontier.choices(found, request.pipeline) or ("-",))
    return view_of(found, request.pipeline, request.reader, split, y)


def read(root: Root, pipeline: Pipeline, reader: Reader | None, wanted: str) -> Sweep:
    """Return the sweep with this name, or this digest of its name.

    Raises:
      NotFoundError: there is none.
      MovedError: the address of the sweep has the digest.
    """
    named = urls.name_of(wanted, lambda: files.names(root))
    if named == wanted and urls.segment(wanted) != wanted and wanted in files.names(root):
        raise MovedError(urls.path_of("sweeps", wanted))
    return results.read(root, pipeline, reader, named)


def view_of(found: Sweep, pipeline: Pipeline, reader: Reader | None, split: str, y: str) -> SweepView:
    """Return the view of a sweep; arguments as of `SweepView`, but an empty `y` stands for the default."""
    first = next((one.run for one in found.points if one.run), "")
    words = reader.words(first) if reader else {}
    default_y = frontier.draw_up(found, pipeline)
    y = y or default_y
    drawn = frontier.frontier(found, pipeline, y, split)
    pictured, compared, lacking = _pictured(found, pipeline, reader, drawn, words)
    known = _baselines(found, pipeline, reader, drawn, [one.run for one in pictured], words)
    if reader and drawn and drawn.y == drawn.y_shown:
        lacking += tuple(_baselines_left_out(pipeline, drawn.y, known, words))
    return SweepView(
        sweep=found,
        split=split,
        columns=tuple(_columns(found, pipeline, split)),
        y=y,
        default_y=default_y,
        choices=frontier.choices(found, pipeline),
        frontier=drawn,
        baselines=known if drawn and drawn.y == drawn.y_shown else (),
        pictured=pictured,
        images=tuple(compare.images(compared))[:_MOST_IMAGES],
        missing=lacking,
        titles={one.number: _title(one) for one in found.combinations},
        profile=applied_profile(found.definition, pipeline.configuration),
        words=words,
    )


def _title(one: Combination) -> str:
    """Name a combination by its settings: `l1 = 0.001, learning_rate = 0.01`."""
    short = run_filter.titles(list(one.settings))
    return ", ".join(f"{short[name]} = {short_setting(value)}" for name, value in one.settings.items())


def _columns(found: Sweep, pipeline: Pipeline, split: str) -> Iterator[MetricColumn]:
    """Yield the metrics of the objectives, and those that are columns of a list of runs."""
    original = {other: name for name, other in pipeline.sweep_spec.validation.items()}
    spec = pipeline.sweep_spec.frontier
    columns = [one.run_key for one in pipeline.declared_metrics if one.column or (spec and one.run_key == spec.marked)]
    names = [name for one in found.row.objectives for name in (one.chosen_by, one.metric)] + columns
    shown = [frontier.on_split(found, name, split, pipeline) for name in names]
    for name in dict.fromkeys(name for name in shown if name in found.metrics):
        yield MetricColumn(name, original.get(name, name), split == frontier.VALIDATION and name not in original)


def _baselines(
    found: Sweep,
    pipeline: Pipeline,
    reader: Reader | None,
    drawn: DrawnFrontier | None,
    pictured: Sequence[str],
    words: Mapping[str, str],
) -> tuple[BaselineValue, ...]:
    """Return the baselines that the first point and the runs with pictures of the same models have."""
    first = next((one.run for one in found.points if one.state == PointState.SUCCEEDED), "")
    if reader is None or drawn is None or not first:
        return ()
    known: dict[str, BaselineValue] = {}
    for run_id in (first, *pictured):
        metrics = {**results.baselines(pipeline, reader, run_id), **reader.run(run_id).metrics}
        for metric, value in frontier.baselines(drawn.y, metrics, pipeline):
            known.setdefault(metric.name, BaselineValue(metric.name, reworded(metric.baseline, words), value))
    return tuple(known.values())


def _baselines_left_out(
    pipeline: Pipeline, y: str, known: Sequence[BaselineValue], words: Mapping[str, str]
) -> Iterator[str]:
    names = {one.name for one in known}
    for metric, _ in frontier.baselines(y, {one.name: 0.0 for one in pipeline.declared_metrics}, pipeline):
        if metric.name not in names:
            said = f"No baseline {metric.baseline}: no run of these models has computed {metric.label}."
            yield reworded(said, words)


def _pictured(
    found: Sweep, pipeline: Pipeline, reader: Reader | None, drawn: DrawnFrontier | None, words: Mapping[str, str]
) -> tuple[tuple[ShownCombination, ...], list[ComparedRun], tuple[str, ...]]:
    """Return the combinations whose pictures are known, with these, and why others are missing.

    Of many combinations, those that the frontier joins come first.
    """
    if reader is None or not found.row.objectives:
        return (), [], ()
    by = found.row.objectives[0]
    ranked = results.ranked(found, by)
    if not ranked:
        why = f"no combination is complete and has {in_sentence(formatting.words(by.chosen_by))}"
        return (), [], (reworded(f"No test images: {why}.", words),)
    joined = {one.combination for method in (drawn.methods if drawn else ()) for one in method.points if one.joined}
    models = _models_by_content(reader, pipeline)
    ranked = sorted(ranked, key=lambda one: one.number not in joined)  # stable
    shown: list[ShownCombination] = []
    compared: list[ComparedRun] = []
    without: list[Point] = []
    for one in ranked[: 2 * MOST_PICTURES]:
        point = results.best_point_of(found, one, by)
        run = _run_with_pictures(reader, pipeline, point.run, models)
        if run is None:
            without.append(point)
        elif len(shown) < MOST_PICTURES:
            shown.append(ShownCombination(one.number, point.number, run.row.id))
            compared.append(ComparedRun(run.row.id, {}, tuple(compare.sections(reader, run))))
    lacking = []
    if without:
        numbers = ", ".join(str(one.combination) for one in without)
        which = f"combination{'s' if len(without) > 1 else ''} {numbers}"
        said = reworded(f"No test images of {which}: the runs of points make no pictures.", words)
        lacking.append(f"{said} {_rest_of(reader, without[0])}")
    return tuple(shown), compared, tuple(lacking)


def _rest_of(reader: Reader, point: Point) -> str:
    """Return a sentence with the command that makes the pictures of a point, by the rest of the pipeline."""
    assert reader.root is not None
    manifest = shell.quoted(str(reader.root.path / "manifests" / f"{point.run}.json"))
    command = f"`sae run --like {manifest}`"
    return f"{command} makes those of point {point.number}; its training is cached, unless the code changed."


def _run_with_pictures(
    reader: Reader, pipeline: Pipeline, run_id: str, models: Mapping[str, Sequence[int]]
) -> Run | None:
    """Return the run, or the newest other one that read the same model, if it has pictures; else None.

    Args:
      reader: of the store.
      pipeline: declares the model.
      run_id: the run.
      models: by content digest, the ids of the models.
    """
    model = reader.run(run_id).named_output(pipeline.model)
    same = dict.fromkeys([model.id, *models.get(model.content, ())] if model else [])
    others = [use.run for number in same for use in reader.artifact(number).used_by if use.run]
    for one in dict.fromkeys((run_id, *others)):
        run = reader.run(one)
        if any(isinstance(found.section, Pictures) for found in compare.sections(reader, run)):
            return run
    return None


def _models_by_content(reader: Reader, pipeline: Pipeline) -> Mapping[str, Sequence[int]]:
    found: dict[str, list[int]] = {}
    for row in reader.artifacts(limit=_MOST_MODELS, node=pipeline.model[0] if pipeline.model else "")[0]:
        if row.content:
            found.setdefault(row.content, []).append(row.id)
    return found


def draw(view: SweepView, to: Links, metrics: DeclaredMetrics) -> Drawings:
    """Draw the frontier, and the points across settings and metrics."""
    metrics = metrics.reworded(view.words)
    return {
        "frontier": draw_frontier(view, to, metrics) if view.frontier else None,
        "parallel": draw_parallel(view, to, metrics),
    }


def axis_titles(view: SweepView, metrics: DeclaredMetrics) -> tuple[str, str]:
    """Return the titles of the axes of the frontier."""
    drawn = view.frontier
    assert drawn is not None
    titles = []
    for name, shown in ((drawn.x, drawn.x_shown), (drawn.y, drawn.y_shown)):
        only_test = view.split == frontier.VALIDATION and name == shown
        titles.append(metrics.run_title(shown, name) + (" (test split)" if only_test else ""))
    return titles[0], titles[1]


def method_title(view: SweepView, one: Method) -> str:
    """Return what the legend calls a method; empty if there is only one."""
    assert view.frontier is not None
    return (one.name or "other") if len(view.frontier.methods) > 1 else ""


def draw_frontier(view: SweepView, to: Links, metrics: DeclaredMetrics) -> Drawing:
    """Draw the frontier of each method."""
    drawn = view.frontier
    assert drawn is not None
    x_title, y_title = axis_titles(view, metrics)
    titles = {point: view.titles[one.number] for one in view.sweep.combinations for point in one.points}
    has_page = bool(to.sweep(view.sweep.row.name))
    marked = in_sentence(metrics.label(drawn.marked))
    groups = [
        FrontierGroup(
            method_title(view, method),
            [
                FrontierMark(
                    view.titles[one.combination],
                    one.x.mean,
                    one.y.mean,
                    f"#combination-{one.combination}" if has_page else "",
                    _interval(one.x),
                    _interval(one.y),
                    f"{number(one.marked)} {marked}" if one.marked else "",
                    one.joined,
                )
                for one in method.points
            ],
            [
                SingleRun(f"{titles[one.point]}, point {one.point}", one.x, one.y, to.run(one.run))
                for one in method.seeds
            ]
            if view.sweep.definition.seeds > 1
            else [],
        )
        for method in drawn.methods
    ]
    return frontier_chart(
        groups,
        [BaselineLine(one.label, one.value) for one in view.baselines],
        title=f"{metrics.run_title(drawn.y_shown, '-')} against {in_sentence(metrics.run_title(drawn.x_shown, '-'))}",
        x_label=x_title,
        y_label=y_title,
        hollow=f"with {marked}" if drawn.marked else "",
        width=_WIDTH,
        largest=(metrics.largest(drawn.x), metrics.largest(drawn.y)),
    )


def _interval(found: Estimate) -> tuple[float, float] | None:
    return None if found.low is None or found.high is None else (found.low, found.high)


def parallel_of(view: SweepView, to: Links, metrics: DeclaredMetrics) -> tuple[list[ParallelLine], list[ParallelAxis]]:
    """Return a line for each point that succeeded, and an axis for each setting and metric.

    The lines of a method have one colour; with one method, those of a combination.
    """
    points = [one for one in view.sweep.points if one.state == PointState.SUCCEEDED and one.metrics]
    methods = dict(enumerate(view.frontier.methods, 1)) if view.frontier else {}
    method_of = {one.combination: place for place, method in methods.items() for one in method.points}
    colors = {one.number: place for place, one in enumerate(view.sweep.combinations, 1)}
    few = len(view.sweep.combinations) <= _COLORED
    lines = []
    for one in points:
        name = f"{view.titles[one.combination]}, point {one.number}"
        if len(methods) > 1:
            color = method_of.get(one.combination, 1)
            lines.append(ParallelLine(name, to.run(one.run), color, method_title(view, methods[color])))
        else:
            group = view.titles[one.combination] if few else "points"
            lines.append(ParallelLine(name, to.run(one.run), colors[one.combination] if few else 1, group))
    titles = run_filter.titles(view.sweep.definition.varied)
    settings = [one.settings for one in points]
    axes = [setting_axis(name, titles[name], settings) for name in view.sweep.definition.varied]
    for column in view.columns:
        label = metrics.run_title(column.name, column.declared)
        values = [one.metrics.get(column.name) for one in points]
        axes.append(ParallelAxis(metrics.run_title(column.name), label, values))
    return lines, axes


def draw_parallel(view: SweepView, to: Links, metrics: DeclaredMetrics) -> Drawing | None:
    """Draw the points across settings and metrics; None without two axes or without a point."""
    lines, axes = parallel_of(view, to, metrics)
    if not lines or len(axes) < 2:
        return None
    return parallel_coordinates(lines, axes, title="Settings and metrics of each point", width=_WIDTH)
