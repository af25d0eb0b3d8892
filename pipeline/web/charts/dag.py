"""Directed graphs: the nodes of a run, the lineage of an artifact."""

from __future__ import annotations

import dataclasses
import itertools
from collections.abc import Sequence
from typing import Literal

from pipeline.core.text import counted
from pipeline.web.charts import dag_layout, state_icons, svg
from pipeline.web.charts.chart import Chart, Drawing, LegendEntry
from pipeline.web.charts.dag_layout import Edge

MOST_NODES = 200  # a pipeline has a dozen, a lineage some dozens; more cannot be read as a picture
MOST_EDGES = 1000
WIDEST = 6  # boxes side by side that fit a page; with more, layers run from left to right instead

_TITLE = 13  # pixels, font size
_BOLD = 1.1  # times as wide as thin text
_HEIGHT = 48  # pixels, of a box
_NARROWEST, _WIDEST_BOX = 128, 236  # pixels
_MARGIN = 8  # pixels around it all
_ARROW = 8.0  # pixels, its length


@dataclasses.dataclass(frozen=True)
class GraphNode:
    """A box.

    Attributes:
      id: its name in edges.
      title: the first line.
      detail: the second line: `executed · 30.1 s`; empty: none.
      state: as `NodeRunState` writes it; empty: none.
      href: the address of its link; empty: none.
      mark: a word in a corner: `cached`; empty: none.
      kind: artifacts have round ends, executions are boxes.
      current: whether it is the subject of the page.
    """

    id: str
    title: str
    detail: str = ""
    state: str = ""
    href: str = ""
    mark: str = ""
    kind: Literal["execution", "artifact"] = "execution"
    current: bool = False


def dag(nodes: Sequence[GraphNode], edges: Sequence[Edge], *, title: str, to_right: bool = False) -> Drawing:
    """Draw a graph in layers, so that arrows lead to later ones; those that close a cycle are dashed.

    Args:
      nodes: the first 200 are drawn, so the most important come first; of several with one id, the first.
      edges: (source, target), by id; several between the same two nodes become one.
      title: of the chart.
      to_right: whether arrows lead to the right; else down, which fits a page and a phone, unless more than 6 boxes
        would be side by side.
    """
    chart = Chart("graph", title, 320)
    unique = {node.id: node for node in reversed(nodes)}
    drawn = {node.id: node for node in chart.limited([n for n in nodes if unique[n.id] is n], MOST_NODES, "boxes")}
    known = dict.fromkeys(edge for edge in edges if edge[0] != edge[1] and drawn.keys() >= set(edge))
    pairs = chart.limited(list(known), MOST_EDGES, "arrows")
    if not drawn:
        return chart.empty("There is nothing to draw.", "No nodes.")

    wide = min(max(max(_room(node) for node in drawn.values()), _NARROWEST), _WIDEST_BOX)
    layers = list(dag_layout.assign(list(drawn), pairs)[0].values())
    down = not to_right and max(map(layers.count, layers)) <= WIDEST
    down_sizes = dag_layout.Sizes(wide, _HEIGHT, gap=44, beside=12, lane=9)
    sizes = down_sizes if down else dag_layout.Sizes(_HEIGHT, wide, gap=72, beside=14)
    layout = dag_layout.arrange(list(drawn), pairs, sizes)
    width, height = (layout.across, layout.along) if down else (layout.along, layout.across)
    chart.width, chart.height = width + 2 * _MARGIN, height + 2 * _MARGIN

    parts = []
    for edge, route in layout.routes.items():
        text = f"{drawn[edge[0]].title} → {drawn[edge[1]].title}"
        parts.append(_arrow(route, down, edge in layout.back, text))
    for name, (across, along) in layout.boxes.items():
        description, shapes = _box(drawn[name], (across, along) if down else (along, across), wide)
        parts.append(chart.link(drawn[name].href, description, shapes))
    chart.add(svg.element("g", "".join(parts), transform=svg.translation(_MARGIN, _MARGIN)))
    states = dict.fromkeys(node.state for node in drawn.values() if node.state)
    chart.keys = [LegendEntry(state, state_icons.state_mark(state)) for state in states]
    return chart.drawing(_summary(list(drawn.values()), len(pairs), max(layers) + 1))


