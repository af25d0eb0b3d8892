"""Fingerprint `report-1` of Report: the page, its pictures, and the summary.

* `*.json`: every value (`documents.py`).
* `*.html`: each picture inside (`data:image/png;base64,...`) by its pixels (`pictures.py`), and the text with each of
  these pictures replaced by its number.
* `*.png`: the pixels.

Left out: how pictures are compressed and what else their files tell. All other files count by name and bytes, and so
does a picture or a page that cannot be read. Properties do not count: they repeat what is in the summary.
"""

from __future__ import annotations

import base64
import pathlib
import re
from collections.abc import Iterator

from pipeline.artifacts.fingerprints import json_values, png
from pipeline.artifacts.fingerprints.entries import ContentEntry
from pipeline.artifacts.fingerprints.files import Files
from pipeline.artifacts.types import StoredArtifact

FORM = "report-1"
_PICTURE = re.compile(r"data:image/png;base64,([A-Za-z0-9+/]+={0,2})")


def entries(artifact: StoredArtifact) -> Iterator[ContentEntry]:
    """Documents, pages, pictures, then other files."""
    files = Files(artifact.folder)
    for pattern, parse in (("*.json", _document), ("*.html", _page), ("*.png", _picture)):
        for name in files.take(pattern):
            yield from files.parsed(name, parse)
    yield from files.rest()


def _document(path: pathlib.Path, name: str) -> Iterator[ContentEntry]:
    yield from json_values.document_entries(json_values.read(path), name)


def _page(path: pathlib.Path, name: str) -> Iterator[ContentEntry]:
    page = path.read_bytes().decode("utf-8")
    found: list[str] = _PICTURE.findall(page)
    numbers = iter(range(len(found)))
    yield ContentEntry(f"text of {name}", _PICTURE.sub(lambda _: f"picture {next(numbers)}", page))
    for number, encoded in enumerate(found):
        yield ContentEntry(f"picture {number} of {name}", png.pixels(base64.b64decode(encoded, validate=True)))


def _picture(path: pathlib.Path, name: str) -> Iterator[ContentEntry]:
    yield ContentEntry(f"picture {name}", png.pixels(path.read_bytes()))
