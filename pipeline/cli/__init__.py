"""The command `sae`. Heavy imports sit inside the commands that need them."""

from __future__ import annotations

from pipeline.cli import config, inspect, models, restore, run, schedule, schedule_read, serve
from pipeline.cli.entry import main
from pipeline.cli.group import sae

__all__ = ["config", "inspect", "main", "models", "restore", "run", "sae", "schedule", "schedule_read", "serve"]
