"""`sae schedule`: its commands, each imported when it is called."""

from __future__ import annotations

import click

from pipeline.cli.group import LazyGroup, Sections

_COMMANDS: Sections = {
    "Commands": {
        "add": ("schedule_edit", "Add a schedule."),
        "pause": ("schedule_edit", "Pause a schedule."),
        "resume": ("schedule_edit", "Resume a paused schedule."),
        "remove": ("schedule_edit", "Remove a schedule."),
        "trigger": ("schedule_edit", "Run a schedule now."),
        "list": ("schedule_read", "List schedules, with next time and last result."),
        "show": ("schedule_read", "Show a schedule: next times, policies, history."),
        "next": ("schedule_read", "Show the next runs."),
        "history": ("schedule_read", "List the outcome of past ticks, and why."),
        "status": ("schedule_read", "Show whether the daemon runs, and what is wrong."),
        "run": ("schedule_daemon", "Run the daemon: start scheduled runs until stopped."),
        "export": ("schedule_edit", "Write schedules as systemd units or crontab lines."),
    }
}


@click.group("schedule", cls=LazyGroup, sections=_COMMANDS)
def schedule_command() -> None:
    """Schedule runs: every night, every few hours, or when the data changes; and start them on time.

    Schedules belong to a pipeline root and are stored there. Runs start while the daemon `sae schedule run` runs.
    """
