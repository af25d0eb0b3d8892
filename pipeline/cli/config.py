"""The commands about settings and the environment: `sae config show`, `config check` and `doctor`.

Nothing here imports a package that `sae doctor` checks, so that it works if one of them is broken.
"""

from __future__ import annotations

import contextlib
import dataclasses
import pathlib
from typing import TYPE_CHECKING

import click

from pipeline.cli import output
from pipeline.cli.command import command
from pipeline.cli.options import current_pipeline, json_option, setting_options
from pipeline.core import settings, shell
from pipeline.core.errors import SaeError
from pipeline.core.pipeline_root import Root
from pipeline.terminal import config as config_text
from pipeline.terminal import json_documents
from pipeline.terminal import maintenance as maintenance_text

if TYPE_CHECKING:
    from pipeline.definition.spec import DataLookup, DataSource


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

    root, source, needed = Root.at(pathlib.Path(resolved.config.paths.root)), current_pipeline().data, ""
    if request.is_empty and (options := _options_of_root(root, source)):
        held = settings.resolve(_with_options(request, options))
        if held.config != resolved.config:
            resolved, needed = held, f", as in this root, whose runs need {shell.joined(options)}"

    def data() -> DataLookup | None:
        found = source.look_up(resolved)
        return dataclasses.replace(found, found=found.found + needed) if found else None

    def cluster() -> list[doctor.Check]:
        found = cluster_checks.examine(resolved.config.engine, current_pipeline(), root, write=False)
        return [doctor.Check(one.name, not one.advice, one.found, one.advice, one.exit_code) for one in found]

    checks = doctor.examine(resolved.config, data, cluster)
    output.write_result(as_json, json_documents.doctor(checks), lambda: maintenance_text.doctor(checks))
    if code := doctor.exit_code(checks):
        raise SystemExit(int(code))


def _options_of_root(root: Root, source: DataSource) -> tuple[str, ...]:
    """Return the options that choose the data set of the runs in a root; empty if it has none or is damaged."""
    with contextlib.suppress(SaeError):  # the check of the root reports it
        if held := root.dataset():
            return source.run_options(held)
    return ()


def _with_options(request: settings.Request, options: tuple[str, ...]) -> settings.Request:
    """Return the request with these options, `--profile` or `--set` and a value each."""
    pairs = list(zip(options[::2], options[1::2], strict=True))
    profile = dict(pairs).get("--profile", "")
    return dataclasses.replace(
        request, profile=profile, assignments=[value for name, value in pairs if name == "--set"]
    )
