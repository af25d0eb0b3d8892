"""The list of artifacts."""

from __future__ import annotations

import dataclasses

from pipeline.inspection.views import ARTIFACT_STATES, ArtifactRow
from pipeline.web.pages.base import PageRequest, previous_start, run_named

ROWS = 50  # artifacts on a page; the producer of each takes a look-up of its own


@dataclasses.dataclass(frozen=True)
class ArtifactsView:
    """The page.

    Attributes:
      artifacts: the rows shown, newest first.
      total: number of artifacts; None if they were not counted.
      start, next, previous: as in the list of runs.
      unfinished: number of artifacts that match but are left out, because they never came to be.
      type, node, run, state: the filter.
      types, nodes, states: values that the filter may have.
      empty: whether the store has no artifacts at all.
    """

    artifacts: tuple[ArtifactRow, ...]
    total: int | None
    start: int
    next: str
    previous: str | None
    unfinished: int
    type: str
    node: str
    run: str
    state: str
    types: tuple[str, ...]
    nodes: tuple[str, ...]
    states: tuple[str, ...]
    empty: bool


def build(request: PageRequest) -> ArtifactsView:
    """Read the artifacts."""
    query, reader = request.query, request.reader
    type_name, node, run, start = query.one("type"), query.one("node"), query.one("run"), query.number("start")
    state = query.one("state", ARTIFACT_STATES)
    if reader is None:
        return ArtifactsView((), 0, 0, "", None, 0, "", "", "", "", (), (), ARTIFACT_STATES, True)
    run_id = run_named(reader, run).row.id if run else ""
    limit = request.rows or ROWS
    rows, page = reader.artifacts(limit=limit, start=start, type_name=type_name, node=node, run_id=run_id, state=state)
    return ArtifactsView(
        artifacts=tuple(rows),
        total=page.total,
        start=start,
        next=page.next,
        previous=previous_start(start, limit),
        unfinished=page.unfinished,
        type=type_name,
        node=node,
        run=run_id,
        state=state,
        types=tuple(reader.store.artifact_types()),
        nodes=tuple(reader.node_names()),
        states=ARTIFACT_STATES,
        empty=not rows and not (start or type_name or node or run_id or state),
    )
