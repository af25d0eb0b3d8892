"""The definition of a sweep: its base settings, what it varies, what it looks for, and the settings of its points."""

from __future__ import annotations

import dataclasses
import itertools
import math
import re
from collections.abc import Collection, Mapping, Sequence

from pipeline.core import settings
from pipeline.core.errors import UnavailableError, UsageError
from pipeline.definition.spec import Pipeline
from pipeline.sweeps.space import Choices, Range
from pipeline_config import Configuration, Value

SAMPLERS = ("tpe", "random", "grid")
PRUNERS = ("median", "none")
MOST_POINTS = 10_000
MOST_SEEDS = 1_000
LOCK = "lock"  # the file beside the folders of the sweeps
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


def always_varied(
    over: Sequence[Choices], search: Sequence[Choices | Range], groups: Sequence[Sequence[Choices]]
) -> dict[str, Value]:
    """Return the settings that every point has a value of, with their first values."""
    first = {one.setting: one.values[0] if isinstance(one, Choices) else one.low for one in (*over, *search)}
    in_groups = [{one.setting: one.values[0] for one in group} for group in groups]
    shared = [name for name in (in_groups[0] if groups else ()) if all(name in group for group in in_groups)]
    return {**first, **{name: in_groups[0][name] for name in shared}}


def objective_of(pipeline: Pipeline, name: str, better: str) -> Objective:
    """Return the objective with a metric, by its name; `better`: `lower` or `higher`."""
    return Objective(name, better, pipeline.sweep_spec.validation.get(name, name))


def headline_of(pipeline: Pipeline, names: Collection[str]) -> Objective | None:
    """Return the objective with the headline metric, or that which stands for it, among names of metrics; else None."""
    found = next((one for one in pipeline.headlines if one.run_key in names), None)
    return objective_of(pipeline, found.run_key, found.better or "lower") if found else None


def applied_profile(found: Definition, config_type: type[Configuration]) -> str:
    """Return the name of the profile of the runs; empty if none of its settings applies to the first combination."""
    defaults = {name: one.default for name, one in config_type.settings().items()}
    first = always_varied(found.over, found.search, found.groups)
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


def has_one_kind(grid: bool, search: bool, seeds: int) -> bool:
    """Return whether a sweep is a grid or a search; seeds alone are a grid of one combination."""
    return grid != search or (not grid and seeds > 1)
