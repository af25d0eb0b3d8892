"""Make the definition of a sweep from what a user gave, checked."""

from __future__ import annotations

import contextlib
import dataclasses
import itertools
import pathlib
from collections.abc import Collection, Iterator, Sequence

from pipeline.core import settings
from pipeline.core.errors import UsageError
from pipeline.core.text import closest
from pipeline.definition.spec import Pipeline
from pipeline.sweeps.definition import (
    MOST_POINTS,
    MOST_SEEDS,
    PRUNERS,
    SAMPLERS,
    Definition,
    Objective,
    always_varied,
    check_name,
    has_one_kind,
    headline_of,
    objective_of,
    settings_of,
)
from pipeline.sweeps.space import Choices, Range
from pipeline_config import Configuration, Value

_MOST_TRIED = 1_000  # combinations of a search from which its default objective follows


def resolve_base(
    request: settings.Request,
    *,
    over: Sequence[Choices] = (),
    search: Sequence[Choices | Range] = (),
    groups: Sequence[Sequence[Choices]] = (),
) -> settings.Settings:
    """Return the settings of the runs of a sweep, without those that all points vary.

    Settings that do not fit alone, such as those of a method that only the points choose, are checked with the first
    values that are varied; `make` checks all points.

    Args:
      request: what the user gave.
      over, search, groups: as of `Definition`.

    Raises:
      UsageError: the settings are not allowed, alone and with these values.
    """
    try:
        return settings.resolve(request)
    except UsageError:
        varied = always_varied(over, search, groups)
        first = [f"{name}={settings.text_of(value)}" for name, value in varied.items()]
        with contextlib.suppress(UsageError):
            return settings.resolve(dataclasses.replace(request, assignments=(*request.assignments, *first)))
        raise


def make(
    name: str,
    pipeline: Pipeline,
    base: settings.Settings,
    *,
    over: Sequence[Choices] = (),
    search: Sequence[Choices | Range] = (),
    seeds: int = 1,
    trials: int = 0,
    sampler: str = "",
    pruner: str = "",
    minimise: Sequence[str] = (),
    maximise: Sequence[str] = (),
    groups: Sequence[Sequence[Choices]] = (),
) -> Definition:
    """Return a definition, checked.

    Args:
      name: of the sweep.
      pipeline: the pipeline that it runs.
      base: the settings of its runs.
      over, search, seeds, trials, sampler, pruner, groups: as of `Definition`.
      minimise, maximise: names of metrics; none: the pipeline's headline metric, or that which stands for it in all
        runs.

    Raises:
      UsageError: values that are not allowed, also of one combination; metrics that are unknown, or that some of the
        runs will not have; too many points.
    """
    check_name(name)
    if not has_one_kind(bool(over or groups), bool(search), seeds):
        raise UsageError(
            "give either --over NAME=VALUE,VALUE, for a grid, or --search NAME=LOW..HIGH, for a search (which also "
            "takes NAME=VALUE,VALUE), or --seeds N alone"
        )
    if not search and (trials or sampler or pruner):
        raise UsageError("--trials, --sampler and --pruner work with --search: a grid runs all its combinations")
    if search and not trials:
        raise UsageError("--search needs --trials N: how many combinations to try")
    if search and not 1 <= trials <= MOST_POINTS:
        raise UsageError(f"--trials {trials} is not allowed: it must be a whole number from 1 to {MOST_POINTS:,}")
    if not 1 <= seeds <= MOST_SEEDS:
        raise UsageError(f"--seeds {seeds} is not allowed: it must be a whole number from 1 to {MOST_SEEDS:,}")
    objectives = _objectives(pipeline, minimise, maximise)
    if search:
        sampler = _sampler(sampler, pruner)
    always = always_varied(over, search, groups)
    found = Definition(
        name,
        base.profile,
        {name: value for name, value in _base(base).items() if name not in always},
        tuple(over),
        tuple(search),
        seeds,
        trials,
        sampler,
        pruner,
        objectives,
        groups=tuple(map(tuple, groups)),
    )
    _check_varied(found, pipeline.configuration)
    if sampler == "grid":
        found = dataclasses.replace(found, trials=len(found.grid()))
    if found.size > MOST_POINTS:
        raise UsageError(f"the sweep has {found.size:,} points, at most {MOST_POINTS:,} are allowed: leave values out")
    if not search or sampler == "grid":
        configs = _checked_combinations(found, pipeline)
    else:
        configs = list(_some_combinations(found, pipeline)) or [base.config]
    # Each kind of run by the metrics that it will not have.
    kinds = {frozenset(pipeline.sweep_spec.missing(one)) for one in configs}
    objectives = _had_by_all(pipeline, objectives, {name for kind in kinds for name in kind})
    if search:
        pruner = _pruner(pipeline, objectives, pruner, one_kind=len(kinds) <= 1)
    return dataclasses.replace(found, objectives=objectives, pruner=pruner)


