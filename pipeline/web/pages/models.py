"""Model versions and the decisions about them."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping

from pipeline.core import shell
from pipeline.core.pipeline_root import Root
from pipeline.registry import listing, model_states
from pipeline.registry.listing import DecisionRow, ModelRow
from pipeline.registry.model_states import ModelState
from pipeline.web.pages.base import PageRequest, previous_start

ROWS = 50  # versions on a page
DECISIONS = 50  # newest decisions on the page


@dataclasses.dataclass(frozen=True)
class ModelsView:
    """The page.

    Attributes:
      root: the folder; empty for a store without a root, which has models but no versions.
      folder: the serving folder, with a folder for each version.
      served: None if no version is served, or its origin is unknown.
      unknown: the served version if its origin is unknown; else 0.
      models: the versions shown, highest first.
      total: number of versions.
      start, next, previous: as in the list of runs.
      decisions: newest first; decisions_cut: number of older ones that are not shown.
      commands: commands that serve another model, by purpose.
      begin: the command that pushes the first version.
      store: name of a store without a root; else empty.
      states: its models shown, newest first; `total` counts these.
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
    decisions: tuple[DecisionRow, ...]
    decisions_cut: int
    commands: Mapping[str, str]
    begin: str
    store: str
    states: tuple[ModelState, ...]


def build(request: PageRequest) -> ModelsView:
    """Read the versions."""
    start, limit, root = request.query.number("start"), request.rows or ROWS, request.root
    found = listing.Models((), ())
    if request.reader and root:
        found = listing.list_models(request.reader.store, root, request.reader.pipeline.headlines, start, limit)
    alone = model_states.ModelStates((), 0)
    if request.reader and not root:
        alone = model_states.list_states(request.reader.store, start, limit)
    total = found.total + alone.total
    return ModelsView(
        root=str(root.path) if root else "",
        folder=str(root.serving) if root else "",
        served=found.served,
        unknown=found.unknown,
        models=found.models,
        total=total,
        start=start,
        next=str(start + limit) if start + limit < total else "",
        previous=previous_start(start, limit),
        decisions=found.decisions[:DECISIONS],
        decisions_cut=max(0, len(found.decisions) - DECISIONS),
        commands=_commands(root, found) if root and found.total else {},
        begin=_begin(request, root) if root else "",
        store="" if root else request.store,
        states=alone.models,
    )


def _begin(request: PageRequest, root: Root) -> str:
    """Return the command of a run on the data set of the root."""
    dataset = root.dataset()
    options = request.reader.pipeline.data.run_options(dataset) if request.reader and dataset else ()
    return f"{request.selected.command} {shell.joined(('run', *options, '--root', str(root.path)))}"


def _commands(root: Root, found: listing.Models) -> Mapping[str, str]:
    rest = f'--reason "..." --root {shell.quoted(str(root.path))}'
    commands = {}
    if found.back_to:
        commands[f"roll back to the model of version {found.back_to}"] = f"sae rollback {rest}"
    commands["promote the blessed model of a run"] = f"sae promote RUN {rest}"
    return commands
