"""The definition of a sweep: its base settings, what it varies, and what it looks for."""

from __future__ import annotations

import contextlib
import dataclasses
import datetime
import itertools
import math
import pathlib
import re
from collections.abc import Collection, Iterator, Mapping, Sequence
from typing import Any

from pipeline.core import serialization, settings, shell
from pipeline.core.errors import UnavailableError, UsageError
from pipeline.core.text import closest
from pipeline.definition.spec import Pipeline
from pipeline.sweeps.space import Choices, Range
from pipeline_config import Configuration, Value

SAMPLERS = ("tpe", "random", "grid")
PRUNERS = ("median", "none")
MOST_POINTS = 10_000
LOCK = "lock"  # the file beside the folders of the sweeps
_GROUPS = "groups"  # in the JSON only of definitions that have some
_MOST_SEEDS = 1_000
_MOST_TRIED = 1_000  # combinations of a search from which its default objective follows
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,63}")


@dataclasses.dataclass(frozen=True)
class Objective:
    """A metric that a sweep looks for the best value of.

    Attributes:
      metric: its name, as in a run's JSON: `test_bce`.
      better: `lower` or `higher`.
      chosen_by: the metric by which points are compared: its counterpart on the validation split where there is one.
    """

    metric: str
    better: str
    chosen_by: str

    def score(self, value: float) -> float:
        """Return a value of which less is better."""
        return value if self.better == "lower" else -value

    @property
    def option(self) -> str:
        """Return the option that gives it: `--minimise test_bce`."""
        return f"--{'minimise' if self.better == 'lower' else 'maximise'} {self.metric}"


@dataclasses.dataclass(frozen=True)
class Definition:
    """What a sweep runs.

    Attributes:
      name: of the sweep.
      profile: the profile of its runs.
      base: settings of its runs that differ from the profile's, by name.
      over: the settings of a grid, whose product is run; empty for a search.
      search: the settings of a search.
      seeds: number of seeds for each combination of settings, counted from that of the base.
      trials: combinations to try in a search; 0 for a grid.
      sampler: of a search: `tpe`, `random` or `grid`; empty for a grid.
      pruner: of a search: `median` or `none`; empty for a grid.
      objectives: what it looks for, the first one first.
      groups: settings that only belong together, such as a method with its own settings: each is a grid of its own,
        multiplied by `over`. Empty: there is only that.
      since: runs that began before this time, in UTC as ISO 8601, belong to an earlier round; empty: none do.
    """

    name: str
    profile: str
    base: Mapping[str, Value]
    over: tuple[Choices, ...] = ()
    search: tuple[Choices | Range, ...] = ()
    seeds: int = 1
    trials: int = 0
    sampler: str = ""
    pruner: str = ""
    objectives: tuple[Objective, ...] = ()
    since: str = ""
    groups: tuple[tuple[Choices, ...], ...] = ()

    @property
    def is_search(self) -> bool:
        """Whether it searches ranges, and does not run a grid."""
        return bool(self.search)

    @property
    def varied(self) -> tuple[str, ...]:
        """Return the names of the settings that it varies, without the seed."""
        grouped = (one for group in self.groups for one in group)
        return tuple(dict.fromkeys(one.setting for one in (*self.over, *grouped, *self.search)))

    @property
    def combinations(self) -> int:
        """Return the number of combinations of settings; of a search, the most that it tries."""
        if self.is_search:
            return self.trials
        return sum(math.prod(len(one.values) for one in (*self.over, *group)) for group in self.groups or ((),))

    @property
    def size(self) -> int:
        """Return the number of points: combinations times seeds."""
        return self.combinations * self.seeds

    def points_of(self, combination: int) -> range:
        """Return the numbers of the points of a combination, by its number; both count from 1."""
        return range((combination - 1) * self.seeds + 1, combination * self.seeds + 1)

    def place_of(self, point: int) -> tuple[int, int]:
        """Return the number of the combination of a point, and that of its seed, from 0."""
        combination, seed = divmod(point - 1, self.seeds)
        return combination + 1, seed

    def grid(self) -> list[dict[str, Value]]:
        """Return the combinations of a grid, or of a search by the sampler `grid`, the last setting changing first."""
        found: list[dict[str, Value]] = []
        for group in self.groups or ((),):
            axes = self.search or (*self.over, *group)
            names = [one.setting for one in axes]
            # `product` copies its arguments; a range may have a billion values.
            listed = (_listed(one)[: self.trials or None] for one in axes)
            products = itertools.islice(itertools.product(*listed), self.trials or None)
            found += (dict(zip(names, values, strict=True)) for values in products)
        return found


