"""What is planned, and what came of it."""

from __future__ import annotations

import dataclasses

from pipeline.web.pages.base import Asked, Page


@dataclasses.dataclass(frozen=True)
class SchedulesView:
    """The page. `schedules`: none yet: nothing can be planned so far."""

    schedules: tuple[str, ...] = ()


def build(asked: Asked) -> SchedulesView:
    """There is nothing to read."""
    del asked
    return SchedulesView()


PAGE = Page("schedules", "/schedules", build)
