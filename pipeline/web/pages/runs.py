"""The list of runs."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Mapping, Sequence

from pipeline.core import shell
from pipeline.core.serialization import INLINE
from pipeline.inspection import run_filter
from pipeline.inspection.views import RunRow, RunState
from pipeline.web import formatting
from pipeline.web.charts.runs_chart import Panel, RunPoint, runs_chart
from pipeline.web.formatting import DeclaredMetrics
from pipeline.web.pages.base import Drawings, PageRequest, previous_start
from pipeline.web.urls import Links

ROWS = 50  # runs on a page
CHARTED = 250  # newest runs in the chart: more would overlap, and take long to read
_WIDTH = 1120  # pixels of the chart: a wide page in a card
_ORDERS = ("asc", "desc")


@dataclasses.dataclass(frozen=True)
class Charted:
    """A run in the chart."""

    id: str
    state: str
    started: str
    metrics: Mapping[str, float | None] = dataclasses.field(metadata={INLINE: True})


@dataclasses.dataclass(frozen=True)
class RunsView:
    """The page.

    Attributes:
      runs: the rows shown.
      states: that runs can be filtered by.
      pipelines: of the store, which runs can be filtered by; empty if there is only one.
      total: number of runs in the wanted state.
      start: number of runs before those shown.
      next: `start` of the next page; empty on the last.
      previous: `start` of the page before; None on the first.
      state, pipeline, where, sort, order: the filter and order.
      cells: `all` if each cell of a notebook's session is a run of its own.
      settings: names of the settings that differ between the runs shown, or that they are filtered or sorted by.
      empty: whether the store has no runs at all.
      command: starts a first run; empty for a store without a root.
      running: whether one of the runs shown is running.
      charted: runs in the chart, oldest first.
      left_out: those of the columns `dataset`, `trigger`, `metrics` and `blessed` that are empty for all runs of a
        store without a root.
      chart_cut: whether only the newest runs are in the chart.
      words: what people see in units in place of other words, such as `vector` for `image`.
    """

    runs: tuple[RunRow, ...]
    states: tuple[str, ...]
    pipelines: tuple[str, ...]
    total: int
    start: int
    next: str
    previous: str | None
    state: str
    pipeline: str
    where: str
    sort: str
    order: str
    empty: bool
    command: str
    running: bool
    charted: tuple[Charted, ...]
    chart_cut: bool
    left_out: tuple[str, ...] = ()
    settings: tuple[str, ...] = ()
    cells: str = ""
    words: Mapping[str, str] = dataclasses.field(default_factory=dict)

    @property
    def dataset(self) -> str:
        """The data set of the runs shown; empty if they have several or none."""
        found = {row.dataset for row in self.runs} - {""}
        return found.pop() if len(found) == 1 else ""

    @property
    def example(self) -> str:
        """A condition, to show how one is typed."""
        return run_filter.example(self.runs, self.settings)


def build(request: PageRequest) -> RunsView:
    """Read the runs."""
    states = tuple(one.value for one in RunState)
    state = request.query.one("state", states)
    sort = request.query.one("sort", default="started")
    where = ",".join(request.query.many("where"))
    conditions = run_filter.parse([where])
    pipeline = request.query.one("pipeline")
    cells = request.query.one("cells", ("all",))
    order = request.query.one("order", _ORDERS, "desc")
    start = request.query.number("start")
    command = f"{request.selected.command} run --root {shell.quoted(str(request.root.path))}" if request.root else ""
    if request.reader is None:
        return RunsView((), states, (), 0, 0, "", None, state, "", where, sort, order, True, command, False, (), False)
    limit = request.rows or ROWS
    pipelines = request.reader.pipelines()
    rows, page = request.reader.runs(
        limit=limit,
        start=start,
        state=RunState(state) if state else None,
        pipeline=pipeline,
        sort=sort,
        ascending=order == "asc",
        where=conditions,
        sessions=not cells,
    )
    newest, more = rows, False
    # Runs of other pipelines have nothing to chart, and each of them would have to be read.
    if any(_is_evaluated(row, request.metrics) for row in rows):
        newest, read = request.reader.runs(limit=CHARTED, pipeline=pipeline, where=conditions)
        more = bool(read.next)
    return RunsView(
        runs=tuple(rows),
        states=states,
        pipelines=tuple(pipelines) if len(pipelines) > 1 else (),
        total=page.total or 0,
        start=start,
        next=page.next,
        previous=previous_start(start, limit),
        state=state,
        pipeline=pipeline,
        where=where,
        sort=sort,
        order=order,
        empty=not (page.total or state or pipeline or where),
        command=command,
        running=any(row.state == RunState.RUNNING for row in rows),
        charted=tuple(_charted(newest, request.metrics)),
        chart_cut=more,
        left_out=tuple(request.reader.unrecorded_columns()) if request.root is None else (),
        settings=run_filter.differing_settings(rows, {sort, *(one.name for one in conditions)}),
        cells=cells,
        words=request.reader.words(newest[0].id) if newest else {},
    )


def _charted(rows: Sequence[RunRow], metrics: DeclaredMetrics) -> Iterator[Charted]:
    for row in reversed(rows):
        if _is_evaluated(row, metrics):
            yield Charted(row.id, row.state.value, formatting.moment(row.started), row.metrics)


def _is_evaluated(row: RunRow, metrics: DeclaredMetrics) -> bool:
    return any(row.metrics.get(one.run_key) is not None for one in metrics.all_columns)


def draw(view: RunsView, to: Links, metrics: DeclaredMetrics) -> Drawings:
    """Draw the chart, of at least two runs."""
    if len(view.charted) < 2:
        return {"history": None}
    columns = metrics.columns_of(view.charted)
    points = [
        RunPoint(one.id, [one.metrics.get(m.run_key) for m in columns], to.run(one.id), one.started, one.state)
        for one in view.charted
    ]
    panels = [
        Panel(
            formatting.run_metric_title(one, unit=True, replaced=view.words),
            formatting.in_sentence(formatting.run_metric_title(one)),
            one.largest,
        )
        for one in columns
    ]
    *names, last = [panel.name for panel in panels]
    title = formatting.capitalized(f"{', '.join(names)} and {last} over runs" if names else f"{last} over runs")
    return {"history": runs_chart(points, panels, title=title, width=_WIDTH)}