def _listed(one: Choices | Range) -> Sequence[Value]:
    """Return the values of a setting. Raises `UsageError` for a range of numbers that are not whole."""
    if isinstance(one, Choices):
        return one.values
    if isinstance(one.low, int) and isinstance(one.high, int):
        return range(one.low, one.high + 1)
    raise UsageError(
        f"--sampler grid: {one.setting} is a range of numbers that are not whole; list its values, as in --search "
        f"{one.setting}={one.low:g},{one.high:g}"
    )


def check_name(name: str) -> None:
    """Raise `UsageError` unless a text can name a sweep."""
    if not _NAME.fullmatch(name):
        raise UsageError(
            f"{name!r} cannot name a sweep: use 1 to 64 letters, digits, dots, dashes and underscores, the first one a "
            "letter or digit"
        )
    if name == LOCK:
        raise UsageError(f"{name!r} cannot name a sweep: the file that locks the sweeps has this name; use another one")


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
        varied = _always_varied(over, search, groups)
        first = [f"{name}={settings.text_of(value)}" for name, value in varied.items()]
        with contextlib.suppress(UsageError):
            return settings.resolve(dataclasses.replace(request, assignments=(*request.assignments, *first)))
        raise


def _always_varied(
    over: Sequence[Choices], search: Sequence[Choices | Range], groups: Sequence[Sequence[Choices]]
) -> dict[str, Value]:
    """Return the settings that every point has a value of, with their first values."""
    first = {one.setting: one.values[0] if isinstance(one, Choices) else one.low for one in (*over, *search)}
    in_groups = [{one.setting: one.values[0] for one in group} for group in groups]
    shared = [name for name in (in_groups[0] if groups else ()) if all(name in group for group in in_groups)]
    return {**first, **{name: in_groups[0][name] for name in shared}}


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
    if not _has_one_kind(bool(over or groups), bool(search), seeds):
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
    if not 1 <= seeds <= _MOST_SEEDS:
        raise UsageError(f"--seeds {seeds} is not allowed: it must be a whole number from 1 to {_MOST_SEEDS:,}")
    objectives = _objectives(pipeline, minimise, maximise)
    if search:
        sampler = _sampler(sampler, pruner)
    always = _always_varied(over, search, groups)
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
            found.append(_objective(pipeline, name, better))
    names = [one.metric for one in found]
    if twice := next((one for one in names if names.count(one) > 1), None):
        raise UsageError(f"{twice} is given twice as an objective: leave one out")
    return tuple(found)


def _objective(pipeline: Pipeline, name: str, better: str) -> Objective:
    return Objective(name, better, pipeline.sweep_spec.validation.get(name, name))


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


def headline_of(pipeline: Pipeline, names: Collection[str]) -> Objective | None:
    """Return the objective with the headline metric, or that which stands for it, among names of metrics; else None."""
    found = next((one for one in pipeline.headlines if one.run_key in names), None)
    return _objective(pipeline, found.run_key, found.better or "lower") if found else None


def applied_profile(found: Definition, config_type: type[Configuration]) -> str:
    """Return the name of the profile of the runs; empty if none of its settings applies to the first combination."""
    defaults = {name: one.default for name, one in config_type.settings().items()}
    first = _always_varied(found.over, found.search, found.groups)
    values = {**defaults, **config_type.profiles.get(found.profile, {}), **found.base, **first}
    return settings.applied_profile(found.profile, values, config_type)


