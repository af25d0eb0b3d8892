"""Artifacts to compare: folders made by hand, and what every test says of two of them."""

from __future__ import annotations

import pathlib
from collections.abc import Mapping

from pipeline.artifacts import fingerprints
from pipeline.artifacts.types import StoredArtifact


def artifact(type_name: str, folder: pathlib.Path, **properties: str | int | float) -> StoredArtifact:
    return StoredArtifact(type_name, folder, properties)


def write(folder: pathlib.Path, files: Mapping[str, bytes]) -> pathlib.Path:
    """Writes files by relative name."""
    folder.mkdir(parents=True, exist_ok=True)
    for name, content in files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
    return folder


def assert_same(one: StoredArtifact, other: StoredArtifact) -> None:
    assert fingerprints.first_difference(one, other) == ""
    assert fingerprints.content_digest(one) == fingerprints.content_digest(other)


def assert_differ(one: StoredArtifact, other: StoredArtifact) -> str:
    """Digests differ; returns the line that says where."""
    assert fingerprints.content_digest(one) != fingerprints.content_digest(other)
    line = fingerprints.first_difference(one, other)
    assert line
    assert "\n" not in line
    return line
