"""The command `sae`. Heavy imports sit inside the commands that need them."""

from __future__ import annotations

from pipeline.cli import configuration, keeping, reading, restoring, running, schedules, scheduling, serving
from pipeline.cli.entry import main
from pipeline.cli.group import sae

__all__ = [
    "configuration",
    "keeping",
    "main",
    "reading",
    "restoring",
    "running",
    "sae",
    "schedules",
    "scheduling",
    "serving",
]
