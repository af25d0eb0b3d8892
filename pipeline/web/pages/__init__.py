"""The pages, one module each. The more special a path, the earlier it comes."""

from pipeline.web.pages import artifact, artifacts, compare, lineage, models, node, run, runs, schedules
from pipeline.web.pages.base import Asked, MovedError, Page

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

__all__ = ["ALL", "Asked", "MovedError", "Page"]
