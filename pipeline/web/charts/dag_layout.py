"""Places for the boxes of a directed graph, in layers along its edges (after Sugiyama, Tagawa and Toda, 1981).

Coordinates are `along` the flow, from layer to layer, and `across` it; the drawing decides which of them goes down.
All boxes have one size. An edge that spans layers bends only between them: it passes through a layer on a straight line
at a place that is kept free for it, so it never runs over a box. Long edges of one box share these places.
"""

from __future__ import annotations

import bisect
import dataclasses
import itertools
from collections.abc import Hashable, Iterable, Mapping, Sequence

MOST_BENDS = 4000  # places kept for long edges; a store with odd content may ask for millions

_ORDERINGS = 24  # passes that reorder layers; ours settles after four
_PLACINGS = 80  # passes that move boxes
_MOVES = 24_000  # of all passes together, about 0.2 s: large graphs get fewer passes
_STRAIGHT = {0: 4.0, 1: 1.0, 2: 24.0}  # how much an edge wants to be straight, by how many of its ends are bends

Edge = tuple[str, str]
Point = tuple[float, float]  # across, along
Item = Hashable  # a box by its id, or a bend by (id of its box, whether its edge goes back, layer)


@dataclasses.dataclass(frozen=True)
class Sizes:
    """In pixels, across and along the flow. `gap`: between layers; `beside`: between boxes; `lane`: between lines."""

    across: float
    along: float
    gap: float
    beside: float = 24.0
    lane: float = 14.0


@dataclasses.dataclass(frozen=True)
class Layout:
    """Where everything goes.

    Attributes:
      boxes: by id, the centre.
      layers: by id, from 0.
      routes: by edge, from source to target: pairs of points between layers, each to be joined by a curve; from pair to
        pair the edge is straight. Edges from a box to itself, and those beyond `MOST_BENDS`, have none.
      back: edges that had to be turned round because they close a cycle.
      across, along: size of it all.
    """

    boxes: Mapping[str, Point]
    layers: Mapping[str, int]
    routes: Mapping[Edge, tuple[Point, ...]]
    back: frozenset[Edge]
    across: float
    along: float


def assign(ids: Sequence[str], edges: Iterable[Edge]) -> tuple[dict[str, int], frozenset[Edge]]:
    """The layer of each box, and the edges that close cycles: without these, every edge goes to a later layer.

    Args:
      ids: of boxes, each once; their order decides between equals.
      edges: between boxes that are there; those from a box to itself are passed over.
    """
    after: dict[str, list[str]] = {name: [] for name in ids}
    number = {name: index for index, name in enumerate(ids)}
    for source, target in sorted(set(edges), key=lambda edge: (number[edge[0]], number[edge[1]])):
        if source != target:
            after[source].append(target)
    back, order = _cycles(ids, after)
    forward: dict[str, list[str]] = {name: [] for name in ids}
    before: dict[str, list[str]] = {name: [] for name in ids}
    for source in ids:
        for target in after[source]:
            first, second = (target, source) if (source, target) in back else (source, target)
            forward[first].append(second)
            before[second].append(first)
    layers: dict[str, int] = {}
    for name in order:
        layers[name] = max((layers[one] + 1 for one in before[name]), default=0)
    # A box with more behind it than before it moves towards these: its edges become shorter.
    for name in reversed(order):
        if len(forward[name]) > len(before[name]):
            layers[name] = min(layers[one] for one in forward[name]) - 1
    return layers, back


def _cycles(ids: Sequence[str], after: Mapping[str, Sequence[str]]) -> tuple[frozenset[Edge], list[str]]:
    """The edges that lead back to a box on the way to them, and the boxes so that all other edges go forward."""
    back: set[Edge] = set()
    finished: list[str] = []
    state: dict[str, int] = {}  # 1: on the way, 2: finished
    for start in ids:
        if start in state:
            continue
        state[start] = 1
        stack = [(start, iter(after[start]))]
        while stack:
            name, rest = stack[-1]
            for target in rest:
                if target not in state:
                    state[target] = 1
                    stack.append((target, iter(after[target])))
                    break
                if state[target] == 1:
                    back.add((name, target))
            else:
                state[name] = 2
                finished.append(name)
                stack.pop()
    return frozenset(back), finished[::-1]


