"""`sae models`: a line for each version, and one for each decision."""

from __future__ import annotations

from collections.abc import Sequence

from components.evaluation.metrics import Metric, shown
from pipeline.core.text import short_digest, when_text
from pipeline.registry.listing import DecisionRow, ModelRow, Models
from pipeline.registry.model_states import ModelState
from pipeline.terminal.table import Cell, Column, Screen, state_cell, yes_no

_DECISIONS = (
    Column("when", drop=2),
    Column("decision"),
    Column("run", min_width=15),
    Column("by", drop=1),
    Column("reason", min_width=16),
)


def as_text(screen: Screen, found: Models, headlines: Sequence[Metric]) -> str:
    """Return versions and decisions as two tables."""
    listed = shown(headlines, [one.metrics for one in found.models])
    columns = (
        Column("version", right=True),
        Column("state"),
        Column("run", min_width=15),
        Column("pushed", drop=3),
        *(Column(one.column, right=True) for one in listed),
        Column("model", drop=2),
        Column("how", min_width=16, drop=1),
    )
    lines = screen.table(columns, [_version(one, listed) for one in found.models])
    if found.decisions:
        lines += ["", screen.heading("decisions, newest first")]
        lines += screen.table(_DECISIONS, [_decision(one) for one in found.decisions])
    return "\n".join(lines)


def states_text(screen: Screen, models: Sequence[ModelState]) -> str:
    """Return the models of a store without a root as a table."""
    columns = (
        Column("model", right=True),
        Column("run", min_width=15),
        Column("node", drop=3),
        Column("created", drop=4),
        Column("blessed", min_width=8),
        Column("pushed", min_width=16),
        Column("path", min_width=20, drop=5),
    )
    return "\n".join(screen.table(columns, [_state(one) for one in models]))


def _state(one: ModelState) -> list[Cell | str]:
    """Return a row; verdicts and pushes name their run if another one made the model."""
    verdict = yes_no(one.blessed)
    blessed = state_cell(verdict, verdict + _in(one.blessed_in, one.run))
    pushed = [f"{push.destination or push.version or 'yes'}{_in(push.run, one.run)}" for push in one.pushed]
    where = "; ".join(pushed) or ("no" if one.not_pushed else "")
    return [str(one.artifact), one.run, one.node, when_text(one.created)[:-3], blessed, where, one.uri]


def _in(run: str, own: str) -> str:
    return f" in run {run}" if run not in ("", own) else ""


def _version(one: ModelRow, listed: Sequence[Metric]) -> list[Cell | str]:
    marks = [one.state.value, *(["rolled back"] if one.withdrawn else []), *(["pinned"] if one.pinned else [])]
    state = ", ".join(marks)
    return [
        str(one.version),
        Cell(state, "yellow") if one.withdrawn else state_cell(one.state.value, state),
        one.run,
        when_text(one.pushed)[:-3],
        *(metric.text(one.metrics[metric.run_key]) for metric in listed),
        short_digest(one.model),
        f"{one.how}{f' by {one.who}' if one.who else ''}{f': {one.reason}' if one.reason else ''}",
    ]


def _decision(one: DecisionRow) -> list[Cell | str]:
    why = f": {one.cancelled}" if one.cancelled else " yet" if one.open else ""
    what = one.what if one.carried_out else f"{one.what} (not carried out{why})"
    return [when_text(one.when)[:-3], what, one.run, one.who, one.reason]
