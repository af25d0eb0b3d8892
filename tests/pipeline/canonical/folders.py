"""Artifacts to compare: folders made by hand, and what every test says of two of them."""

from __future__ import annotations

import pathlib
from collections.abc import Mapping

from pipeline import canonical


def artifact(type_name: str, folder: pathlib.Path, **properties: str | int | float) -> canonical.Artifact:
    return canonical.Artifact(type_name, folder, properties)


def write(folder: pathlib.Path, files: Mapping[str, bytes]) -> pathlib.Path:
    """Writes files by relative name."""
    folder.mkdir(parents=True, exist_ok=True)
    for name, content in files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
    return folder


def assert_same(one: canonical.Artifact, other: canonical.Artifact) -> None:
    assert canonical.first_difference(one, other) == ""
    assert canonical.content_digest(one) == canonical.content_digest(other)


def assert_differ(one: canonical.Artifact, other: canonical.Artifact) -> str:
    """Digests differ; returns the line that says where."""
    assert canonical.content_digest(one) != canonical.content_digest(other)
    line = canonical.first_difference(one, other)
    assert line
    assert "\n" not in line
    return line
