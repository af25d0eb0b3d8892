"""`/metrics`, for Prometheus: https://prometheus.io/docs/instrumenting/exposition_formats/."""

from __future__ import annotations

import dataclasses
import shutil
import sys
from collections import Counter
from collections.abc import Mapping

import prometheus_client
from prometheus_client import CollectorRegistry, Gauge

from pipeline.inspection.reader import Reader
from pipeline.inspection.views import RunState
from pipeline.web import health
from pipeline.web.pages.base import PageRequest

CONTENT_TYPE = prometheus_client.CONTENT_TYPE_LATEST


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


def exposition(request: PageRequest, cache: RunTotalsCache) -> bytes:
    """Return the state of the runs, of the scheduler and of the disk as gauges; raise if the store cannot be read."""
    registry = CollectorRegistry()
    runs = cache.totals(request.reader)
    states = Gauge("sae_runs", "Runs in the store, by state.", ["state"], registry=registry)
    for state in RunState:
        states.labels(state.value).set(runs.by_state.get(state, 0))
    if runs.last_success is not None:
        name, meaning = "sae_last_success_timestamp_seconds", "When the last successful run ended, in Unix time."
        Gauge(name, meaning, registry=registry).set(runs.last_success)
    found = health.check(request)
    name, meaning = "sae_healthy", "1 if /health.json answers 200, else 0."
    Gauge(name, meaning, registry=registry).set(found.status == health.OK)
    if found.scheduler:
        running = found.scheduler.state not in ("stopped", "silent")
        Gauge("sae_daemon_up", "1 if the scheduler's daemon runs, else 0.", registry=registry).set(running)
        Gauge("sae_schedules", "Schedules that can be read.", registry=registry).set(found.scheduler.schedules)
        name, meaning = "sae_schedules_failing", "Schedules whose last ended tick failed or was missed."
        Gauge(name, meaning, registry=registry).set(len(found.scheduler.failing))
    if request.root and request.root.path.is_dir():
        disk = shutil.disk_usage(request.root.path)
        size = Gauge("sae_disk_bytes", "Of the file system of the root.", ["kind"], registry=registry)
        size.labels("free").set(disk.free)
        size.labels("total").set(disk.total)
    return prometheus_client.generate_latest(registry)
