"""Versions that were pushed, which is served, and who decided it."""

from __future__ import annotations

import dataclasses
import shlex
from collections.abc import Mapping

from pipeline.core.pipeline_root import Root
from pipeline.registry import listing
from pipeline.registry.listing import Decided, ModelRow
from pipeline.web.pages.base import Asked, Page

ROWS = 50  # versions on a page
DECISIONS = 50  # shown of them, the newest; they are typed by hand, so there are few


@dataclasses.dataclass(frozen=True)
class ModelsView:
    """The page.

    Attributes:
      root: the folder; empty for a store alone, which has no versions.
      folder: the versions' own, which a server is pointed at.
      served: None where nothing is, or nothing says what.
      unknown: the version that a server takes, where nothing says who pushed it; 0 where that is known, or is none.
      models: the versions shown, the highest first.
      total: how many there are.
      start, next, previous: as of the list of runs.
      decisions: the newest first; decisions_cut: how many older ones are not shown.
      commands: how another model is served, by what they do.
      begin: the command that pushes the first version.
    """

    root: str
    folder: str
    served: ModelRow | None
    unknown: int
    models: tuple[ModelRow, ...]
    total: int
    start: int
    next: str
    previous: str | None
    decisions: tuple[Decided, ...]
    decisions_cut: int
    commands: Mapping[str, str]
    begin: str


def build(asked: Asked) -> ModelsView:
    """Reads the versions."""
    start, limit, root = asked.query.number("start"), asked.rows or ROWS, asked.root
    found = listing.Models((), ())
    if asked.reader and root:
        found = listing.of_store(asked.reader.store, root, start, limit)
    return ModelsView(
        root=str(root.path) if root else "",
        folder=str(root.serving) if root else "",
        served=found.served,
        unknown=found.unknown,
        models=found.models,
        total=found.total,
        start=start,
        next=str(start + limit) if start + limit < found.total else "",
        previous=str(max(0, start - limit)) if start else None,
        decisions=found.decisions[:DECISIONS],
        decisions_cut=max(0, len(found.decisions) - DECISIONS),
        commands=_commands(root, found) if root and found.total else {},
        begin=f"sae run --root {shlex.quote(str(root.path))}" if root else "",
    )


def _commands(root: Root, found: listing.Models) -> Mapping[str, str]:
    rest = f'--reason "..." --root {shlex.quote(str(root.path))}'
    commands = {}
    if found.back_to:
        commands[f"serve the model of version {found.back_to} again, and withdraw the served one"] = (
            f"sae rollback {rest}"
        )
    commands["serve the blessed model of any run, by its id"] = f"sae promote RUN {rest}"
    return commands


PAGE = Page("models", "/models", build)
