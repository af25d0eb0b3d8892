"""Graphs: the nodes of a run, and the lineage of an artifact."""

from __future__ import annotations

import dataclasses
import itertools
from collections.abc import Sequence
from typing import Literal

from pipeline.core.text import counted
from pipeline.web.charts import axes, dag_layout, state_icons, svg

MOST_NODES = 400  # more is no picture any more, and takes a second
MOST_EDGES = 2000
WIDEST = 6  # boxes beside each other that a page has room for; with more, layers run from left to right instead

_TITLE = 13  # pixels, font size
_BOLD = 1.1  # times as wide as thin text
_HEIGHT = 48  # pixels, of a box
_NARROWEST, _WIDEST_BOX = 128, 236  # pixels
_MARGIN = 8  # pixels around it all
_ARROW = 8.0  # pixels, its length

Direction = Literal["down", "right"]


@dataclasses.dataclass(frozen=True)
class GraphNode:
    """A box.

    Attributes:
      id: its name in edges.
      title: the first line.
      detail: the second line: `executed · 30.1 s`; empty: none.
      state: as `NodeRunState` writes it; empty: nothing that has a state.
      href: where a click leads; empty: nowhere.
      mark: a word in a corner: `cached`; empty: none.
      kind: artifacts have round ends, executions are boxes.
      current: whether it is what the page is about.
    """

    id: str
    title: str
    detail: str = ""
    state: str = ""
    href: str = ""
    mark: str = ""
    kind: Literal["execution", "artifact"] = "execution"
    current: bool = False


@dataclasses.dataclass(frozen=True)
class GraphEdge:
    """An arrow. `label`: for its tooltip: what goes this way."""

    source: str
    target: str
    label: str = ""


def graph(
    nodes: Sequence[GraphNode], edges: Sequence[GraphEdge], *, title: str, direction: Direction | None = None
) -> svg.Drawing:
    """Draws a graph in layers, so that arrows lead to later ones; those that close a cycle are dashed.

    Args:
      nodes: the first 400 are drawn, so the most important come first; of several with one id, the first.
      edges: those between nodes that are drawn; several between the same two become one.
      title: what is drawn.
      direction: of the arrows. None: down, as that fits a page and a phone, unless many boxes would be beside
        each other.
    """
    known = {node.id: node for node in reversed(nodes)}
    unique = [node for node in nodes if known[node.id] is node]
    drawn = {node.id: node for node in unique[:MOST_NODES]}
    labels: dict[dag_layout.Edge, list[str]] = {}
    for one in edges:
        if one.source in drawn and one.target in drawn and one.source != one.target:
            labels.setdefault((one.source, one.target), []).append(one.label)
    pairs = list(labels)[:MOST_EDGES]
    if not drawn:
        parts = [axes.empty(320, 80, "There is nothing to draw.")]
        return svg.document(parts, width=320, height=80, title=title, summary="No nodes.", kind="graph")

    wide = min(max(max(_room(node) for node in drawn.values()), _NARROWEST), _WIDEST_BOX)
    down = direction == "down" if direction else _most_beside(list(drawn), pairs) <= WIDEST
    sizes = dag_layout.Sizes(wide, _HEIGHT, gap=44) if down else dag_layout.Sizes(_HEIGHT, wide, gap=72, beside=14)
    layout = dag_layout.arrange(list(drawn), pairs, sizes)
    size = (layout.across, layout.along) if down else (layout.along, layout.across)

    parts = []
    for edge, route in layout.routes.items():
        names = ", ".join(dict.fromkeys(filter(None, labels[edge])))
        said = f"{drawn[edge[0]].title} → {drawn[edge[1]].title}" + (f": {names}" if names else "")
        parts.append(_arrow(route, down, edge in layout.back, said))
    for name, (across, along) in layout.boxes.items():
        centre = (across, along) if down else (along, across)
        parts.append(_box(drawn[name], centre, wide))
    place = f"translate({_MARGIN} {_MARGIN})"
    return svg.document(
        [svg.element("g", "".join(parts), transform=place)],
        width=size[0] + 2 * _MARGIN, height=size[1] + 2 * _MARGIN, title=title, kind="graph",
        summary=_summary(list(drawn.values()), len(pairs), max(layout.layers.values()) + 1),
        links=any(node.href for node in drawn.values()), keys=state_keys([node.state for node in drawn.values()]),
        note=_note(len(unique) - len(drawn), len(labels) - len(layout.routes)),
    )  # fmt: skip


