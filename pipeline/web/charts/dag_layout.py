"""Layout of small directed graphs in layers along their edges (Sugiyama, Tagawa, Toda, 1981).

Coordinates are `along` the flow, from layer to layer, and `across` it; the chart decides which of them is vertical. All
boxes have one size. An edge that spans layers bends only between them: it crosses a layer on a straight line, at a
reserved position, so it never runs over a box. Long edges of one box share these positions.
"""

from __future__ import annotations

import dataclasses
import itertools
from collections.abc import Hashable, Iterable, Mapping, Sequence

from pipeline.web.charts.scales import spread

_ORDERINGS, _PLACINGS = 2, 8  # passes over the layers, down and up in turn

Edge = tuple[str, str]
Point = tuple[float, float]  # across, along
Item = Hashable  # a box by its id, or a bend by (id of its box, whether its edge closes a cycle, layer)
Links = Mapping[Item, Sequence[Item]]


@dataclasses.dataclass(frozen=True)
class Sizes:
    """Sizes of boxes across and along the flow, in pixels; gaps between layers, between boxes and between lines."""

    across: float
    along: float
    gap: float
    beside: float = 24.0
    lane: float = 14.0


@dataclasses.dataclass(frozen=True)
class Layout:
    """Positions of boxes and edges.

    Attributes:
      boxes: by id, the centre.
      routes: by edge, from source to target: pairs of points between layers, each joined by a curve; between pairs the
        edge is straight. Edges from a box to itself have none.
      back: edges that close a cycle.
      across, along: size of the whole.
    """

    boxes: Mapping[str, Point]
    routes: Mapping[Edge, tuple[Point, ...]]
    back: frozenset[Edge]
    across: float
    along: float


def assign(ids: Sequence[str], edges: Iterable[Edge]) -> tuple[dict[str, int], frozenset[Edge]]:
    """Return the layer of each box by the longest path to it, and the edges that close cycles.

    Args:
      ids: of boxes, distinct, fewer than the recursion limit; their order breaks ties.
      edges: between these boxes; those from a box to itself are ignored.
    """
    after: dict[str, list[str]] = {name: [] for name in ids}
    for source, target in dict.fromkeys(edges):
        if source != target:
            after[source].append(target)
    back: set[Edge] = set()
    finished: dict[str, None] = {}  # in post-order

    def visit(name: str, path: frozenset[str]) -> None:
        path |= {name}
        for target in after[name]:
            if target in path:
                back.add((name, target))
            elif target not in finished:
                visit(target, path)
        finished[name] = None

    for name in ids:
        if name not in finished:
            visit(name, frozenset())
    order = list(finished)[::-1]
    forward = [
        (target, source) if (source, target) in back else (source, target)
        for source in order
        for target in after[source]
    ]
    layers = dict.fromkeys(order, 0)
    place = {name: number for number, name in enumerate(order)}
    for source, target in sorted(forward, key=lambda edge: place[edge[0]]):
        layers[target] = max(layers[target], layers[source] + 1)
    for name in set(ids) - {target for _, target in forward}:  # no predecessor: moves next to its first successor
        layers[name] = min((layers[target] for source, target in forward if source == name), default=1) - 1
    return layers, frozenset(back)


