"""Sweeps as commands, pages and JSON show them: frozen dataclasses. Times are in UTC; None if not known."""

from __future__ import annotations

import dataclasses
import datetime
import enum
from collections.abc import Mapping

from pipeline.sweeps.definition import Definition, Objective
from pipeline.sweeps.statistics import Estimate
from pipeline_config import Value


class PointState(str, enum.Enum):
    """State of a point."""

    WAITING = "waiting"  # not started
    RUNNING = "running"
    SUCCEEDED = "succeeded"
    FAILED = "failed"  # of a node, such as a loss that is not finite: it would fail again
    PRUNED = "pruned"  # stopped early, because it was worse than others
    INTERRUPTED = "interrupted"  # its process was killed or interrupted: the next `sae sweep run` repeats it

    @property
    def is_final(self) -> bool:
        """Whether `sae sweep run` leaves the point as it is."""
        return self in (PointState.SUCCEEDED, PointState.FAILED, PointState.PRUNED)


class SweepState(str, enum.Enum):
    """State of a sweep."""

    RUNNING = "running"
    COMPLETE = "complete"  # nothing is left to run
    STOPPED = "stopped"  # points are left, and no process runs them


@dataclasses.dataclass(frozen=True)
class Point:
    """A point of a sweep: one combination of settings with one seed, and its run.

    Attributes:
      number: from 1; in the trigger of its run.
      combination: the number of its combination of settings, from 1.
      settings: values of the settings that the sweep varies; empty while a search has not chosen them.
      seed: the seed of its run; 0 if the pipeline has no setting for it.
      run: the id of its newest run; empty before it starts.
      error: why it failed or was interrupted; empty if it was not.
      pruned_at: the epoch after which it was stopped early; None if it was not.
      metrics: metrics of the run by name, of the test split and of the validation split.
      blessed: None if its model was not evaluated.
    """

    number: int
    combination: int
    settings: Mapping[str, Value]
    seed: int
    state: PointState
    run: str = ""
    started: datetime.datetime | None = None
    seconds: float | None = None
    error: str = ""
    pruned_at: int | None = None
    metrics: Mapping[str, float] = dataclasses.field(default_factory=dict)
    blessed: bool | None = None


@dataclasses.dataclass(frozen=True)
class Combination:
    """A combination of settings: the points that differ only in the seed.

    Attributes:
      number: from 1, in the order of the grid or of the search.
      settings: values of the settings that the sweep varies.
      points: numbers of its points.
      succeeded: how many of them succeeded.
      complete: whether all of them did.
      metrics: by name, the mean of each metric over the points that succeeded, with its 95 % interval.
      best: whether it is the best; of several objectives, whether no other combination dominates it.
    """

    number: int
    settings: Mapping[str, Value]
    points: tuple[int, ...]
    succeeded: int
    complete: bool
    metrics: Mapping[str, Estimate]
    best: bool = False


@dataclasses.dataclass(frozen=True)
class SweepRow:
    """A sweep in a list of sweeps.

    Attributes:
      kind: `grid` or `search`.
      varied: names of the settings that it varies.
      objectives: what it looks for.
      points: number of points; of a search, the most.
      counts: number of points in each state.
      started: when its first run began.
      seconds: sum of the durations of its runs.
    """

    name: str
    state: SweepState
    kind: str
    varied: tuple[str, ...]
    objectives: tuple[Objective, ...]
    points: int
    counts: Mapping[str, int]
    started: datetime.datetime | None
    seconds: float


@dataclasses.dataclass(frozen=True)
class Sweep:
    """A sweep with its points.

    Attributes:
      row: as in a list.
      definition: what it runs.
      metrics: names of the metrics that its runs have, in the order of the pipeline.
      combinations, points: in their order.
      artifact: id of the artifact with its result in ML Metadata; None if none was recorded.
      digest: content digest of that artifact; empty without one.
    """

    row: SweepRow
    definition: Definition
    metrics: tuple[str, ...]
    combinations: tuple[Combination, ...]
    points: tuple[Point, ...]
    artifact: int | None = None
    digest: str = ""

    @property
    def is_complete(self) -> bool:
        """Whether no point is left to run."""
        return sum(one.state.is_final for one in self.points) == self.definition.size

    @property
    def best(self) -> tuple[Combination, ...]:
        """Return the best combination, or those of several objectives, the best in the first objective first."""
        found = [one for one in self.combinations if one.best]
        if not self.definition.objectives:
            return tuple(found)
        first = self.definition.objectives[0]
        return tuple(sorted(found, key=lambda one: first.score(one.metrics[first.chosen_by].mean)))
