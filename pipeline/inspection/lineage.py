"""Find all artifacts upstream and downstream of one artifact."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Collection, Mapping

from pipeline.inspection.views import ArtifactRow

_MOST_STEPS = 500  # executions in each direction; a page with more is not readable


@dataclasses.dataclass(frozen=True)
class Step:
    """An execution between artifacts, never a cached one.

    Attributes:
      execution: id in ML Metadata.
      inputs, outputs: ids of artifacts, ascending.
    """

    execution: int
    run: str
    node: str
    type: str
    inputs: tuple[int, ...]
    outputs: tuple[int, ...]


@dataclasses.dataclass(frozen=True)
class Lineage:
    """The lineage of an artifact.

    Attributes:
      center: id of the artifact.
      artifacts: all artifacts of the lineage, by id.
      up: upstream executions, nearest first.
      down: downstream executions, nearest first.
      cut: whether executions were left out.
    """

    center: int
    artifacts: Mapping[int, ArtifactRow]
    up: tuple[Step, ...]
    down: tuple[Step, ...]
    cut: bool


StepsOf = Callable[[Collection[int]], list[Step]]


def walk(
    center: int, makers: StepsOf, readers: StepsOf, rows: Callable[[Collection[int]], Mapping[int, ArtifactRow]]
) -> Lineage:
    """Walk both ways, breadth first, and visit each execution once, so that a cycle ends.

    Args:
      center: id of the artifact to start at.
      makers, readers: return the executions that made, or read, any of some artifacts.
      rows: returns artifacts by id.
    """
    up, up_cut = _follow(center, makers, lambda step: step.inputs)
    down, down_cut = _follow(center, readers, lambda step: step.outputs)
    wanted = {center, *(number for step in (*up, *down) for number in (*step.inputs, *step.outputs))}
    return Lineage(center, rows(wanted), up, down, up_cut or down_cut)


def _follow(center: int, steps_of: StepsOf, beyond: Callable[[Step], tuple[int, ...]]) -> tuple[tuple[Step, ...], bool]:
    found: dict[int, Step] = {}
    seen = {center}
    layer = {center}
    while layer:
        steps = [step for step in steps_of(layer) if step.execution not in found]
        room = _MOST_STEPS - len(found)
        found.update({step.execution: step for step in steps[:room]})
        if len(steps) > room:
            return tuple(found.values()), True
        layer = {number for step in steps for number in beyond(step)} - seen
        seen |= layer
    return tuple(found.values()), False
