"""Fingerprint `sweep-1` of Sweep: every value of `sweep.json` (`json_values.py`).

Left out: `points.csv`, which repeats it, and properties. Ids of runs, times and the root are in no file.
"""

from __future__ import annotations

from collections.abc import Iterator

from pipeline.artifacts.fingerprints import json_values
from pipeline.artifacts.fingerprints.entries import ContentEntry
from pipeline.artifacts.fingerprints.files import Files
from pipeline.artifacts.types import StoredArtifact

FORM = "sweep-1"
RESULT_FILE, POINTS_FILE = "sweep.json", "points.csv"


def entries(artifact: StoredArtifact, files: Files) -> Iterator[ContentEntry]:
    """Yield the values."""
    files.leave_out([POINTS_FILE])
    return files.all_parsed(RESULT_FILE, json_values.file_entries)
