"""`/metrics`, for Prometheus: https://prometheus.io/docs/instrumenting/exposition_formats/."""

from __future__ import annotations

import shutil

import prometheus_client
from prometheus_client import CollectorRegistry, Gauge

from pipeline.inspection.views import RunState
from pipeline.web import health
from pipeline.web.pages.base import PageRequest
from pipeline.web.run_totals import RunTotalsCache

CONTENT_TYPE = prometheus_client.CONTENT_TYPE_LATEST


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
