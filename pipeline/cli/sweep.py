"""`sae sweep`: its commands, each imported when it is called."""

from __future__ import annotations

import click

from pipeline.cli.group import LazyGroup, Sections

_COMMANDS: Sections = {
    "Commands": {
        "run": ("sweep_run", "Run a sweep, or continue one that was stopped."),
        "list": ("sweep_read", "List sweeps."),
        "show": ("sweep_read", "Show a sweep: its points, and means over seeds."),
        "best": ("sweep_read", "Show the best combinations of a sweep."),
        "export": ("sweep_export", "Write a sweep to a file: table and charts."),
        "promote": ("sweep_read", "Serve the best model of a sweep."),
    }
}


@click.group("sweep", cls=LazyGroup, sections=_COMMANDS)
def sweep_command() -> None:
    """Run the pipeline with many values of settings and seeds, and compare the results.

    Each point is an ordinary run, without push; `sae runs` lists it too. A sweep that was stopped or killed continues
    with `sae sweep run NAME`.
    """
