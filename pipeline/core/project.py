"""Paths of this project's checkout and its lock of packages."""

from __future__ import annotations

import pathlib

PROJECT = pathlib.Path(__file__).resolve().parents[2]
LOCK = PROJECT / "requirements.txt"
PACKAGES = ("components", "pipeline")  # whose code runs; `sae` only calls it