def arrange(ids: Sequence[str], edges: Sequence[Edge], sizes: Sizes) -> Layout:
    """Lay a graph out; see `assign` for its arguments."""
    layers, back = assign(ids, edges)
    chains: dict[Edge, list[Item]] = {}  # boxes and bends of each edge, by layer
    found: list[dict[Item, None]] = [{} for _ in range(max(layers.values(), default=-1) + 1)]  # by layer, in order
    for name in ids:
        found[layers[name]][name] = None
    for edge in edges:
        first, last = edge[::-1] if edge in back else edge
        if first != last:
            bends = [(edge[0], edge in back, layer) for layer in range(layers[first] + 1, layers[last])]
            chains[edge] = [first, *bends, last]
            for one in bends:
                found[one[2]][one] = None
    rows: list[list[Item]] = [list(items) for items in found]
    above: dict[Item, list[Item]] = {}
    below: dict[Item, list[Item]] = {}
    for upper, lower in dict.fromkeys(pair for chain in chains.values() for pair in itertools.pairwise(chain)):
        below.setdefault(upper, []).append(lower)
        above.setdefault(lower, []).append(upper)
    _order(rows, above, below)
    across = _place(rows, above, below, sizes)

    pitch = sizes.along + sizes.gap
    boxes = {name: (across[name], layers[name] * pitch + sizes.along / 2) for name in ids}
    outs = {name: _ports(name, below.get(name, ()), across, sizes) for name in ids}
    ins = {name: _ports(name, above.get(name, ()), across, sizes) for name in ids}
    routes: dict[Edge, tuple[Point, ...]] = {}
    for edge, chain in chains.items():
        first, last = str(chain[0]), str(chain[-1])
        points = [(outs[first][chain[1]], layers[first] * pitch + sizes.along)]
        for number, bend in enumerate(chain[1:-1], layers[first] + 1):
            points += [(across[bend], number * pitch), (across[bend], number * pitch + sizes.along)]
        points.append((ins[last][chain[-2]], layers[last] * pitch))
        routes[edge] = tuple(points[::-1] if edge in back else points)
    width = max((across[row[-1]] + _half(row[-1], sizes) for row in rows), default=0.0)
    return Layout(boxes, routes, back, width, max(0.0, len(rows) * pitch - sizes.gap))


def _pass(layers: int, number: int) -> range:
    """Return the layers in the order of a pass: down for even numbers, else up."""
    return range(layers) if number % 2 == 0 else range(layers - 1, -1, -1)


def _order(rows: list[list[Item]], above: Links, below: Links) -> None:
    """Order each layer by the mean position of neighbours in the previous layer, so that few edges cross."""
    for number in range(_ORDERINGS):
        for index in _pass(len(rows), number):
            places = {item: float(place) for row in rows for place, item in enumerate(row)}
            neighbours = above if number % 2 == 0 else below
            means = {item: _mean(item, neighbours.get(item, ()), places) for item in rows[index]}
            rows[index].sort(key=means.__getitem__)


def _place(rows: Sequence[Sequence[Item]], above: Links, below: Links, sizes: Sizes) -> dict[Item, float]:
    """Return positions across that keep edges straight, preserving the order and distances in each layer."""
    across: dict[Item, float] = {}
    offsets: list[list[float]] = []  # minimum distance of each item from the first of its layer
    for row in rows:
        steps = [0.0]
        for left, right in itertools.pairwise(row):
            room = sizes.beside if isinstance(left, str) and isinstance(right, str) else sizes.lane
            steps.append(steps[-1] + _half(left, sizes) + room + _half(right, sizes))
        offsets.append(steps)
        across.update({item: step - steps[-1] / 2 for item, step in zip(row, steps, strict=True)})
    for number in range(_PLACINGS):
        for index in _pass(len(rows), number):
            wishes = [_mean(item, (*above.get(item, ()), *below.get(item, ())), across) for item in rows[index]]
            across.update(zip(rows[index], spread(wishes, offsets[index]), strict=True))
    least = min((across[row[0]] - _half(row[0], sizes) for row in rows), default=0.0)
    return {item: place - least for item, place in across.items()}


def _mean(item: Item, neighbours: Sequence[Item], places: Mapping[Item, float]) -> float:
    """Return the mean position of an item's neighbours, or its own if it has none."""
    return sum(places[one] for one in neighbours) / len(neighbours) if neighbours else places[item]


def _half(item: Item, sizes: Sizes) -> float:
    return sizes.across / 2 if isinstance(item, str) else 0.0


def _ports(name: str, neighbours: Iterable[Item], across: Mapping[Item, float], sizes: Sizes) -> dict[Item, float]:
    """Return where edges to neighbours meet a box's side: side by side, in the neighbours' order."""
    ordered = sorted(neighbours, key=lambda item: (across[item], repr(item)))
    pitch = min(20.0, sizes.across * 0.7 / max(1, len(ordered) - 1))
    first = across[name] - pitch * (len(ordered) - 1) / 2
    return {item: first + index * pitch for index, item in enumerate(ordered)}
