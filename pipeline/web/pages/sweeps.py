"""The list of sweeps."""

from __future__ import annotations

import dataclasses

from pipeline.core import shell
from pipeline.sweeps import results
from pipeline.sweeps.views import SweepRow
from pipeline.web.pages.base import PageRequest


@dataclasses.dataclass(frozen=True)
class SweepsView:
    """The page.

    Attributes:
      root: the folder; empty for a store without a root, which has no sweeps.
      sweeps: the one that started last first.
      damaged: why sweeps are left out.
      begin: the command that runs a first sweep.
    """

    root: str
    sweeps: tuple[SweepRow, ...]
    begin: str
    damaged: tuple[str, ...] = ()


def build(request: PageRequest) -> SweepsView:
    """Read the sweeps."""
    root = request.root
    if root is None:
        return SweepsView("", (), "")
    damaged: list[str] = []
    found = results.rows(root, request.pipeline, request.reader, damaged.append)
    command = shell.joined(("sweep", "run", "NAME", "--over", "SETTING=VALUE,VALUE", "--root", str(root.path)))
    return SweepsView(str(root.path), tuple(found), f"{request.selected.command} {command}", tuple(damaged))