def settings_of(
    found: Definition, pipeline: Pipeline, combination: Mapping[str, Value], seed: int
) -> settings.Settings:
    """Return the settings of a point.

    Args:
      found: the definition.
      pipeline: its pipeline.
      combination: values of the settings that it varies.
      seed: number of the seed, from 0.

    Raises:
      UsageError: the values do not fit together.
    """
    return settings.resolve(
        settings.Request(
            found.profile, None, assignments(found, pipeline, combination, seed), config_type=pipeline.configuration
        ),
        environ={},
    )


def assignments(found: Definition, pipeline: Pipeline, combination: Mapping[str, Value], seed: int) -> tuple[str, ...]:
    """Return the values of `--set` for the run of a point; arguments as of `settings_of`."""
    values = {**found.base, **combination}
    if found.seeds > 1:
        name = settings.of_option("--seed", pipeline.configuration)
        values[name] = seed_of(found, pipeline, combination, seed)
    return tuple(f"{name}={settings.text_of(value)}" for name, value in values.items())


def seed_of(found: Definition, pipeline: Pipeline, combination: Mapping[str, Value], seed: int) -> int:
    """Return the seed with which a point runs; arguments as of `settings_of`; 0 if the pipeline has no such setting.

    Raises:
      UnavailableError: the definition, or the settings of the run, have no whole number as seed.
    """
    config_type = pipeline.configuration
    name = settings.find_option("--seed", config_type)
    if not name:
        return 0
    default, profile = config_type.settings()[name].default, config_type.profiles.get(found.profile, {})
    first = {name: default, **profile, **found.base, **combination}[name]
    if not isinstance(first, int):
        raise UnavailableError(
            f"sweep {found.name} is damaged: {name} is {first!r}, not a whole number; restore its sweep.json, or "
            "remove its folder, which forgets the sweep"
        )
    return first + seed


def to_json(found: Definition) -> dict[str, Any]:
    """Return the definition as JSON."""

    def varied(one: Choices | Range) -> dict[str, Any]:
        if isinstance(one, Choices):
            return {"setting": one.setting, "values": list(one.values)}
        return {"setting": one.setting, "low": one.low, "high": one.high, "log": one.log}

    fields = {field.name: getattr(found, field.name) for field in dataclasses.fields(found) if field.name != _GROUPS}
    return {
        **fields,
        "base": serialization.without_infinity(found.base),
        "over": [varied(one) for one in found.over],
        "search": [varied(one) for one in found.search],
        "objectives": [dataclasses.asdict(one) for one in found.objectives],
        **({_GROUPS: [[varied(one) for one in group] for group in found.groups]} if found.groups else {}),
    }


def of_json(values: Any, path: pathlib.Path) -> Definition:
    """Return the definition that JSON describes.

    Args:
      values: the JSON.
      path: its file, in a folder with the name of the sweep.

    Raises:
      UnavailableError: it is damaged; the message says how.
    """
    try:
        found = serialization.build(Definition, {**values, "search": []})
        found = dataclasses.replace(
            found,
            since=_time(found.since),
            base=serialization.with_infinity(found.base),
            search=tuple(_searched(one) for one in values["search"]),
        )
        _check_read(found, path.parent.name)
        return found
    except (KeyError, TypeError, AttributeError, ValueError) as error:
        raise UnavailableError(
            f"{path} is damaged: {type(error).__name__}: {error}; restore it, or remove its folder, which forgets the "
            "sweep"
        ) from error


def _time(text: str) -> str:
    """Return a time that is ISO 8601 in UTC, or an empty text. Raises `ValueError`."""
    if text and datetime.datetime.fromisoformat(text).tzinfo is None:
        raise ValueError(f"{text} has no zone")
    return text


