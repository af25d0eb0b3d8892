"""Where this project's own files are."""

from __future__ import annotations

import pathlib

PROJECT = pathlib.Path(__file__).resolve().parents[2]
LOCK = PROJECT / "requirements.txt"
