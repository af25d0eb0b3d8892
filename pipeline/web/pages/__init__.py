"""The pages, one module each. A more specific path comes first."""

from pipeline.web.pages import artifact, artifacts, compare, lineage, models, node, run, runs, schedules, sweep, sweeps
from pipeline.web.pages.base import MovedError, Page, PageRequest, Query

ALL: tuple[Page, ...] = tuple(
    one.PAGE for one in (runs, node, run, compare, artifacts, lineage, artifact, models, schedules, sweep, sweeps)
)
__all__ = [
    "ALL", "MovedError", "Page", "PageRequest", "Query",
    "artifact", "artifacts", "compare", "lineage", "models", "node", "run", "runs", "schedules", "sweep",
    "sweeps",
]  # fmt: skip
