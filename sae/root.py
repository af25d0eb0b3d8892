"""Open a pipeline root to read its runs."""

from __future__ import annotations

import contextlib
import dataclasses
import os
import pathlib
from collections.abc import Iterable, Iterator, Sequence
from typing import SupportsIndex

from components.evaluation.metrics import shown
from pipeline.core import settings
from pipeline.core.errors import UsageError
from pipeline.core.pipeline_root import Root
from pipeline.core.suggestions import Selection
from pipeline.definition.spec import Pipeline, of_root
from pipeline.inspection import run_filter
from pipeline.inspection.locations import open_reader
from pipeline.inspection.reader import Reader
from pipeline.inspection.views import RunRow, RunState
from sae import errors
from sae.names import ByName
from sae.runs import RecordedRun, RunList

_ALL = 10**9


@dataclasses.dataclass(frozen=True)
class PipelineRoot:
    """A pipeline root with runs. Each call reads it anew, also while a run is in progress.

    Attributes:
      path: the folder, absolute.
      pipeline: the pipeline of its runs.
    """

    path: pathlib.Path
    pipeline: Pipeline = dataclasses.field(repr=False)

    def runs(
        self,
        limit: int | None = None,
        *,
        state: str | None = None,
        where: str | Sequence[str] = (),
        sort: str = "started",
        ascending: bool = False,
    ) -> RunList:
        """Return the runs, newest first.

        Args:
          limit: maximum number of runs; None: all.
          state: only runs in this state, such as `succeeded`.
          where: only runs for which these conditions hold, such as `model.l1<1e-3`, as for `sae runs --where`.
          sort: `started`, `seconds`, `id` or a metric of the list, such as `test_bce`; newest or largest first.
          ascending: oldest or smallest first: the best run first where less is better.

        Raises:
          UsageError: there is no such state or column, or a condition is none.
        """
        if limit is not None and not (isinstance(limit, SupportsIndex) and limit >= 1):
            raise UsageError(f"limit {limit!r} is not allowed: it must be a whole number, at least 1, or None for all")
        if not isinstance(sort, str):
            raise UsageError(f"sort {sort!r} is not allowed: give the name of a column, such as test_bce")
        states = [one.value for one in RunState]
        if state is not None and state not in states:
            raise UsageError(f"no state {state!r} (there are: {', '.join(states)})")
        given = [where] if isinstance(where, str) else list(where) if isinstance(where, Iterable) else [where]
        if not all(isinstance(one, str) for one in given):
            raise UsageError(f"where {where!r} is not allowed: give a condition, such as 'model.l1<1e-3', or several")
        with self.reader() as reader:
            rows, _ = reader.runs(
                limit=limit or _ALL,
                state=RunState(state) if state else None,
                where=run_filter.parse(given),
                sort=sort,
                ascending=ascending,
            )
        return RunList(tuple(map(self._named, rows)), shown(self.pipeline.columns, [row.metrics for row in rows]))

    def run(self, run: str = "latest") -> RecordedRun:
        """Return a run as it is now.

        Args:
          run: an id, its unique beginning, `latest` or `latest~1`.

        Raises:
          NotFoundError: there is no such run.
          UsageError: what is given is no text.
        """
        if not isinstance(run, str):
            raise UsageError(f"run {run!r} is not allowed: give an id, its unique beginning, 'latest' or 'latest~1'")
        with self.reader() as reader:
            found = reader.run(reader.find_run(run))
        nodes = tuple(dataclasses.replace(one, error=self._worded(one.error)) for one in found.nodes)
        row = dataclasses.replace(found.row, error=self._worded(found.row.error))
        return RecordedRun(self, dataclasses.replace(found, row=row, nodes=nodes))

    @contextlib.contextmanager
    def reader(self) -> Iterator[Reader]:
        """Yield a reader of ML Metadata. Commands that errors suggest name this root."""
        with self.completed_errors(), open_reader(self.pipeline, None, Root(self.path)) as reader:
            yield reader

    def completed_errors(self) -> contextlib.AbstractContextManager[None]:
        """Complete the commands that errors suggest, so that they select this root, and word the errors for Python."""
        return errors.worded(self._selection)

    @property
    def _selection(self) -> Selection:
        return Selection(self.pipeline.location, str(self.path))

    def _worded(self, recorded: str) -> str:
        return errors.text(self._selection, recorded)

    def _named(self, row: RunRow) -> RunRow:
        """Return a row whose metrics and settings say which names there are, with the error worded for Python."""
        of = f"run {row.id}"
        return dataclasses.replace(
            row,
            metrics=ByName(row.metrics, "metric", of),
            settings=ByName(row.settings, "setting", of),
            error=self._worded(row.error),
        )

    def _repr_html_(self) -> str:
        return self.runs(20)._repr_html_()


def open_root(root: str | os.PathLike[str] | None = None, *, pipeline: str = "") -> PipelineRoot:
    """Open a pipeline root to read its runs.

    Args:
      root: the folder; by default SAE_ROOT, or else `pipeline_root`, as for the command.
      pipeline: `MODULE:NAME` of another pipeline; by default SAE_PIPELINE, or else that of the root's runs.

    Raises:
      NotFoundError: there is no run in it.
      UsageError: the path is not allowed, or the runs are of another pipeline.
      UnavailableError: its store cannot be read.
    """
    with errors.worded(Selection()):
        found = locate(root)
    with errors.worded(Selection(pipeline, str(found.path))):
        opened = PipelineRoot(found.path, of_root(found, pipeline))
    with opened.reader():
        return opened


def locate(root: str | os.PathLike[str] | None) -> Root:
    """Return the root that is given, or else of SAE_ROOT, or else the default one. Raises `UsageError`."""
    resolved = settings.resolve(settings.Request(root=None if root is None else os.fspath(root)))
    return Root.at(pathlib.Path(resolved.config.paths.root))
