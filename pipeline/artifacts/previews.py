"""Previews in the root: what commands and pages show of an artifact without the libraries that read it.

A preview is written when a node ends: `preview.json` and small PNG files in `previews/<node>/<output>/<execution>` of
the root, never in the artifact, because TFX takes every file of a split for data. Digests do not cover previews, and no
run fails without one.
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

from components import atomic_file, json_text
from pipeline.artifacts import earlier_previews, sections
from pipeline.artifacts.sections import Preview
from pipeline.core import regular_file, serialization, unfinished_folder

SCHEMA_VERSION = 2
FILE = "preview.json"
_MAX_BYTES = 4 * 1024 * 1024  # of preview.json; typical: a few thousand
_FILE_NAME = re.compile(r"[\w][\w.-]*\.png")


def folder_of(root: pathlib.Path, uri: str) -> pathlib.Path | None:
    """Return the folder of an artifact's preview; None for an artifact outside this root."""
    artifacts = root / "artifacts"
    path = pathlib.Path(os.path.normpath(uri))
    return root / "previews" / path.relative_to(artifacts) if path.is_relative_to(artifacts) else None


def write(folder: pathlib.Path, type_name: str, preview: Preview, pictures: Mapping[str, bytes]) -> None:
    """Write a preview atomically, in place of an older one.

    Args:
      folder: of this preview alone.
      type_name: TFX's name of the artifact's type.
      preview: what is shown.
      pictures: PNG files by their names in the preview.

    Raises:
      ValueError: the preview contains a number that is not finite.
      OSError: it cannot be written.
    """
    values = {"schema_version": SCHEMA_VERSION, "type": type_name, **dataclasses.asdict(preview)}
    text = json.dumps(values, allow_nan=False)
    with unfinished_folder.create(folder) as unfinished:
        for name, png in pictures.items():
            (unfinished / name).write_bytes(png)
        (unfinished / FILE).write_text(text, encoding="utf-8")
        shutil.rmtree(folder, ignore_errors=True)
        atomic_file.replace(unfinished, folder)


def read(folder: pathlib.Path, type_name: str) -> Preview | None:
    """Return the preview in a folder, also of an earlier schema version; None if there is none of this type."""
    path = folder / FILE
    try:
        text = regular_file.text(path, most=_MAX_BYTES + 1)
        if len(text) > _MAX_BYTES:
            return None
        values: dict[str, Any] = json_text.parse(text)
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
    """Return the file of a picture in a preview; None if the name is not that of a PNG file."""
    return folder / name if _FILE_NAME.fullmatch(name) else None
