"""Fingerprint `push-decision-1` of PushDecision: `push` and `model` of `decision.json`.

Left out: the reason and the comparison, which depend on what was served before, and properties, which repeat them. The
Pusher, whose cache key contains this digest, does the same whatever the reason.
"""

from __future__ import annotations

import pathlib
from collections.abc import Iterator

from components.push import decision
from pipeline.artifacts.fingerprints.entries import ContentEntry
from pipeline.artifacts.fingerprints.files import Files
from pipeline.artifacts.types import StoredArtifact

FORM = "push-decision-1"


def entries(artifact: StoredArtifact, files: Files) -> Iterator[ContentEntry]:
    """Yield whether the model is pushed, and the model's content digest."""
    for name in files.take(decision.FILE):
        yield from files.parsed(name, _parse)


def _parse(path: pathlib.Path, name: str) -> Iterator[ContentEntry]:
    decided = decision.read(path.parent)
    yield ContentEntry(f"push of {name}", decided.push)
    yield ContentEntry(f"model of {name}", decided.model)
