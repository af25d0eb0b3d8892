"""The group of commands, and the sections in which its help lists them."""

from __future__ import annotations

import click

SECTIONS = {
    "Run": ("run", "resume", "plan", "doctor", "config"),
    "Look": ("runs", "show", "why", "diff", "artifacts", "artifact", "lineage", "logs", "open"),
    "Check": ("verify", "fsck"),
    "Schedule": ("schedule",),
    "Keep": ("models", "promote", "rollback", "pin", "unpin", "gc", "restore"),
    "In the browser": ("serve", "export"),
}


class Sections(click.Group):
    """Lists its commands in sections."""

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Writes the sections; what is in none of them comes last."""
        known = {name for names in SECTIONS.values() for name in names}
        rest = tuple(name for name in self.commands if name not in known)
        width = max(map(len, self.commands), default=0)
        limit = formatter.width - 6 - width
        for title, names in {**SECTIONS, "Other commands": rest}.items():
            rows = [(name, self.commands[name].get_short_help_str(limit)) for name in names if name in self.commands]
            if rows:
                with formatter.section(title):
                    # As wide as in every other section.
                    formatter.write_dl([(f"{name:<{width}}", text) for name, text in rows])


@click.group(cls=Sections, context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 110})
@click.option("-v", "--verbose", is_flag=True, help="Show the traceback of an error.")
@click.version_option(package_name="sae-pipeline", prog_name="sae")
def sae(verbose: bool) -> None:
    """Trains a sparse autoencoder in a TFX pipeline on this machine.

    Exit codes: 0 done, 1 a node failed, 2 usage, 3 not found, 4 a gate failed (not blessed, worse than what
    is served, or anomalies in the data), 5 the root is locked, 6 environment or data unavailable, 130 interrupted.
    """
    del verbose  # read by `main`, which also handles errors before this runs
