"""`sae config show` and `check`."""

from __future__ import annotations

import json
from typing import Any

import click

from pipeline.cli import output
from pipeline.cli.options import json_option, request, setting_options
from pipeline.core import settings
from pipeline.terminal import json_documents
from pipeline_config import Configuration, Value


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
        click.echo(_as_toml(resolved.config, resolved.origins))


def _as_toml(config: Configuration, origins: dict[str, str]) -> str:
    """Return a file for --config, with each value's origin, meaning and unit behind it."""
    values = config.values()
    lines = []
    for name, section in config.sections().items():
        lines.append(f"[{name}]")
        settings_of_section = section.settings()
        texts = [f"{key} = {_toml_value(values[one.name])}" for key, one in settings_of_section.items()]
        width = max(map(len, texts))
        for text, one in zip(texts, settings_of_section.values(), strict=True):
            unit = f" ({one.unit})" if one.unit else ""
            lines.append(f"{text:<{width}}  # ({origins[one.name]}) {one.meaning}{unit}")
        lines.append("")
    return "\n".join(lines).rstrip()


def _toml_value(value: Value) -> str:
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
