"""The numbers of a store's runs by state, read again only if the store changed."""

from __future__ import annotations

import dataclasses
import sys
from collections import Counter
from collections.abc import Mapping

from pipeline.inspection.reader import Reader
from pipeline.inspection.views import RunState


@dataclasses.dataclass(frozen=True)
class RunTotals:
    """The runs of a store: their number by state, and when the last successful one ended, in Unix time."""

    by_state: Mapping[RunState, int]
    last_success: float | None


class RunTotalsCache:
    """Reads all runs of a store, and again only if the store changed or a run was running: that one may have died."""

    def __init__(self) -> None:
        self._read: tuple[object, RunTotals] | None = None

    def totals(self, reader: Reader | None) -> RunTotals:
        """Return the totals; threads may call this at the same time."""
        if reader is None:
            return RunTotals({}, None)
        known = self._read
        if known is not None and known[0] == reader.store_state:
            return known[1]
        runs = reader.runs(limit=sys.maxsize)[0]
        ends = [
            run.started.timestamp() + run.seconds
            for run in runs
            if run.state == RunState.SUCCEEDED and run.started and run.seconds is not None
        ]
        found = RunTotals(Counter(run.state for run in runs), max(ends, default=None))
        lasting = reader.store_state is not None and not found.by_state.get(RunState.RUNNING)
        self._read = (reader.store_state, found) if lasting else None
        return found