def _room(node: GraphNode) -> int:
    """Return the width that a box needs for its texts, in pixels."""
    chip = svg.width_of(node.mark, svg.SMALL) + 16 if node.mark else 0
    lines = max(svg.width_of(node.title, _TITLE) * _BOLD, svg.width_of(node.detail, svg.SMALL) + chip)
    return round(lines) + _inset(node) + 14


def _inset(node: GraphNode) -> int:
    """Return where a box's texts start, in pixels from its left: after its mark, if it has one."""
    return 34 if node.state or node.kind == "artifact" else 14


def _box(node: GraphNode, centre: tuple[float, float], wide: float) -> tuple[str, str]:
    """Draw a box; return a description and the shapes."""
    x, y = centre[0] - wide / 2, centre[1] - _HEIGHT / 2
    classes = f"box {node.kind} {state_icons.state_class(node.state) if node.state else 'state-none'}"
    rounding = _HEIGHT / 2 if node.kind == "artifact" else 7
    shapes = []
    if node.current:  # a second outline, visible without colours
        halo = svg.element("rect", class_="halo", x=x - 4, y=y - 4, width=wide + 8, height=_HEIGHT + 8, rx=rounding + 4)
        shapes.append(halo)
    shapes.append(svg.element("rect", class_=classes, x=x, y=y, width=wide, height=_HEIGHT, rx=rounding))
    if node.state:
        shapes.append(state_icons.mark(node.state, x + 11, y + 16))
    elif node.kind == "artifact":  # a sheet with a corner turned down
        sheet = "M1.5 1.5H8.5L12.5 5.5V14.5H1.5ZM8.5 1.5V5.5H12.5"
        shapes.append(svg.element("path", class_="sheet", d=sheet, transform=svg.translation(x + 13, y + 16)))
    start = x + _inset(node)
    room = wide - _inset(node) - 12
    line = y + 21 if node.detail or node.mark else y + 29
    shapes.append(svg.text(start, line, svg.fit(node.title, room / _BOLD, _TITLE), "box-title", size=_TITLE))
    if node.mark:
        mark = svg.fit(node.mark, room / 2, svg.SMALL)
        long = svg.width_of(mark, svg.SMALL) + 8
        left = x + wide - 10 - long
        shapes.append(svg.element("rect", class_="chip", x=left, y=y + 26, width=long, height=16, rx=4))
        shapes.append(svg.text(left + long / 2, y + 38, mark, "box-detail", "middle"))
        room -= long + 4
    if node.detail:
        shapes.append(svg.text(start, y + 38, svg.fit(node.detail, room, svg.SMALL), "box-detail"))
    name = ", ".join(filter(None, [node.title, node.detail, node.mark, "this page" if node.current else ""]))
    if node.state and node.state not in node.detail and node.state != node.mark:
        name += f", {node.state}"
    return name, "".join(shapes)


def _arrow(route: Sequence[dag_layout.Point], down: bool, back: bool, text: str) -> str:
    """Draw a line that is straight within layers and curved between them, with a head at its end."""

    def at(point: dag_layout.Point) -> str:
        across, along = point
        return f"{svg.coordinate(across if down else along)} {svg.coordinate(along if down else across)}"

    tip = route[-1]
    neck = tip[1] + (_ARROW if back else -_ARROW)
    line = [*route[:-1], (tip[0], neck)]
    data = ["M" + at(line[0])]
    for index, (one, other) in enumerate(itertools.pairwise(line)):
        middle = (one[1] + other[1]) / 2
        curve = f"C{at((one[0], middle))} {at((other[0], middle))} "
        data.append(("L" if index % 2 else curve) + at(other))
    head = f"M{at(tip)}L{at((tip[0] - 4, neck))}L{at((tip[0] + 4, neck))}Z"
    shapes = (
        svg.element("path", class_="edge-hit", d="".join(data))
        + svg.element("path", class_="edge-line", d="".join(data))
        + svg.element("path", class_="edge-head", d=head)
    )
    return svg.element("g", svg.tooltip(text) + shapes, class_="edge back" if back else "edge")


def _summary(nodes: Sequence[GraphNode], edges: int, depth: int) -> str:
    artifacts = sum(node.kind == "artifact" for node in nodes)
    kinds = [(len(nodes) - artifacts, "node"), (artifacts, "artifact")]
    what = " and ".join(counted(number, kind) for number, kind in kinds if number)
    states = state_icons.count_states([node.state for node in nodes if node.state])
    return f"{what} in {counted(depth, 'layer')}, {counted(edges, 'arrow')}" + (f": {states}." if states else ".")
