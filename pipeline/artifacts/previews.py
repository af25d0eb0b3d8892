"""Previews in the root: what is shown of an artifact without its libraries.

They are written when a node ends and read by commands and pages. A preview is in a folder of its own,
`previews/<node>/<output>/<execution>` beside `artifacts/` in the root, never in the artifact: TFX takes every file of a
split for data. The folder has `preview.json` and the small PNG files that it names. Previews prove nothing: no digest
covers them, and no run fails for want of one.
"""

from __future__ import annotations

import dataclasses
import json
import os
import pathlib
import re
import shutil
from collections.abc import Mapping
from typing import Any

from components import atomic_file
from pipeline.artifacts import earlier_previews, sections
from pipeline.artifacts.sections import Preview
from pipeline.core import serialization

SCHEMA_VERSION = 2
FILE = "preview.json"
_LARGEST = 4 * 1024 * 1024  # bytes of preview.json; ours have a few thousand
_FILE_NAME = re.compile(r"[\w][\w.-]*\.png")


def folder_of(root: pathlib.Path, uri: str) -> pathlib.Path | None:
    """The folder of an artifact's preview; None for an artifact outside this root."""
    artifacts = root / "artifacts"
    place = pathlib.Path(os.path.normpath(uri))
    return root / "previews" / place.relative_to(artifacts) if place.is_relative_to(artifacts) else None


def write(folder: pathlib.Path, type_name: str, preview: Preview, pictures: Mapping[str, bytes]) -> None:
    """Write a preview, all of it or nothing, in place of an older one.

    Args:
      folder: of this preview alone.
      type_name: TFX's type of the artifact.
      preview: what is shown.
      pictures: PNG files by the name that the preview gives them.

    Raises:
      ValueError: the preview has a number that is not finite: JSON has none.
      OSError: it cannot be written.
    """
    values = {"schema_version": SCHEMA_VERSION, "type": type_name, **dataclasses.asdict(preview)}
    text = json.dumps(values, allow_nan=False)
    unfinished = folder.with_name(f".{folder.name}.unfinished")
    shutil.rmtree(unfinished, ignore_errors=True)
    unfinished.mkdir(parents=True)
    try:
        for name, png in pictures.items():
            (unfinished / name).write_bytes(png)
        (unfinished / FILE).write_text(text, encoding="utf-8")
        shutil.rmtree(folder, ignore_errors=True)
        atomic_file.replace(unfinished, folder)
    finally:
        shutil.rmtree(unfinished, ignore_errors=True)


def read(folder: pathlib.Path, type_name: str) -> Preview | None:
    """Return the preview in a folder, also one of an earlier version; None where there is none of this type."""
    path = folder / FILE
    try:
        if path.stat().st_size > _LARGEST:
            return None
        values: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
        if values["type"] != type_name:
            return None
        if values["schema_version"] == earlier_previews.SCHEMA_VERSION:
            values = serialization.jsonable(earlier_previews.convert(values))
        elif values["schema_version"] != SCHEMA_VERSION:
            return None
        return sections.build(values)
    except (OSError, ValueError, KeyError, TypeError, AttributeError, RecursionError):
        return None


def picture_path(folder: pathlib.Path, name: str) -> pathlib.Path | None:
    """The file of a picture that a preview names; None for any other name."""
    return folder / name if _FILE_NAME.fullmatch(name) else None
