"""This project's checkout: its paths, and how other processes find its modules."""

from __future__ import annotations

import os
import pathlib

PROJECT = pathlib.Path(__file__).resolve().parents[2]
LOCK = PROJECT / "requirements.txt"
PACKAGES = ("components", "pipeline")  # whose code runs; `sae` only calls it


def is_module(program: str) -> bool:
    """Return whether the first word of a command line is that of `python -m pipeline`."""
    return pathlib.PurePath(program).parts[-2:] == ("pipeline", "__main__.py")


def python_path(folder: str | pathlib.Path = PROJECT) -> str:
    """Return the PYTHONPATH of a process that looks for modules in a folder first."""
    return os.pathsep.join(filter(None, [str(folder), os.environ.get("PYTHONPATH")]))