def arrange(ids: Sequence[str], edges: Sequence[Edge], sizes: Sizes) -> Layout:
    """Lays a graph out; see `assign` for its arguments."""
    if not ids:
        return Layout({}, {}, {}, frozenset(), 0.0, 0.0)
    layers, back = assign(ids, edges)
    chains = _chains(edges, layers, back)
    segments = sorted(
        {pair for chain in chains.values() for pair in itertools.pairwise(chain)},
        key=lambda pair: (repr(pair[0]), repr(pair[1])),
    )
    above: dict[Item, list[Item]] = {}
    below: dict[Item, list[Item]] = {}
    for upper, lower in segments:
        below.setdefault(upper, []).append(lower)
        above.setdefault(lower, []).append(upper)
    rows: list[list[Item]] = [[] for _ in range(max(layers.values()) + 1)]
    for name in ids:
        rows[layers[name]].append(name)
    for bend in dict.fromkeys(item for chain in chains.values() for item in chain[1:-1]):
        rows[bend[2]].append(bend)  # type: ignore[index]
    rows = _ordered(rows, above, below)
    across = _placed(rows, above, below, sizes)

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
    width = max(across[row[-1]] + _half(row[-1], sizes) for row in rows)
    return Layout(boxes, layers, routes, back, width, len(rows) * pitch - sizes.gap)


def _chains(edges: Sequence[Edge], layers: Mapping[str, int], back: frozenset[Edge]) -> dict[Edge, list[Item]]:
    """What each edge passes through, in the order of layers: a box, bends, a box."""
    chains: dict[Edge, list[Item]] = {}
    bends: set[Item] = set()
    for edge in dict.fromkeys(edges):
        first, last = edge[::-1] if edge in back else edge
        if first == last:
            continue
        # One line for all long edges that leave a box: it branches where they part.
        passed = {(edge[0], edge in back, layer) for layer in range(layers[first] + 1, layers[last])}
        if len(bends) + len(passed - bends) > MOST_BENDS:
            continue
        bends |= passed
        chains[edge] = [first, *sorted(passed, key=lambda bend: bend[2]), last]
    return chains


def _ordered(
    rows: list[list[Item]], above: Mapping[Item, list[Item]], below: Mapping[Item, list[Item]]
) -> list[list[Item]]:
    """The layers, with as few crossings as passes find that put each item at the mean of its neighbours' places."""
    best, fewest, idle = rows, crossings(rows, below), 0
    for number in range(_ORDERINGS):
        down = number % 2 == 0
        rows = [list(row) for row in rows]
        order = range(1, len(rows)) if down else range(len(rows) - 2, -1, -1)
        for index in order:
            places = {item: place for place, item in enumerate(rows[index - 1 if down else index + 1])}
            neighbours = above if down else below
            _sort(rows[index], neighbours, places)
        found = crossings(rows, below)
        if found < fewest:
            best, fewest, idle = rows, found, 0
        else:
            idle += 1
        if not fewest or idle > 6:
            break
    return best


def _sort(row: list[Item], neighbours: Mapping[Item, list[Item]], places: Mapping[Item, int]) -> None:
    """Sorts by the mean place of neighbours; an item without any keeps its place."""
    means = {
        item: sum(places[one] for one in neighbours[item]) / len(neighbours[item])
        for item in row
        if neighbours.get(item)
    }
    sorted_items = iter(sorted(means, key=lambda item: means[item]))
    row[:] = [next(sorted_items) if item in means else item for item in row]


def crossings(rows: Sequence[Sequence[Item]], below: Mapping[Item, Sequence[Item]]) -> int:
    """How many pairs of edges cross between neighbouring layers."""
    total = 0
    for upper, lower in itertools.pairwise(rows):
        places = {item: place for place, item in enumerate(lower)}
        seen: list[int] = []
        for item in upper:
            ends = sorted(places[one] for one in below.get(item, ()))
            total += sum(len(seen) - bisect.bisect_right(seen, end) for end in ends)
            for end in ends:
                bisect.insort(seen, end)
    return total


