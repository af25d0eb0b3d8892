"""Parse JSON from files and stores, which may contain anything."""

from __future__ import annotations

import json
from typing import Any


def parse(text: str) -> Any:
    """Return the value of a JSON text.

    Raises:
      ValueError: it is not JSON, or is nested more deeply than Python can parse.
    """
    try:
        return json.loads(text)
    except RecursionError as error:
        raise ValueError("it is nested too deeply") from error
