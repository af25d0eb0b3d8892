"""Runs of one configuration with several seeds: mean and range of each metric."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence

from pipeline.inspection import run_filter
from pipeline.inspection.views import RunRow
from pipeline_config import Configuration

_SEED_OPTION = "--seed"  # the option of the setting that distinguishes repetitions


@dataclasses.dataclass(frozen=True)
class Spread:
    """The values of a metric over `count` seeds."""

    mean: float
    low: float
    high: float
    count: int


@dataclasses.dataclass(frozen=True)
class RunGroup:
    """The runs of one configuration, whatever their seeds.

    Attributes:
      name: the settings in which the configurations differ, such as `l1 = 0.001`; empty if there is only one.
      runs: ids of the runs.
      seeds: number of different seeds.
      metrics: by name; of several runs with one seed, the first that was evaluated counts.
    """

    name: str
    runs: tuple[str, ...]
    seeds: int
    metrics: Mapping[str, Spread]


def by_configuration(rows: Sequence[RunRow], config_type: type[Configuration]) -> tuple[RunGroup, ...]:
    """Group runs by all settings but the seed; without two seeds of one configuration there are no groups.

    Runs without recorded settings are left out.
    """
    seeds = [name for name, one in config_type.settings().items() if one.option == _SEED_OPTION]
    found: dict[tuple[tuple[str, str], ...], list[RunRow]] = {}
    for row in rows:
        if row.settings:
            same = tuple(sorted((name, repr(value)) for name, value in row.settings.items() if name not in seeds))
            found.setdefault(same, []).append(row)
    without_seed = [
        dataclasses.replace(row, settings={name: value for name, value in row.settings.items() if name not in seeds})
        for row, *_ in found.values()
    ]
    groups = []
    for name, same_rows in zip(run_filter.run_names(without_seed), found.values(), strict=True):
        by_seed: dict[str, list[RunRow]] = {}
        for row in same_rows:
            by_seed.setdefault(repr([row.settings.get(one) for one in seeds]), []).append(row)
        ids = tuple(row.id for row in same_rows)
        groups.append(RunGroup(name, ids, len(by_seed), _spreads(list(by_seed.values()))))
    return tuple(groups) if any(one.seeds > 1 for one in groups) else ()


def _spreads(by_seed: Sequence[Sequence[RunRow]]) -> dict[str, Spread]:
    metrics = dict.fromkeys(name for rows in by_seed for row in rows for name in row.metrics)
    spreads = {}
    for metric in metrics:
        first = [next((v for row in rows if (v := row.metrics.get(metric)) is not None), None) for rows in by_seed]
        values = [value for value in first if value is not None]
        if values:
            spreads[metric] = Spread(sum(values) / len(values), min(values), max(values), len(values))
    return spreads