def _half(item: Item, sizes: Sizes) -> float:
    return sizes.across / 2 if isinstance(item, str) else 0.0


def _placed(
    rows: Sequence[Sequence[Item]],
    above: Mapping[Item, Sequence[Item]],
    below: Mapping[Item, Sequence[Item]],
    sizes: Sizes,
) -> dict[Item, float]:
    """Places across that make edges as straight as the order in the layers and the distances in them allow.

    What is made small is the sum of squares of how far edges go across. Layer by layer that has an exact answer, and
    as distances bind within layers only, passing over them again and again comes close to the best one.
    """
    across: dict[Item, float] = {}
    offsets: list[list[float]] = []  # of each item of a layer from its first, when they stand as close as they may
    for row in rows:
        steps = [0.0]
        for left, right in itertools.pairwise(row):
            room = sizes.beside if isinstance(left, str) and isinstance(right, str) else sizes.lane
            steps.append(steps[-1] + _half(left, sizes) + room + _half(right, sizes))
        offsets.append(steps)
        across.update({item: step - steps[-1] / 2 for item, step in zip(row, steps, strict=True)})
    for number in range(max(6, min(_PLACINGS, _MOVES // len(across)))):
        for index in range(len(rows)) if number % 2 == 0 else range(len(rows) - 1, -1, -1):
            row, steps = rows[index], offsets[index]
            wished, weights = [], []
            for item in row:
                total, weight = 1e-3 * across[item], 1e-3  # without neighbours, or between equals: stay
                for one in (*above.get(item, ()), *below.get(item, ())):
                    wish = _STRAIGHT[(not isinstance(item, str)) + (not isinstance(one, str))]
                    total, weight = total + wish * across[one], weight + wish
                wished.append(total / weight)
                weights.append(weight)
            starts = rising([wish - step for wish, step in zip(wished, steps, strict=True)], weights)
            across.update({item: start + step for item, start, step in zip(row, starts, steps, strict=True)})
    for row, steps in zip(rows, offsets, strict=True):
        _straighten(row, steps, above, across)
    least = min(across[row[0]] - _half(row[0], sizes) for row in rows)
    return {item: place - least for item, place in across.items()}


def _straighten(
    row: Sequence[Item], steps: Sequence[float], above: Mapping[Item, Sequence[Item]], across: dict[Item, float]
) -> None:
    """Puts bends right under the bends above them where there is room: a slight bend is worse than none."""
    for index, item in enumerate(row):
        upper = above.get(item, ())
        if isinstance(item, str) or len(upper) != 1 or isinstance(upper[0], str):
            continue
        wish = across[upper[0]]
        free_left = index == 0 or wish - across[row[index - 1]] >= steps[index] - steps[index - 1]
        last = index == len(row) - 1
        if free_left and (last or across[row[index + 1]] - wish >= steps[index + 1] - steps[index]):
            across[item] = wish


def rising(values: Sequence[float], weights: Sequence[float]) -> list[float]:
    """The never falling numbers that are nearest to given ones, by weighted squares (pool adjacent violators)."""
    blocks: list[tuple[float, float, int]] = []  # mean, weight, members
    for value, weight in zip(values, weights, strict=True):
        mean, heavy, members = value, weight, 1
        while blocks and blocks[-1][0] > mean:
            other, its_weight, its_members = blocks.pop()
            mean = (mean * heavy + other * its_weight) / (heavy + its_weight)
            heavy, members = heavy + its_weight, members + its_members
        blocks.append((mean, heavy, members))
    return [mean for mean, _, members in blocks for _ in range(members)]


def _ports(name: str, neighbours: Iterable[Item], across: Mapping[Item, float], sizes: Sizes) -> dict[Item, float]:
    """Where lines to neighbours meet a box's side: beside each other, in the neighbours' order."""
    ordered = sorted(neighbours, key=lambda item: (across[item], repr(item)))
    pitch = min(20.0, sizes.across * 0.7 / max(1, len(ordered) - 1))
    first = across[name] - pitch * (len(ordered) - 1) / 2
    return {item: first + index * pitch for index, item in enumerate(ordered)}
