"""The lineage of an artifact: everything upstream and downstream of it."""

from __future__ import annotations

import dataclasses

from pipeline.inspection.lineage import Lineage
from pipeline.web import formatting
from pipeline.web.charts.dag import GraphNode, dag
from pipeline.web.formatting import DeclaredMetrics
from pipeline.web.pages.base import Drawings, PageRequest, find_artifact
from pipeline.web.urls import Links

_LABEL = 40  # characters of a run's id in a box


@dataclasses.dataclass(frozen=True)
class LineageView:
    """The page."""

    lineage: Lineage


def build(request: PageRequest, artifact: str) -> LineageView:
    """Read the lineage."""
    reader = request.open_reader
    return LineageView(reader.lineage(find_artifact(reader, artifact, "lineage")))


def draw(view: LineageView, to: Links, _: DeclaredMetrics) -> Drawings:
    """Draw executions and artifacts as one graph, nearest first, because large graphs are cut."""
    lineage = view.lineage
    boxes = {f"a{lineage.center}": _artifact(view, lineage.center, to)}
    edges = []
    for step in (*lineage.up, *lineage.down):
        execution = f"e{step.execution}"
        boxes[execution] = GraphNode(
            execution, step.node or step.type, formatting.cut(step.run, _LABEL), href=to.node(step.run, step.node)
        )
        for number in (*step.inputs, *step.outputs):
            boxes.setdefault(f"a{number}", _artifact(view, number, to))
        edges += [(f"a{number}", execution) for number in step.inputs]
        edges += [(execution, f"a{number}") for number in step.outputs]
    return {"graph": dag(list(boxes.values()), edges, title="Lineage")}


def _artifact(view: LineageView, number: int, to: Links) -> GraphNode:
    row = view.lineage.artifacts[number]
    detail = f"#{number}{f' {row.key}' if row.key else ''}{f', {row.unusable}' if row.unusable else ''}"
    return GraphNode(
        f"a{number}",
        f"artifact {number}, removed" if row.removed else row.type or "artifact",
        row.key if row.removed else detail,
        href="" if row.removed else to.artifact(number),
        kind="artifact",
        current=number == view.lineage.center,
    )
