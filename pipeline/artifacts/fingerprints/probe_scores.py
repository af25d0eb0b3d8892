"""Fingerprint `probe-scores-1` of ProbeScores and PixelScores: every value of `scores.json` (`json_values.py`).

Left out: properties, which repeat it.
"""

from __future__ import annotations

from collections.abc import Iterator

from components.evaluation import probe_scores
from pipeline.artifacts.fingerprints import json_values
from pipeline.artifacts.fingerprints.entries import ContentEntry
from pipeline.artifacts.fingerprints.files import Files
from pipeline.artifacts.types import StoredArtifact

FORM = "probe-scores-1"


def entries(artifact: StoredArtifact, files: Files) -> Iterator[ContentEntry]:
    """Yield the values."""
    return files.all_parsed(probe_scores.FILE, json_values.file_entries)
