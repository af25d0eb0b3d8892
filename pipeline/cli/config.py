"""`sae config show` and `check`."""

from __future__ import annotations

import json
from typing import Any

import click

import pipeline_config
from pipeline.cli import output
from pipeline.cli.options import json_option, request, setting_options
from pipeline.core import settings
from pipeline.terminal import json_documents


@click.group("config")
def config_command() -> None:
    """Show or check a configuration without running it."""


@config_command.command()
@setting_options
@json_option
def show(as_json: bool, **options: Any) -> None:
    """Print every setting with its value, origin and meaning, as a file for --config."""
    resolved = settings.resolve(request(**options))
    if as_json:
        output.write_json(json_documents.settings(resolved))
    else:
        click.echo(_as_toml(pipeline_config.flatten(resolved.config), resolved.origins))


def _as_toml(values: dict[str, pipeline_config.Value], origins: dict[str, str]) -> str:
    """Return a file for --config, with the origin and meaning of each value in a comment."""
    lines = []
    for section in pipeline_config.SECTIONS:
        lines.append(f"[{section}]")
        names = [name for name in values if name.startswith(f"{section}.")]
        settings_of_section = [f"{name.partition('.')[2]} = {_toml_value(values[name])}" for name in names]
        width = max(map(len, settings_of_section))
        for name, text in zip(names, settings_of_section, strict=True):
            meaning = pipeline_config.setting_field(name).metadata["meaning"]
            lines.append(f"{text:<{width}}  # ({origins[name]}) {meaning}")
        lines.append("")
    return "\n".join(lines).rstrip()


def _toml_value(value: pipeline_config.Value) -> str:
    if isinstance(value, bool):
        return str(value).lower()
    # JSON's text is TOML's basic string; Python writes floats, and inf, as TOML does.
    return json.dumps(value, ensure_ascii=False) if isinstance(value, str) else repr(value)


@config_command.command()
@setting_options
def check(**options: Any) -> None:
    """Check the configuration: exit code 0 when it is valid, else 2 with what is wrong."""
    resolved = settings.resolve(request(**options))
    origins = list(resolved.origins.values())
    profile = sum(origin.startswith("profile ") for origin in origins)
    given = len(origins) - profile - origins.count("default")
    click.echo(f"valid: {profile} settings from profile {resolved.profile}, {given} given, the rest defaults")
