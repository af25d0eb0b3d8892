"""The templates of exported files."""

from __future__ import annotations

import json
import pathlib
from typing import Any

import jinja2

from pipeline.scheduler import times

_FOLDER = pathlib.Path(__file__).parent / "templates"


def render(template: str, **values: Any) -> str:
    """Fill in a template."""
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(_FOLDER),
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
        autoescape=False,  # the files are not HTML
    )
    environment.filters["quoted"] = quoted
    environment.filters["seconds"] = times.as_number
    return environment.get_template(template).render(values)


def quoted(value: str) -> str:
    """Return a text as a literal in double quotes, for Python, JSON and YAML alike."""
    return json.dumps(value, ensure_ascii=False).replace("\x7f", "\\u007f")
