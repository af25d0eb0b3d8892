"""The twin of a page: its view as one JSON object."""

from __future__ import annotations

import json
from typing import Any

from pipeline.core import serialization

SCHEMA_VERSION = serialization.SCHEMA_VERSION


def to_json(page: str, view: Any) -> str:
    """One object with the fields of the view, and the name of the page."""
    values = {"schema_version": SCHEMA_VERSION, "page": page, **serialization.jsonable(view)}
    return json.dumps(values, indent=1, allow_nan=False) + "\n"
