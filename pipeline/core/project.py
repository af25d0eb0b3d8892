"""This project's checkout: its paths, and how other processes find its modules."""

from __future__ import annotations

import os
import pathlib

PROJECT = pathlib.Path(__file__).resolve().parents[2]
LOCK = PROJECT / "requirements.txt"
PACKAGES = ("components", "pipeline")  # whose code runs; `sae` only calls it


def python_path(folder: str | pathlib.Path = PROJECT) -> str:
    """Return the PYTHONPATH of a process that looks for modules in a folder first."""
    return os.pathsep.join(filter(None, [str(folder), os.environ.get("PYTHONPATH")]))
