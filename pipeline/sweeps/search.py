"""A search by Optuna: it chooses each combination from the results so far, and stops hopeless runs early.

The study is made again from the runs in ML Metadata whenever a sweep starts, so it never disagrees with them. Its
storage, a log in the folder of the sweep, is for Optuna's own tools: a trial in an SQLite file took 25 times as long.
The sampler of each combination has a seed of its own: a search that was stopped continues with the combinations that
it would have had, as long as one run is in progress at a time.
"""

from __future__ import annotations

import logging
import pathlib
from collections.abc import Callable, Mapping, Sequence

import optuna
from optuna.distributions import BaseDistribution, CategoricalDistribution, FloatDistribution, IntDistribution
from optuna.storages import JournalStorage
from optuna.storages.journal import JournalFileBackend
from optuna.trial import FrozenTrial, TrialState, create_trial

from pipeline.core.errors import UsageError
from pipeline.sweeps.definition import MOST_POINTS, Definition
from pipeline.sweeps.space import Choices, Range
from pipeline.sweeps.views import Combination, Point, PointState
from pipeline_config import Value

Losses = Mapping[int, Mapping[int, float]]  # of combinations: the validation loss after each epoch

STORAGE = "optuna.log"
_STARTUP = 5  # combinations before the first one is stopped early
_ATTEMPTS = 100  # to choose a combination whose settings fit together
_WARM_UP = 0.2  # share of the epochs before a run is stopped early


class Search:
    """The combinations of a search."""

    def __init__(
        self, definition: Definition, folder: pathlib.Path, seed: int, allowed: Callable[[Mapping[str, Value]], bool]
    ) -> None:
        """Make an empty study.

        Args:
          definition: of the sweep.
          folder: of the sweep.
          seed: of the sampler.
          allowed: whether the settings of a combination fit together.
        """
        optuna.logging.set_verbosity(logging.WARNING)
        self._definition, self._seed = definition, seed
        self._distributions = {one.setting: _distribution(one) for one in definition.search}
        for name in (STORAGE, f"{STORAGE}.lock"):  # a process that was killed may have left its lock
            (folder / name).unlink(missing_ok=True)
        self._study = optuna.create_study(
            storage=JournalStorage(JournalFileBackend(str(folder / STORAGE))),
            study_name=definition.name,
            directions=["minimize" if one.better == "lower" else "maximize" for one in definition.objectives],
            pruner=optuna.pruners.MedianPruner(_STARTUP)
            if definition.pruner == "median"
            else optuna.pruners.NopPruner(),
        )
        self._allowed = allowed
        self._grid = definition.grid() if definition.sampler == "grid" else []
        self._left: list[int] = []
        self._known: dict[int, Mapping[str, Value]] = {}  # settings of combinations to repeat
        self._trials: dict[int, optuna.Trial] = {}

    def continue_from(self, combinations: Sequence[Combination], points: Sequence[Point], losses: Losses) -> None:
        """Take the results of earlier processes; a combination with points left is chosen again first."""
        by_number = {one.number: one for one in points}
        done = set()
        for one in combinations:
            members = [by_number[number] for number in one.points]
            if len(members) == self._definition.seeds and all(member.state.is_final for member in members):
                done.add(one.number)
                self._study.add_trial(self._ended(one, members, losses.get(one.number, {})))
            elif set(one.settings) == set(self._definition.varied):
                self._known[one.number] = one.settings
        self._left = [number for number in range(1, self._definition.trials + 1) if number not in done]

    def next(self) -> tuple[int, Mapping[str, Value]] | None:
        """Return the next combination; None if there is none."""
        if not self._left:
            return None
        number = self._left.pop(0)
        fixed = self._known.get(number) or (self._grid[number - 1] if self._grid else None)
        if fixed is not None:
            self._study.enqueue_trial(dict(fixed))
        for attempt in range(_ATTEMPTS):
            self._study.sampler = self._sampler(number + attempt * MOST_POINTS)
            trial = self._study.ask(self._distributions)
            if self._allowed(trial.params):
                self._trials[number] = trial
                return number, dict(trial.params)
            self._study.tell(trial, state=TrialState.FAIL)
        raise UsageError(
            f"none of {_ATTEMPTS} combinations that the search chose is allowed: their settings do not fit together; "
            "narrow the ranges, under another name"
        )

    def report(self, ended: Combination, points: Sequence[Point]) -> None:
        """Take the result of a combination that was chosen here."""
        if (trial := self._trials.pop(ended.number, None)) is None:
            return
        state, values = self._result(ended, points)
        self._study.tell(trial, values, state, skip_if_finished=True)

    def is_hopeless(self, point: int, epoch: int, epochs: int, loss: float) -> bool:
        """Take a validation loss of a point in progress, and return whether to stop it; only the first seed counts."""
        combination, seed = self._definition.place_of(point)
        trial = self._trials.get(combination)
        if trial is None or seed > 0:
            return False
        trial.report(loss, epoch)
        return epoch >= _WARM_UP * epochs and trial.should_prune()

    def _ended(self, ended: Combination, points: Sequence[Point], losses: Mapping[int, float]) -> FrozenTrial:
        state, values = self._result(ended, points)
        known = set(ended.settings) == set(self._distributions)
        return create_trial(
            state=state,
            values=values,
            params=dict(ended.settings) if known else {},
            distributions=self._distributions if known else {},
            intermediate_values=dict(losses),
        )

    def _result(self, ended: Combination, points: Sequence[Point]) -> tuple[TrialState, list[float] | None]:
        if any(one.state == PointState.PRUNED for one in points):
            return TrialState.PRUNED, None
        found = [ended.metrics.get(one.chosen_by) for one in self._definition.objectives]
        values = [one.mean for one in found if one is not None and one.count == self._definition.seeds]
        return (TrialState.COMPLETE, values) if len(values) == len(found) else (TrialState.FAIL, None)

    def _sampler(self, number: int) -> optuna.samplers.BaseSampler:
        seed = (self._seed * 1_000_003 + number) % 2**32
        if self._definition.sampler == "tpe":
            return optuna.samplers.TPESampler(seed=seed)
        return optuna.samplers.RandomSampler(seed=seed)


def _distribution(one: Choices | Range) -> BaseDistribution:
    if isinstance(one, Choices):
        return CategoricalDistribution(one.values)
    if isinstance(one.low, int) and isinstance(one.high, int):
        return IntDistribution(one.low, one.high, log=one.log)
    return FloatDistribution(float(one.low), float(one.high), log=one.log)
