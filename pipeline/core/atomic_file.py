"""A small text file that is there whole or not at all, whoever reads it meanwhile."""

from __future__ import annotations

import os
import pathlib


def write(path: pathlib.Path, text: str) -> None:
    """Writes text as UTF-8 under a temporary name in the same folder, and gives it its name.

    Raises:
      OSError: it cannot be written; what was there is there still.
    """
    unfinished = path.with_name(f".{path.name}.unfinished")
    try:
        unfinished.write_text(text, encoding="utf-8")
        os.replace(unfinished, path)
    finally:
        unfinished.unlink(missing_ok=True)
