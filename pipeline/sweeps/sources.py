"""Where the combinations of a sweep come from: a grid lists them, a search chooses each from the results so far."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Protocol

from pipeline.sweeps.definition import Definition
from pipeline.sweeps.views import Combination, Point
from pipeline_config import Value


class CombinationSource(Protocol):
    """The combinations of settings of a sweep, by their numbers from 1."""

    def next(self) -> tuple[int, Mapping[str, Value]] | None:
        """Return the next combination that has points left to run; None if there is none, or none yet."""

    def report(self, ended: Combination, points: Sequence[Point]) -> None:
        """Take the result of a combination, all of whose points ended."""

    def is_hopeless(self, point: int, epoch: int, epochs: int, loss: float) -> bool:
        """Take the validation loss of the point of a number after an epoch, and return whether to stop it early."""


class Grid:
    """The combinations of a grid."""

    def __init__(self, definition: Definition, done: Sequence[int]) -> None:
        """`done`: the numbers of the combinations without points left to run."""
        numbered = enumerate(definition.grid(), start=1)
        self._left = [(number, values) for number, values in numbered if number not in done]

    def next(self) -> tuple[int, Mapping[str, Value]] | None:
        return self._left.pop(0) if self._left else None

    def report(self, ended: Combination, points: Sequence[Point]) -> None:
        del ended, points

    def is_hopeless(self, point: int, epoch: int, epochs: int, loss: float) -> bool:
        del point, epoch, epochs, loss
        return False
