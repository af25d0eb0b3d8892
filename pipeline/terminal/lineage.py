"""`sae lineage ID`: the artifacts upstream and downstream of an artifact, as two trees.

The graph is no tree: many nodes read Examples. Each artifact is followed once, where it first appears, and marked
`(see above)` later.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator

from pipeline.core.text import escaped
from pipeline.inspection.lineage import Lineage, Step
from pipeline.inspection.views import ArtifactRow
from pipeline.metadata import properties
from pipeline.terminal.table import Screen


@dataclasses.dataclass(frozen=True)
class _Twig:
    """An artifact, or an execution without outputs; `of`: the id of the artifact."""

    text: str
    of: int = 0


def as_text(screen: Screen, lineage: Lineage) -> str:
    """Return both trees."""
    center = lineage.artifacts[lineage.center]
    lines = [screen.heading(_name(center)), ""]
    upstream, downstream = _Tree(screen, lineage, up=True), _Tree(screen, lineage, up=False)
    lines += [
        "upstream",
        *(list(upstream.lines()) or ["  nothing: it was imported, or its node has no inputs in this store"]),
    ]
    lines += ["", "downstream", *(list(downstream.lines()) or ["  nothing in this store"])]
    if lineage.cut:
        lines += ["", "the lineage is longer than is shown here"]
    return "\n".join(lines)


class _Tree:
    """One direction from the center."""

    def __init__(self, screen: Screen, lineage: Lineage, up: bool) -> None:
        self._screen = screen
        self._lineage = lineage
        self._up = up
        self._followed = {lineage.center}

    def lines(self) -> Iterator[str]:
        # A stack of its own: a lineage may be deeper than Python lets functions call each other.
        waiting = [self._twigs(self._lineage.center, "")]
        while waiting:
            found = next(waiting[-1], None)
            if found is None:
                waiting.pop()
                continue
            line, twig, inner = found
            again = twig.of in self._followed
            more = twig.of and any(True for _ in self._next(twig.of))
            yield line + (self._screen.styled("  (see above)", "dim") if again and more else "")
            if twig.of and not again:
                self._followed.add(twig.of)
                waiting.append(self._twigs(twig.of, inner))

    def _twigs(self, artifact: int, indent: str) -> Iterator[tuple[str, _Twig, str]]:
        """Yield the line of each twig, the twig, and the indent of its own twigs."""
        found = list(self._next(artifact))
        fork, last, bar = ("├─ ", "└─ ", "│  ") if self._screen.unicode else ("|- ", "`- ", "|  ")
        for number, twig in enumerate(found):
            ends = number == len(found) - 1
            text = twig.text
            if self._screen.width:
                text = self._screen.cut(text, max(self._screen.width - len(indent) - len(fork), 1))
            yield indent + (last if ends else fork) + text, twig, indent + ("   " if ends else bar)

    def _next(self, artifact: int) -> Iterator[_Twig]:
        rows = self._lineage.artifacts
        if self._up:
            for step in self._lineage.up:
                if artifact in step.outputs:
                    yield from (_Twig(_name(rows[number]), number) for number in step.inputs)
            return
        for step in self._lineage.down:
            if artifact in step.inputs:
                yield from (_Twig(_name(rows[number]), number) for number in step.outputs)
                if not step.outputs:
                    yield _Twig(_step_name(step))


def _name(row: ArtifactRow) -> str:
    """Return `Model 7, model of Trainer, run 20261123-143005`, with its state where it cannot be used."""
    maker = row.node or row.command or "a node without a name"
    run = f", run {row.run}" if row.run else ""
    origin = f", {row.key or 'output'} of {maker}{run}" if row.node or row.run or row.command else ""
    if row.removed:
        return escaped(f"artifact {row.id}, removed{origin}")
    unusable = f" ({row.unusable})" if row.unusable else ""
    return escaped(f"{row.type} {row.id}{f' {row.name!r}' if row.name else ''}{origin}{unusable}")


def _step_name(step: Step) -> str:
    return escaped(f"{step.node or properties.command_of(step.type) or step.type}, run {step.run} (no outputs)")
