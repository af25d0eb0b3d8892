"""`sae models`: a line for each version, and one for each decision."""

from __future__ import annotations

from components.evaluation.metrics import BCE
from pipeline.core.text import short_digest, when_text
from pipeline.registry.listing import Decided, ModelRow, Models
from pipeline.terminal.table import Cell, Column, Screen

_VERSIONS = (
    Column("version", right=True),
    Column("state"),
    Column("run", min_width=15),
    Column("pushed", drop=3),
    Column(BCE.column, right=True),
    Column("model", drop=2),
    Column("how", min_width=16, drop=1),
)
_DECISIONS = (
    Column("when", drop=2),
    Column("decision"),
    Column("run", min_width=15),
    Column("by", drop=1),
    Column("reason", min_width=16),
)
_STYLES = {"served": "green", "deleted": "dim"}


def as_text(screen: Screen, found: Models) -> str:
    """Return versions and decisions as two tables."""
    lines = screen.table(_VERSIONS, [_version(one) for one in found.models])
    if found.decisions:
        lines += ["", screen.heading("decisions, newest first")]
        lines += screen.table(_DECISIONS, [_decision(one) for one in found.decisions])
    return "\n".join(lines)


def _version(one: ModelRow) -> list[Cell | str]:
    marks = [one.state.value, *(["rolled back"] if one.withdrawn else []), *(["pinned"] if one.pinned else [])]
    style = "yellow" if one.withdrawn else _STYLES.get(one.state.value, "")
    return [
        str(one.version),
        Cell(", ".join(marks), style),
        one.run,
        when_text(one.pushed)[:-3],
        BCE.text(one.test_bce),
        short_digest(one.model),
        f"{one.how}{f' by {one.who}' if one.who else ''}{f': {one.reason}' if one.reason else ''}",
    ]


def _decision(one: Decided) -> list[Cell | str]:
    what = one.what if one.carried_out else f"{one.what} (not carried out)"
    return [when_text(one.when)[:-3], what, one.run, one.who, one.reason]
