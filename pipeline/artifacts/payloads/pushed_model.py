"""PushedModel: whether a model was pushed, where to, and the versions that are there."""

from __future__ import annotations

import os
import pathlib

from components.push.serving_dir import PUSHED, PUSHED_DESTINATION, PUSHED_VERSION
from pipeline.artifacts.payloads import saved_model
from pipeline.artifacts.sections import Pairs, Preview, Section, Table, Text, Value, columns
from pipeline.artifacts.types import PNGs, StoredArtifact

_TITLE = "push"
_MOST_VERSIONS = 100


def make(artifact: StoredArtifact) -> tuple[Preview, PNGs] | None:
    """Return the preview; None if no property says whether the model was pushed."""
    if PUSHED not in artifact.properties:
        return None
    if not artifact.properties[PUSHED]:
        return Preview(_TITLE, (Text("the model was not pushed", "not pushed", False, title=_TITLE),)), {}
    destination = str(artifact.properties.get(PUSHED_DESTINATION, ""))
    facts: dict[str, Value] = {
        name: value
        for name, value in (("destination", destination), ("version", artifact.properties.get(PUSHED_VERSION)))
        if value
    }
    sections: list[Section] = [Text("", "pushed", True, title=_TITLE), *([Pairs("pushed to", facts)] if facts else [])]
    if rows := _versions(pathlib.Path(destination)) if os.path.isabs(destination) else []:
        sections.append(Table("versions there now", columns("version", "model"), tuple(rows)))
    return Preview(_TITLE, tuple(sections)), {}


def _versions(destination: pathlib.Path) -> list[tuple[Value, ...]]:
    """Return the versions beside the one that was pushed, highest first: TensorFlow Serving serves the highest."""
    try:
        found = [path for path in destination.parent.iterdir() if path.name.isascii() and path.name.isdecimal()]
    except OSError:
        return []
    found.sort(key=lambda path: int(path.name), reverse=True)
    return [
        (path.name, "SavedModel" if (path / saved_model.FILE).is_file() else "other files")
        for path in found[:_MOST_VERSIONS]
        if path.is_dir()
    ]