def _searched(one: Mapping[str, Any]) -> Choices | Range:
    return serialization.build(Choices, one) if "values" in one else serialization.build(Range, one)


def _has_one_kind(grid: bool, search: bool, seeds: int) -> bool:
    """Return whether a sweep is a grid or a search; seeds alone are a grid of one combination."""
    return grid != search or (not grid and seeds > 1)


def _check_read(found: Definition, name: str) -> None:
    """Raise `ValueError` unless a definition in the folder of this name is one that `make` could have made."""
    if found.name != name:
        raise ValueError(f"name is {found.name!r}, expected {name!r}")
    if not 1 <= found.seeds <= _MOST_SEEDS:
        raise ValueError(f"seeds is {found.seeds}")
    if not _has_one_kind(bool(found.over or found.groups), found.is_search, found.seeds):
        raise ValueError("either over or search must have a setting")
    if found.sampler not in (SAMPLERS if found.is_search else ("",)):
        raise ValueError(f"sampler is {found.sampler!r}")
    if found.pruner not in (PRUNERS if found.is_search else ("",)):
        raise ValueError(f"pruner is {found.pruner!r}")
    if found.trials < 0 or (found.trials and not found.is_search):
        raise ValueError(f"trials is {found.trials}")
    if not 1 <= found.size <= MOST_POINTS:
        raise ValueError(f"it has {found.size:,} points, expected 1 to {MOST_POINTS:,}")
    for one in found.search:
        if isinstance(one, Range) and not one.low < one.high:
            raise ValueError(f"{one.setting} has the range {one.low} to {one.high}")
        if isinstance(one, Choices) and not one.values:
            raise ValueError(f"{one.setting} has no values")
    if other := next((one.better for one in found.objectives if one.better not in ("lower", "higher")), None):
        raise ValueError(f"better is {other!r}")


def difference(found: Definition, wanted: Definition, config_type: type[Configuration]) -> str:
    """Return in what two definitions of one name differ, as options; empty if they give the same results."""
    declared = config_type.settings()

    def base(one: Definition) -> dict[str, Value]:
        return {name: value for name, value in one.base.items() if name in declared and declared[name].affects_results}

    def compared(one: Definition) -> dict[str, Any]:
        objectives = [{"metric": each.metric, "better": each.better} for each in one.objectives]
        return {_GROUPS: [], **to_json(one), "base": base(one), "objectives": objectives, "since": ""}

    old, new = compared(found), compared(wanted)
    texts = [_as_options(one, base(one), base(other)) for one, other in ((found, wanted), (wanted, found))]
    return "; ".join(
        " instead of ".join(text[name] for text in texts) for name, value in old.items() if value != new[name]
    )


def _as_options(found: Definition, base: Mapping[str, Value], other: Mapping[str, Value]) -> dict[str, str]:
    """Return a definition as options, by its fields; of its base only what differs from that of another one."""
    differing = [name for name, value in base.items() if name not in other or other[name] != value]
    given: dict[str, tuple[str, Sequence[object]]] = {
        "profile": ("--profile", [found.profile]),
        "base": ("--set", [f"{name}={settings.text_of(base[name])}" for name in differing]),
        "over": ("--over", found.over),
        "search": ("--search", found.search),
        "seeds": ("--seeds", [found.seeds]),
        "trials": ("--trials", [found.trials] if found.trials else []),
        "sampler": ("--sampler", [found.sampler] if found.sampler else []),
        "pruner": ("--pruner", [found.pruner] if found.pruner else []),
    }
    texts = {
        field: " ".join(f"{option} {shell.quoted(str(one))}" for one in values) or f"no {option}"
        for field, (option, values) in given.items()
    }
    groups = [f"[[sweep.points]] {shell.joined(map(str, group))}" for group in found.groups]
    return {
        **texts,
        "objectives": " ".join(one.option for one in found.objectives) or "no objective",
        _GROUPS: " ".join(groups) or "no [[sweep.points]]",
    }