def _sampler(sampler: str, pruner: str) -> str:
    """Return the sampler of a search, the default if none is given; check its name and that of the pruner."""
    if sampler and sampler not in SAMPLERS:
        raise UsageError(f"--sampler {sampler} is not allowed: it must be one of {', '.join(SAMPLERS)}")
    if pruner and pruner not in PRUNERS:
        raise UsageError(f"--pruner {pruner} is not allowed: it must be one of {', '.join(PRUNERS)}")
    return sampler or "tpe"


def _pruner(pipeline: Pipeline, objectives: Sequence[Objective], pruner: str, one_kind: bool) -> str:
    """Return the pruner of a search, checked; `one_kind`: whether all runs have the same metrics, so the same loss."""
    losses = {one.run_key for one in pipeline.declared_metrics if one.is_loss}
    of_loss = len(objectives) == 1 and objectives[0].metric in losses and objectives[0].better == "lower"
    if pruner == "median" and not of_loss:
        raise UsageError("--pruner median works with --minimise LOSS alone: it compares the losses of epochs")
    if pruner == "median" and not one_kind:
        raise UsageError("--pruner median compares the losses of epochs, and these runs have different ones")
    return pruner or ("median" if of_loss and one_kind else "none")


def _check_varied(found: Definition, config_type: type[Configuration]) -> None:
    for group in found.groups or ((),):
        names = [one.setting for one in (*found.over, *group, *found.search)]
        if twice := next((one for one in names if names.count(one) > 1), None):
            raise UsageError(f"{twice} is varied twice: give all its values at once")
    if found.seeds > 1 and (seed := settings.of_option("--seed", config_type)) in found.varied:
        raise UsageError(f"{seed} is varied, and --seeds {found.seeds} given: leave one out")


def _checked_combinations(found: Definition, pipeline: Pipeline) -> list[Configuration]:
    """Return the settings of each combination of a grid. Raises `UsageError` if one is not allowed or there twice."""
    seen, configs = set(), []
    for combination in found.grid():
        if (key := frozenset(combination.items())) in seen:
            named = ", ".join(f"{name} = {settings.text_of(value)}" for name, value in combination.items())
            raise UsageError(f"two groups of points have the combination {named}: leave one out")
        seen.add(key)
        configs.append(settings_of(found, pipeline, combination, found.seeds - 1).config)
    return configs


def _some_combinations(found: Definition, pipeline: Pipeline) -> Iterator[Configuration]:
    """Yield settings that a search may choose: all its choices, with an end of each range; those that fit together."""
    names = [one.setting for one in found.search]
    for end in ("low", "high"):
        listed = (one.values if isinstance(one, Choices) else (getattr(one, end),) for one in found.search)
        for values in itertools.islice(itertools.product(*listed), _MOST_TRIED):
            with contextlib.suppress(UsageError):
                yield settings_of(found, pipeline, dict(zip(names, values, strict=True)), 0).config


def _base(resolved: settings.Settings) -> dict[str, Value]:
    """Return the settings that differ from the profile's, with absolute folders, without the root."""
    declared, values = type(resolved.config).settings(), resolved.config.values()
    changed = [one.partition("=")[0] for one in settings.assignments(resolved)]
    return {
        name: str(pathlib.Path(str(values[name])).absolute())
        if declared[name].is_folder and values[name]
        else values[name]
        for name in changed
        if declared[name].in_manifest
    }


def _objectives(pipeline: Pipeline, minimise: Sequence[str], maximise: Sequence[str]) -> tuple[Objective, ...]:
    """Return the objectives that are given. Raises `UsageError` for metrics that are unknown or given twice."""
    declared = {one.run_key: one for one in pipeline.declared_metrics if one.run_key}
    known = {name for name, one in declared.items() if one.recorded or one.column}
    found = []
    for option, names, better in (("--minimise", minimise, "lower"), ("--maximise", maximise, "higher")):
        for name in names:
            if name not in known:
                raise UsageError(
                    f"{option} {name}: no such metric of runs{closest(name, sorted(known))} (there are: "
                    f"{', '.join(sorted(known))})"
                )
            found.append(objective_of(pipeline, name, better))
    names = [one.metric for one in found]
    if twice := next((one for one in names if names.count(one) > 1), None):
        raise UsageError(f"{twice} is given twice as an objective: leave one out")
    return tuple(found)


def _had_by_all(pipeline: Pipeline, given: tuple[Objective, ...], missing: Collection[str]) -> tuple[Objective, ...]:
    """Return the objectives that are given, or else the default.

    Args:
      pipeline: the pipeline.
      given: the objectives.
      missing: the metrics that some of the runs will not have.

    Raises:
      UsageError: one of the objectives is among these.
    """
    headline = headline_of(pipeline, [one.run_key for one in pipeline.headlines if one.run_key not in missing])
    if lacking := next((one for one in given if one.metric in missing), None):
        instead = f": {headline.option} compares all" if headline else "; name another metric"
        raise UsageError(
            f"{lacking.option}: runs with these settings, or some of them, do not have {lacking.metric}{instead}"
        )
    default = headline or headline_of(pipeline, [one.run_key for one in pipeline.headlines])
    return given or ((default,) if default else ())
