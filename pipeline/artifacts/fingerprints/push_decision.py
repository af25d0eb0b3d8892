"""Fingerprint `push-decision-1` of PushDecision: whether a model is pushed, and which.

* `push` and `model` of `decision.json`: the verdict, and the content digest of the model.

Left out: the reason and what was compared, which depend on what was served before, and the properties, which repeat
them. The Pusher, whose key has this digest, does the same whatever the reason. All other files count by name and bytes,
and so does a document that is none.
"""

from __future__ import annotations

import pathlib
from collections.abc import Iterator

from components.push import decision
from pipeline.artifacts.fingerprints.entries import ContentEntry
from pipeline.artifacts.fingerprints.files import Files
from pipeline.artifacts.types import StoredArtifact

FORM = "push-decision-1"


def entries(artifact: StoredArtifact) -> Iterator[ContentEntry]:
    """The verdict and the model, then other files."""
    files = Files(artifact.folder)
    for name in files.take(decision.FILE):
        yield from files.parsed(name, _verdict)
    yield from files.rest()


def _verdict(path: pathlib.Path, name: str) -> Iterator[ContentEntry]:
    decided = decision.read(path.parent)
    yield ContentEntry(f"push of {name}", decided.push)
    yield ContentEntry(f"model of {name}", decided.model)
