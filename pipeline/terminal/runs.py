"""`sae runs`: a line for each run."""

from __future__ import annotations

import csv
import dataclasses
import io
from collections.abc import Collection, Sequence

from components.evaluation.metrics import Metric, shown
from pipeline.core.root_lock import Holder
from pipeline.core.serialization import jsonable
from pipeline.core.text import counted, seconds_text, when_text
from pipeline.inspection import run_filter
from pipeline.inspection.views import Continuation, RunRow, RunState, SessionRow
from pipeline.scheduler import run_trigger
from pipeline.terminal.table import Cell, Column, Screen, state_cell, yes_no

_BEFORE = (
    Column("run", min_width=15),
    Column("pipeline", min_width=8, drop=5),
    Column("state"),
    Column("started", drop=6),
    Column("time", right=True, drop=4),
    Column("cells", right=True, drop=4),
    Column("components", min_width=16, drop=4),
    Column("data set", drop=7),
    Column("trigger", drop=8),
)
_AFTER = (
    Column("blessed", drop=2),
    Column("tags", min_width=8, drop=2),
    Column("note", min_width=16, drop=8),
    Column("executed", right=True, drop=3),
    Column("cached", right=True, drop=3),
    Column("skipped", right=True, drop=3),
    Column("error", min_width=16, drop=9),
)


def as_text(
    screen: Screen,
    rows: Sequence[RunRow],
    metrics: Sequence[Metric],
    several: bool = False,
    named: Collection[str] = (),
) -> str:
    """Return the runs as a table, with a column for each metric that they need and each setting in which they differ.

    Args:
      screen: to fit the text to.
      rows: the runs.
      metrics: that the pipeline declares.
      several: whether the store has several pipelines.
      named: settings and metrics that are columns in any case: those that the runs were filtered and sorted by.
    """
    several = several or len({row.pipeline for row in rows}) > 1
    needed = shown([one for one in metrics if one.column], [row.metrics for row in rows])
    metrics = [one for one in metrics if one in needed or one.run_key in named]
    columns = [Column(one.column or one.label, right=True, drop=min(place, 1)) for place, one in enumerate(metrics)]
    settings = run_filter.differing_settings(rows, named)
    columns += [
        Column(title, right=True, drop=1 if name in named else 2) for name, title in run_filter.titles(settings).items()
    ]
    cells = [_cells(row, several, metrics, settings) for row in rows]
    return "\n".join(screen.table((*_BEFORE, *columns, *_AFTER), cells))


def as_csv(rows: Sequence[RunRow]) -> str:
    """Return the runs as CSV with a header: fields, metrics and settings by their names, numbers with all digits."""
    metrics = dict.fromkeys(name for row in rows for name in row.metrics)
    settings = dict.fromkeys(name for row in rows for name in row.settings)
    fields = [one.name for one in dataclasses.fields(RunRow) if one.name not in ("metrics", "settings")]
    file = io.StringIO()
    writer = csv.writer(file, lineterminator="\n")
    writer.writerow([*fields, *metrics, *settings])
    for row in rows:
        values = [jsonable(getattr(row, name)) for name in fields]
        values += [*map(row.metrics.get, metrics), *map(row.settings.get, settings)]
        writer.writerow(map(run_filter.setting_text, values))
    return file.getvalue().rstrip("\n")


def _cells(row: RunRow, several: bool, metrics: Sequence[Metric], settings: Sequence[str]) -> list[Cell | str]:
    session = row.session if isinstance(row, SessionRow) else None
    return [
        row.id,
        row.pipeline if several else "",
        state_cell(row.state.value),
        when_text(row.started)[:-3],
        seconds_text(row.seconds),
        *((str(len(session.runs)), ", ".join(session.components)) if session else ("", "")),
        row.dataset,
        run_trigger.short(row.trigger),
        *(one.text(row.metrics.get(one.run_key)) for one in metrics),
        *(run_filter.short_setting(row.settings.get(name)) for name in settings),
        state_cell(yes_no(row.blessed)),
        ", ".join(row.tags),
        row.note,
        "" if row.executed is None else str(row.executed),
        "" if row.cached is None else str(row.cached),
        str(row.skipped) if row.skipped else "",
        row.error,
    ]


def sessions_note(rows: Sequence[RunRow]) -> str:
    """Return a note on the cells that are not listed; empty for no sessions."""
    sessions = [row.session for row in rows if isinstance(row, SessionRow)]
    if not sessions:
        return ""
    cells = counted(sum(len(one.runs) for one in sessions), "cell")
    return f"{cells} in {counted(len(sessions), 'session')} of notebooks; --cells lists each as a run"


def starting_note(holder: Holder | None) -> str:
    """Return a note on the run that a process starts, which is not listed yet; empty for None."""
    return "" if holder is None else f"a run is starting and not listed yet: {holder}"


def note(
    shown: int,
    page: Continuation,
    state: RunState | None,
    place: str,
    is_alone: bool = False,
    is_filtered: bool = False,
) -> str:
    """Return a note on how many more runs there are, or why there is none.

    Args:
      shown: how many are listed.
      page: where the list ends.
      state: of the runs that were asked for; None: any.
      place: the root or store.
      is_alone: whether the store belongs to no pipeline root.
      is_filtered: whether conditions were given.
    """
    if shown == 0:
        if is_filtered:
            return "no run fulfils the conditions: `sae runs` lists all runs"
        if state is not None:
            return f"no run is {state.value}: `sae runs` lists all runs"
        return f"no run in {place}" + ("" if is_alone else ": `sae run` starts the first one")
    if page.next and page.total is not None:
        return f"{shown} of {page.total:,} runs; --limit {page.total} shows all"
    return ""