def state_keys(seen: Sequence[str]) -> list[svg.Key]:
    """A legend of states, each once."""
    return [svg.Key(state, state_icons.state_mark(state)) for state in dict.fromkeys(seen) if state]


def _most_beside(ids: list[str], pairs: list[dag_layout.Edge]) -> int:
    its_layers = list(dag_layout.assign(ids, pairs)[0].values())
    return max(its_layers.count(layer) for layer in set(its_layers))


def _has_sign(node: GraphNode) -> bool:
    return bool(node.state) or node.kind == "artifact"


def _room(node: GraphNode) -> int:
    """The width that a box needs for its texts, in pixels."""
    chip = svg.width_of(node.mark, svg.SMALL) + 16 if node.mark else 0
    lines = max(svg.width_of(node.title, _TITLE) * _BOLD, svg.width_of(node.detail, svg.SMALL) + chip)
    return round(lines) + _inset(node) + 14


def _inset(node: GraphNode) -> int:
    """Where a box's texts start, in pixels from its left."""
    return 34 if _has_sign(node) else 14


def _box(node: GraphNode, centre: tuple[float, float], wide: float) -> str:
    x, y = centre[0] - wide / 2, centre[1] - _HEIGHT / 2
    classes = f"box {node.kind} {state_icons.state_class(node.state) if node.state else 'state-none'}"
    rounding = _HEIGHT / 2 if node.kind == "artifact" else 7
    shapes = []
    if node.current:  # a second outline: to be told apart without colours
        halo = svg.element("rect", class_="halo", x=x - 4, y=y - 4, width=wide + 8, height=_HEIGHT + 8, rx=rounding + 4)
        shapes.append(halo)
    shapes.append(svg.element("rect", class_=classes, x=x, y=y, width=wide, height=_HEIGHT, rx=rounding))
    if node.state:
        shapes.append(state_icons.mark(node.state, x + 11, y + 16))
    elif node.kind == "artifact":  # a sheet with a corner turned down
        sheet = "M1.5 1.5H8.5L12.5 5.5V14.5H1.5ZM8.5 1.5V5.5H12.5"
        place = f"translate({svg.coordinate(x + 13)} {svg.coordinate(y + 16)})"
        shapes.append(svg.element("path", class_="sheet", d=sheet, transform=place))
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
    said = ", ".join(filter(None, [node.title, node.detail, node.mark, "this page" if node.current else ""]))
    if node.state and node.state not in node.detail and node.state != node.mark:
        said += f", {node.state}"
    return svg.link(node.href, said, "".join(shapes))


def _arrow(route: Sequence[dag_layout.Point], down: bool, back: bool, said: str) -> str:
    """A line that is straight within layers and curved between them, and a head at its end."""

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
    return svg.element("g", svg.tooltip(said) + shapes, class_="edge back" if back else "edge")


def _note(nodes: int, edges: int) -> str:
    """What is not drawn."""
    parts = []
    if nodes:
        parts.append(f"{nodes:,} more boxes are not drawn.")
    if edges:
        parts.append(f"{edges:,} more arrows are not drawn.")
    return " ".join(parts)


def _summary(nodes: Sequence[GraphNode], edges: int, depth: int) -> str:
    counts: dict[str, int] = {}
    for node in nodes:
        if node.state:
            counts[node.state] = counts.get(node.state, 0) + 1
    artifacts = sum(node.kind == "artifact" for node in nodes)
    executions = len(nodes) - artifacts
    what = [counted(executions, "node")] if executions else []
    what += [counted(artifacts, "artifact")] if artifacts else []
    said = ", ".join(f"{count} {state}" for state, count in counts.items())
    shape = f"{counted(depth, 'layer')}, {counted(edges, 'arrow')}"
    return f"{' and '.join(what)} in {shape}" + (f": {said}." if said else ".")
