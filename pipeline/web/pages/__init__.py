"""The pages, one module each. A more specific path comes first."""

from pipeline.web.pages import artifact, artifacts, compare, lineage, models, node, run, runs, schedules
from pipeline.web.pages.base import MovedError, Page, PageRequest, Query

ALL: tuple[Page, ...] = (
    runs.PAGE,
    node.PAGE,
    run.PAGE,
    compare.PAGE,
    artifacts.PAGE,
    lineage.PAGE,
    artifact.PAGE,
    models.PAGE,
    schedules.PAGE,
)

__all__ = ["ALL", "MovedError", "Page", "PageRequest", "Query"]
