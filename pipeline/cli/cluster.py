"""`sae cluster`: its commands, each imported when it is called."""

from __future__ import annotations

import click

from pipeline.cli.group import LazyGroup, Sections

_COMMANDS: Sections = {
    "Commands": {
        "install": ("cluster_local", "Fetch the programs of an engine."),
        "up": ("cluster_local", "Start a cluster, and wait until it is ready."),
        "status": ("cluster_local", "Show its programs, slots and addresses, and how to run on it."),
        "down": ("cluster_local", "End the cluster."),
    }
}


@click.group("cluster", cls=LazyGroup, sections=_COMMANDS)
def cluster_command() -> None:
    """Run a cluster of Flink or Spark on this machine, for a first try of `engine.runner` and for tests.

    It consists of the engine's own programs, Beam's job server, and a `sae worker` for each host.
    """
