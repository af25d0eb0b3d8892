"""The command `sae`. `group.py` lists its commands; the module of a command is imported when the command is called."""

from __future__ import annotations

from pipeline.cli.entry import main
from pipeline.cli.group import sae

__all__ = ["main", "sae"]
