"""Python's module for TOML, which 3.11 took over from a package. Only commands that read a TOML file import it."""

from __future__ import annotations

import sys

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

__all__ = ["tomllib"]
