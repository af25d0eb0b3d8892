"""The list of artifacts."""

from __future__ import annotations

import dataclasses

from pipeline.inspection.views import ArtifactRow
from pipeline.web.pages.base import Asked, Page, run_named

ROWS = 50  # artifacts on a page; to find who made one takes a look-up of its own


@dataclasses.dataclass(frozen=True)
class ArtifactsView:
    """The page.

    Attributes:
      artifacts: the rows shown, the newest first.
      total: how many there are; None where they were not counted.
      start, next, previous: as of the list of runs.
      type, node, run: as asked for.
      types, nodes: what can be asked for.
      empty: whether the store has no artifact at all.
    """

    artifacts: tuple[ArtifactRow, ...]
    total: int | None
    start: int
    next: str
    previous: str | None
    type: str
    node: str
    run: str
    types: tuple[str, ...]
    nodes: tuple[str, ...]
    empty: bool


def build(asked: Asked) -> ArtifactsView:
    """Reads the artifacts."""
    query, reader = asked.query, asked.reader
    type_name, node, run, start = query.one("type"), query.one("node"), query.one("run"), query.number("start")
    if reader is None:
        return ArtifactsView((), 0, 0, "", None, "", "", "", (), (), True)
    run_id = run_named(reader, run).row.id if run else ""
    limit = asked.rows or ROWS
    rows, page = reader.artifacts(limit=limit, start=start, type_name=type_name, node=node, run_id=run_id)
    return ArtifactsView(
        artifacts=tuple(rows),
        total=page.total,
        start=start,
        next=page.next,
        previous=str(max(0, start - limit)) if start else None,
        type=type_name,
        node=node,
        run=run_id,
        types=tuple(reader.artifact_types()),
        nodes=tuple(reader.node_names()),
        empty=not rows and not (start or type_name or node or run_id),
    )


PAGE = Page("artifacts", "/artifacts", build)
