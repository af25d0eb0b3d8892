"""The commands about settings and the environment: `sae config show`, `config check` and `doctor`.

Nothing here imports a package that `sae doctor` checks, so that it works if one of them is broken.
"""

from __future__ import annotations

import pathlib

import click

from pipeline.cli import output
from pipeline.cli.command import command
from pipeline.cli.options import current_pipeline, json_option, setting_options
from pipeline.core import settings
from pipeline.core.pipeline_root import Root
from pipeline.terminal import config as config_text
from pipeline.terminal import json_documents
from pipeline.terminal import maintenance as maintenance_text


@click.group("config")
def config_command() -> None:
    """Show or check a configuration without running it."""


@config_command.command()
@setting_options
@json_option
def show(request: settings.Request, as_json: bool) -> None:
    """Print every setting with its value, origin and meaning, as a file for --config."""
    resolved = settings.resolve(request)
    output.write_result(
        as_json, json_documents.settings(resolved), lambda: config_text.as_text(resolved.config, resolved.origins)
    )


@config_command.command()
@setting_options
def check(request: settings.Request) -> None:
    """Check the configuration: exit code 0 if it is valid, 2 with the error if it is not."""
    resolved = settings.resolve(request)
    origins = list(resolved.origins.values())
    profile = sum(origin.startswith("profile ") for origin in origins)
    given = len(origins) - profile - origins.count("default")
    output.write(f"valid: {profile} settings from profile {resolved.profile}, {given} given, the rest defaults")


@command("doctor")
@setting_options
@json_option
def doctor_command(request: settings.Request, as_json: bool) -> None:
    """Check interpreter, packages, engine, disk and data; print what is wrong and how to fix it."""
    from pipeline.maintenance import doctor  # takes longer to import than `sae config` takes

    resolved = settings.resolve(request)
    from pipeline.orchestration.portable import checks as cluster_checks

    def cluster() -> list[doctor.Check]:
        root = Root.at(pathlib.Path(resolved.config.paths.root))
        found = cluster_checks.examine(resolved.config.engine, current_pipeline(), root, write=False)
        return [doctor.Check(one.name, not one.advice, one.found, one.advice, one.exit_code) for one in found]

    checks = doctor.examine(resolved.config, lambda: current_pipeline().data.look_up(resolved), cluster)
    output.write_result(as_json, json_documents.doctor(checks), lambda: maintenance_text.doctor(checks))
    if code := doctor.exit_code(checks):
        raise SystemExit(int(code))
