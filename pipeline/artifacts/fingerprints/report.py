"""Fingerprint `report-1` of Report: the page, its pictures, and the summary.

* `*.json`: every value (`json_values.py`).
* `*.html`: the pixels of each embedded picture (`data:image/png;base64,...`), and the text with these pictures replaced
  by their numbers.
* `*.png`: the pixels.

Left out: the compression and metadata of pictures, and properties, which repeat the summary.
"""

from __future__ import annotations

import base64
import functools
import io
import pathlib
import re
from collections.abc import Callable, Iterator
from concurrent import futures
from typing import Any

import numpy as np
import numpy.typing as npt
from PIL import Image

from pipeline.artifacts.fingerprints import json_values
from pipeline.artifacts.fingerprints.entries import ContentEntry
from pipeline.artifacts.fingerprints.files import Files
from pipeline.artifacts.types import StoredArtifact

FORM = "report-1"
_THREADS = 2  # that decode pictures; more would wait for each other
_Decode = Callable[[bytes], "npt.NDArray[Any]"]
_PICTURE = re.compile(r"data:image/png;base64,([A-Za-z0-9+/]+={0,2})")


def entries(artifact: StoredArtifact, files: Files) -> Iterator[ContentEntry]:
    """Yield documents, pages and pictures."""
    # A page embeds most of the pictures; each is decoded once.
    decode = functools.cache(pixels)
    page, picture = functools.partial(_page, decode), functools.partial(_picture, decode)
    for pattern, parse in (("*.json", json_values.file_entries), ("*.html", page), ("*.png", picture)):
        for name in files.take(pattern):
            yield from files.parsed(name, parse)


def _page(decode: _Decode, path: pathlib.Path, name: str) -> Iterator[ContentEntry]:
    page = path.read_bytes().decode("utf-8")
    found: list[str] = _PICTURE.findall(page)
    numbers = iter(range(len(found)))
    yield ContentEntry(f"text of {name}", _PICTURE.sub(lambda _: f"picture {next(numbers)}", page))
    with futures.ThreadPoolExecutor(_THREADS) as pool:
        decoded = pool.map(lambda encoded: decode(base64.b64decode(encoded, validate=True)), found)
        for number, picture in enumerate(decoded):
            yield ContentEntry(f"picture {number} of {name}", picture)


def _picture(decode: _Decode, path: pathlib.Path, name: str) -> Iterator[ContentEntry]:
    yield ContentEntry(f"picture {name}", decode(path.read_bytes()))


def pixels(png: bytes) -> npt.NDArray[Any]:
    """Decode a PNG file to uint8 (or its own depth), shape (height, width), plus one dimension for colours.

    Pictures with a palette or a transparent colour are converted to red, green, blue and alpha.

    Raises:
      ValueError: it is not a PNG file, it is damaged, or it is animated.
    """
    try:
        with Image.open(io.BytesIO(png), formats=["PNG"]) as picture:
            if getattr(picture, "n_frames", 1) != 1:
                raise ValueError("the picture is animated")
            convert = picture.mode == "P" or "transparency" in picture.info
            return np.asarray(picture.convert("RGBA") if convert else picture)
    except Exception as error:  # on damage Pillow raises SyntaxError, OSError, zlib.error and others
        raise ValueError(f"not a readable PNG file: {error}") from error
