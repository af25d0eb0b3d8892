"""Group the cells of a notebook into sessions.

TFX's InteractiveContext makes a run of each cell, with one component in a context of the type `component_run`; the id
of the run ends in the local time. Other classic runners name runs in the same way, but runs of theirs with one node are
of one component: the pipeline's first node failed, or there is no other.
"""

from __future__ import annotations

import dataclasses
import datetime
import re
from collections.abc import Sequence

from pipeline.inspection.views import NotebookCell, RunRow, RunState, Session, SessionRow
from pipeline.metadata.store import Store
from pipeline.metadata.types import RunContext

_TIME = re.compile(r"(?:^|\.)([0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}(?:\.[0-9]{6})?)\Z")
_UNNAMED = "interactive-"  # start of the name that a notebook's pipeline has if its author gives none
_LONGEST_PAUSE = datetime.timedelta(hours=8)  # between the starts of two cells of a session: no night
_NOT_DONE = (RunState.RUNNING, RunState.FAILED, RunState.CANCELLED, RunState.UNFINISHED)  # the worst first


@dataclasses.dataclass(frozen=True)
class CellGroup:
    """One row of a list: a run, or the cells of a session, newest first, with the component of each cell."""

    contexts: tuple[RunContext, ...]
    components: tuple[str, ...] = ()


def grouped(store: Store, contexts: Sequence[RunContext]) -> list[CellGroup]:
    """Return a group for each session, at the place of its newest cell, and one for each other run.

    Args:
      store: of the runs.
      contexts: of runs, newest first.
    """
    times = {one.id: when for one in contexts if (when := _time_of(one.name))}
    components = {one.id: store.node_contexts(one.name) for one in contexts if one.id in times}
    component = {number: nodes[0].node for number, nodes in components.items() if len(nodes) == 1}
    by_pipeline: dict[str, list[RunContext]] = {}
    for one in contexts:
        if one.id in component:
            by_pipeline.setdefault(store.pipeline_of_run(one), []).append(one)
    groups: dict[int, list[RunContext]] = {}  # by the newest cell
    for pipeline, cells in by_pipeline.items():
        if len({component[one.id] for one in cells}) == 1 and not pipeline.startswith(_UNNAMED):
            continue
        cells.sort(key=lambda one: times[one.id], reverse=True)
        newest = cells[0]
        for later, one in zip([newest, *cells], cells, strict=False):
            if times[later.id] - times[one.id] > _LONGEST_PAUSE:
                newest = one
            groups.setdefault(newest.id, []).append(one)
    sessions = {newest: found for newest, found in groups.items() if len(found) > 1}
    inside = {one.id for found in sessions.values() for one in found}
    return [
        CellGroup(tuple(cells), tuple(component[cell.id] for cell in cells))
        if (cells := sessions.get(one.id, []))
        else CellGroup((one,))
        for one in contexts
        if one.id in sessions or one.id not in inside
    ]


def row_of(group: CellGroup, rows: Sequence[RunRow]) -> RunRow:
    """Return the row of a list for a group.

    Args:
      group: a run, or a session.
      rows: of its runs, in the same order.
    """
    newest = rows[0]
    if not group.components:
        return newest
    last: dict[str, RunRow] = {}  # cell of each component
    for component, row in zip(group.components, rows, strict=True):
        last.setdefault(component, row)
    state = next((one for one in _NOT_DONE if one in {row.state for row in last.values()}), RunState.SUCCEEDED)
    errors = ((component, row.error) for component, row in last.items() if row.state == state)
    error = next((_error(component, error) for component, error in errors if error), "")
    started = min((row.started for row in rows if row.started), default=None)
    ends = [row.started + datetime.timedelta(seconds=row.seconds or 0) for row in rows if row.started]
    return SessionRow(
        id=newest.id,
        pipeline=newest.pipeline,
        state=state,
        started=started,
        seconds=(max(ends) - started).total_seconds() if started else None,
        metrics=newest.metrics,
        executed=sum(row.executed or 0 for row in rows),
        cached=sum(row.cached or 0 for row in rows),
        error=error,
        skipped=sum(row.skipped or 0 for row in rows) or None,
        tags=tuple(sorted({tag for row in rows for tag in row.tags})),
        session=Session(
            components=tuple(dict.fromkeys(reversed(group.components))),
            runs=tuple(
                NotebookCell(**vars(row), component=component)
                for row, component in zip(rows, group.components, strict=True)
            ),
        ),
    )


def _error(component: str, error: str) -> str:
    return error if error.startswith(f"{component}: ") else f"{component}: {error}"


def _time_of(run_id: str) -> datetime.datetime | None:
    """Return the time in which the id of a run ends; None if it ends in none."""
    match = _TIME.search(run_id)
    try:
        return datetime.datetime.fromisoformat(match.group(1)) if match else None
    except ValueError:  # such as hour 25
        return None
