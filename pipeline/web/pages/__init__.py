"""The pages, one module each, with a function `build`, and a function `draw` if it has charts.

A module is imported when its page is first asked for, so that a server starts quickly.
"""

from __future__ import annotations

import importlib

from pipeline.web.pages.base import MovedError, Page, PageRequest, Query

# The route of each page, by the name of its module. A more specific path comes first.
PATHS = {
    "runs": "/",
    "node": "/runs/{run:name}/nodes/{node:name}",
    "run": "/runs/{run:name}",
    "compare": "/compare",
    "artifacts": "/artifacts",
    "lineage": "/artifacts/{artifact:name}/lineage",
    "artifact": "/artifacts/{artifact:name}",
    "models": "/models",
    "schedules": "/schedules",
    "sweep": "/sweeps/{sweep:name}",
    "sweeps": "/sweeps",
}


def named(name: str) -> Page:
    """Return the page of a module, one of `PATHS`."""
    module = importlib.import_module(f"{__name__}.{name}")
    return Page(name, module.build, getattr(module, "draw", lambda view, to, metrics: {}))


__all__ = ["PATHS", "MovedError", "Page", "PageRequest", "Query", "named"]
