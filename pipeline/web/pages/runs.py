"""The list of runs."""

from __future__ import annotations

import dataclasses
import shlex

from pipeline.inspection.reader import RUN_COLUMNS
from pipeline.inspection.views import RunRow, RunState
from pipeline.web import charts, formatting
from pipeline.web.pages.base import Asked, Drawings, Page
from pipeline.web.urls import Links

ROWS = 50  # runs on a page
CHARTED = 250  # newest runs in the chart: more of them would be dots on dots, and long to read
_WIDTH = 1120  # pixels, of the chart: a wide page in a card
_ORDERS = ("asc", "desc")
_PANELS = (
    charts.Panel("Test BCE, nats per pixel", "test BCE"),
    charts.Panel("Active units per image", "active units"),
)


@dataclasses.dataclass(frozen=True)
class Charted:
    """A run in the chart."""

    id: str
    state: str
    started: str
    test_bce: float | None
    active_units: float | None


@dataclasses.dataclass(frozen=True)
class RunsView:
    """The page.

    Attributes:
      runs: the rows shown.
      total: how many there are, of the state that was asked for.
      start: how many come before those shown.
      next: `start` of the next page; empty on the last.
      previous: of the one before; None on the first.
      state, sort, order: as asked for.
      empty: whether the store has no run at all.
      command: fills an empty root; empty for a store without one.
      running: whether one of those shown is in progress.
      charted: for the chart, the oldest first.
      chart_cut: whether only the newest runs are in the chart.
    """

    runs: tuple[RunRow, ...]
    total: int
    start: int
    next: str
    previous: str | None
    state: str
    sort: str
    order: str
    empty: bool
    command: str
    running: bool
    charted: tuple[Charted, ...]
    chart_cut: bool


def build(asked: Asked) -> RunsView:
    """Reads the runs."""
    state = asked.query.one("state", [one.value for one in RunState])
    sort = asked.query.one("sort", RUN_COLUMNS, "started")
    order = asked.query.one("order", _ORDERS, "desc")
    start = asked.query.number("start")
    command = f"sae run --root {shlex.quote(str(asked.root.path))}" if asked.root else ""
    if asked.reader is None:
        return RunsView((), 0, 0, "", None, state, sort, order, True, command, False, (), False)
    limit = asked.rows or ROWS
    wanted = RunState(state) if state else None
    rows, page = asked.reader.runs(limit=limit, start=start, state=wanted, sort=sort, ascending=order == "asc")
    charted, more = rows, False
    # Runs of other pipelines have nothing to chart, and every one of them would have to be looked at.
    if any(row.test_bce is not None for row in rows):
        charted, newest = asked.reader.runs(limit=CHARTED)
        more = bool(newest.next)
    return RunsView(
        runs=tuple(rows),
        total=page.total or 0,
        start=start,
        next=page.next,
        previous=str(max(0, start - limit)) if start else None,
        state=state,
        sort=sort,
        order=order,
        empty=not (page.total or state),
        command=command,
        running=any(row.state == RunState.RUNNING for row in rows),
        charted=tuple(
            Charted(row.id, row.state.value, formatting.moment(row.started), row.test_bce, row.active_units)
            for row in reversed(charted)
            if row.test_bce is not None or row.active_units is not None
        ),
        chart_cut=more,
    )


def draw(view: RunsView, to: Links) -> Drawings:
    """The chart; none for fewer than two runs."""
    points = [
        charts.RunPoint(one.id, (one.test_bce, one.active_units), to.run(one.id), one.started, one.state)
        for one in view.charted
    ]
    title = "Test BCE and active units over runs"
    return {"history": charts.runs_chart(points, _PANELS, title=title, width=_WIDTH) if len(points) > 1 else None}


PAGE = Page("runs", "/", build, draw)
