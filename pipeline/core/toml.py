"""Read TOML, with Python's module, which 3.11 took over from a package. Only commands that read a file import it."""

from __future__ import annotations

import pathlib
import sys
from collections.abc import Callable
from typing import Any

from components.errors import cause_text
from pipeline.core.errors import UsageError

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

__all__ = ["read", "tomllib"]


def read(path: pathlib.Path, option: str, parse_float: Callable[[str], Any] = float) -> dict[str, Any]:
    """Return the tables of a file that an option gives; `parse_float`: makes a number of its text.

    Raises:
      UsageError: the file cannot be read, or is no TOML.
    """
    try:
        return tomllib.loads(path.read_text(encoding="utf-8-sig"), parse_float=parse_float)  # Windows adds a mark
    except (OSError, UnicodeDecodeError) as error:
        reason = cause_text(error) if isinstance(error, OSError) else "not UTF-8 text"
        raise UsageError(f"cannot read {option} {path}: {reason}") from error
    except (ValueError, RecursionError) as error:  # also a number of thousands of digits, or nesting as deep
        raise UsageError(f"{option} {path} is not valid TOML: {error}") from error
