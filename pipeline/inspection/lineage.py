"""From one artifact to all that it was made from, and to all that was made from it."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Collection, Mapping

from pipeline.inspection.views import ArtifactRow

MOST_STEPS = 500  # executions in one lineage; more than that nobody reads, and a page must stay a page


@dataclasses.dataclass(frozen=True)
class Step:
    """An execution between artifacts. Cached executions are none: they reused what an earlier one had made.

    Attributes:
      execution: id in ML Metadata.
      inputs, outputs: ids of artifacts, rising.
    """

    execution: int
    run: str
    node: str
    type: str
    inputs: tuple[int, ...]
    outputs: tuple[int, ...]


@dataclasses.dataclass(frozen=True)
class Lineage:
    """What is around one artifact.

    Attributes:
      center: id of the artifact that was asked for.
      artifacts: by id; the center among them.
      up: the steps before it, nearest first: those that made it, what they read, and so on.
      down: the steps after it, nearest first.
      cut: whether there is more than is listed.
    """

    center: int
    artifacts: Mapping[int, ArtifactRow]
    up: tuple[Step, ...]
    down: tuple[Step, ...]
    cut: bool


StepsOf = Callable[[Collection[int]], list[Step]]


def walk(
    center: int,
    makers: StepsOf,
    readers: StepsOf,
    rows: Callable[[Collection[int]], Mapping[int, ArtifactRow]],
    most: int = MOST_STEPS,
) -> Lineage:
    """Both ways, breadth first, each step once; cycles, which no honest store has, end.

    Args:
      center: id of the artifact to begin at.
      makers, readers: the steps that made any of some artifacts, and those that read any of them.
      rows: artifacts by id.
      most: steps at most in each direction.
    """
    up, up_cut = _follow(center, makers, lambda step: step.inputs, most)
    down, down_cut = _follow(center, readers, lambda step: step.outputs, most)
    wanted = {center, *(number for step in (*up, *down) for number in (*step.inputs, *step.outputs))}
    return Lineage(center, rows(wanted), up, down, up_cut or down_cut)


def _follow(
    center: int, steps_of: StepsOf, beyond: Callable[[Step], tuple[int, ...]], most: int
) -> tuple[tuple[Step, ...], bool]:
    found: dict[int, Step] = {}
    seen = {center}
    layer = {center}
    while layer:
        steps = [step for step in steps_of(layer) if step.execution not in found]
        if len(found) + len(steps) > most:
            found.update({step.execution: step for step in steps[: most - len(found)]})
            return tuple(found.values()), True
        found.update({step.execution: step for step in steps})
        layer = {number for step in steps for number in beyond(step)} - seen
        seen |= layer
    return tuple(found.values()), False
