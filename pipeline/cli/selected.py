"""What the user selected on the command line, for the commands that messages suggest."""

from __future__ import annotations

import pathlib
import shutil
import sys

import click

from pipeline.core import project, shell
from pipeline.core.suggestions import Selection

Selected = dict[str, str]  # by name of an attribute of `Selection`; the `obj` of click's contexts


def selected() -> Selected:
    """Return what the user of this process selected before any option is read."""
    return {"program": _called_as()}


def record(context: click.Context, parameter: click.Parameter, value: str | None) -> str | None:
    """Record the value of an option; the callback of options that select something."""
    if value and parameter.name:
        set_selected(parameter.name, value, context)
    return value


def set_selected(name: str, value: str, context: click.Context | None = None) -> None:
    """Record a value; nothing happens during completion."""
    context = context or click.get_current_context(silent=True)
    if context and isinstance(context.obj, dict):
        context.obj[name] = value


def selection() -> Selection:
    """Return what the user selected with the options of this command."""
    context = click.get_current_context(silent=True)
    return Selection(**(context.obj if context and isinstance(context.obj, dict) else selected()))


def _called_as() -> str:
    """Return what the user types for `sae`: its path if it is not on PATH, or `python -m pipeline`."""
    called = pathlib.Path(sys.argv[0])
    if project.is_module(sys.argv[0]):
        return f"{shell.quoted(sys.executable)} -m pipeline"
    return "sae" if shutil.which("sae") or called.name != "sae" else shell.quoted(str(called))
