"""`sae artifacts`: a line for each artifact."""

from __future__ import annotations

from collections.abc import Sequence

from pipeline.core.text import short_digest, when_text
from pipeline.inspection.views import ArtifactRow, Continuation
from pipeline.terminal.table import Cell, Column, Screen

_COLUMNS = (
    Column("id", right=True),
    Column("type"),
    Column("node", drop=1),
    Column("output", drop=3),
    Column("run", min_width=15, drop=2),
    Column("created", drop=6),
    Column("state", drop=4),
    Column("name", min_width=8, drop=7),
    Column("content", min_width=16, drop=5),
    Column("path", min_width=20, drop=8),
)


def as_text(screen: Screen, rows: Sequence[ArtifactRow]) -> str:
    """Return the artifacts as a table; empty for no artifacts."""
    return "\n".join(screen.table(_COLUMNS, [_cells(row) for row in rows])) if rows else ""


def _cells(row: ArtifactRow) -> list[Cell | str]:
    created = when_text(row.created)[:-3]
    return [
        str(row.id),
        row.type,
        row.node,
        row.key,
        row.run,
        created,
        Cell(row.unusable, "yellow"),
        row.name,
        short_digest(row.content, with_type=True),
        row.uri,
    ]


def note(shown: int, page: Continuation, asked: str, place: str) -> str:
    """Return a note on how many more artifacts there are, or why there is none.

    Args:
      shown: how many are listed.
      page: where the list ends.
      asked: the options that filter artifacts, as typed; empty without filters.
      place: the root or store.
    """
    if shown == 0:
        return f"no artifact with {asked}" if asked else f"no artifact in {place}: `sae run` makes the first ones"
    if not page.next:
        return ""
    if page.total is None:
        return f"the newest {shown} artifacts; --limit {shown * 10} shows more"
    return f"{shown} of {page.total:,} artifacts; --limit {page.total} shows all"
