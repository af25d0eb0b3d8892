"""Examples: splits with counts, features, and the first examples of each label, or simply the first without labels.

An 8-bit image is shown unchanged. Images of floats or 16 bit, and vectors, which become a line, are scaled by the range
of the first examples of the split.
"""

from __future__ import annotations

import io
import math
import pathlib
import struct
from collections import Counter
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
from PIL import Image

from components.data import features
from components.report import png
from pipeline.artifacts.payloads import files
from pipeline.artifacts.payloads.examples import features_of
from pipeline.artifacts.payloads.features import Feature, tables
from pipeline.artifacts.preview_writers import splits
from pipeline.artifacts.sections import Picture, Pictures, Preview, Section, Table, Tile, columns, picture_of
from pipeline.artifacts.types import PNGs, StoredArtifact

RECORDS = 300  # read of each split: enough to contain each of ten labels
IMAGES_PER_LABEL = 2
_MOST_PICTURES = 100  # of a split
_UNLABELLED_PICTURES = 20  # of a split without labels
_LARGEST = 64 * 1024  # bytes of a picture, or values of an example
_PNG = b"\x89PNG\r\n\x1a\n"
_PNG_HEADER = 24  # bytes up to the end of width and height
_GREY_16 = b"\x10\0"  # bits and colour type, which follow
_SIZES = (features.HEIGHT, features.WIDTH, features.CHANNELS)


def make(artifact: StoredArtifact) -> tuple[Preview, PNGs]:
    """Return splits, features and pictures; counts are those that ExampleGen recorded, or else counted here."""
    pngs: dict[str, bytes] = {}
    counts: list[tuple[str, int]] = []
    images: list[Section] = []
    known: dict[tuple[Feature, ...], list[str]] = {}  # splits by their features, mostly the same for all
    for number, (name, folder) in enumerate(files.splits(artifact.folder).items()):
        found = splits.first(folder, RECORDS)
        counts.append((name, _count(artifact, name, folder)))
        if found:
            known.setdefault(features_of(found[0]), []).append(name)
        if pictures := _pictures(found, number):
            pngs |= {picture.file: png for picture, png in pictures}
            tiles = tuple(Tile(one.label.partition(" ")[2].removeprefix("of "), (one,)) for one, _ in pictures)
            images.append(Pictures(f"{_kind(found[0])}s of {name}", tiles))
    of_splits = Table("splits", columns("split", "examples:number"), tuple(counts))
    return Preview("examples", (of_splits, *tables(known), *images)), pngs


def _count(artifact: StoredArtifact, split: str, folder: pathlib.Path) -> int:
    recorded = artifact.properties.get(f"{split}_examples")
    return recorded if isinstance(recorded, int) else splits.count(folder)


def _pictures(examples: Sequence[Any], split: int) -> list[tuple[Picture, bytes]]:
    """Return the first examples of each label, sorted by label; without labels the first examples."""
    by_label: Counter[int] = Counter()
    chosen = []
    drawn = _Drawn(examples)
    if not any(features.LABEL in example.features.feature for example in examples):
        return _unlabelled(examples, drawn, split)
    for label, example in _labelled(examples):
        if by_label[label] < IMAGES_PER_LABEL and (png := drawn.png(example)):
            # By number: the name of a split need not be valid in a file name.
            file = f"split{split}-label{label}-{by_label[label]}.png"
            chosen.append((label, picture_of(png, file, f"{_kind(example)} of label {label}"), png))
            by_label[label] += 1
    chosen.sort(key=lambda one: one[0])
    return [(picture, png) for _, picture, png in chosen[:_MOST_PICTURES]]


def _unlabelled(examples: Sequence[Any], drawn: _Drawn, split: int) -> list[tuple[Picture, bytes]]:
    found = []
    for number, example in enumerate(examples[:_UNLABELLED_PICTURES]):
        if png := drawn.png(example):
            found.append((picture_of(png, f"split{split}-{number}.png", f"{_kind(example)} {number}"), png))
    return found


def _labelled(examples: Sequence[Any]) -> Iterator[tuple[int, Any]]:
    """Yield label and example of those that have one label."""
    for example in examples:
        feature = example.features.feature
        labels = list(feature[features.LABEL].int64_list.value) if features.LABEL in feature else []
        if len(labels) == 1 and labels[0] >= 0:
            yield labels[0], example


def _kind(example: Any) -> str:
    """Return `vector` for numbers without a height, else `image`."""
    feature = example.features.feature
    return "vector" if features.VALUES in feature and features.HEIGHT not in feature else "image"


class _Drawn:
    """Draws examples of one split, all on one scale."""

    def __init__(self, examples: Sequence[Any]) -> None:
        found = [values for example in examples if (values := _values(example)) is not None]
        self._low = min((float(values.min()) for values in found), default=0.0)
        self._span = max((float(values.max()) for values in found), default=0.0) - self._low or 1.0

    def png(self, example: Any) -> bytes:
        """Return the PNG file of an example; empty if it has none, or a large one."""
        values = _values(example)
        if values is not None:
            return png.png_of((values - np.float32(self._low)) / np.float32(self._span))
        stored = _stored(example)
        return stored if len(stored) <= _LARGEST else b""


def _values(example: Any) -> npt.NDArray[np.float32] | None:
    """Return the finite values that must be scaled to be seen: of floats, or of a grey image of 16 bit; else None."""
    feature = example.features.feature
    if features.VALUES in feature:
        flat = np.array(feature[features.VALUES].float_list.value, np.float32)
        sizes = [list(feature[name].int64_list.value) for name in _SIZES if name in feature]
        shape = tuple(size[0] for size in sizes if len(size) == 1)
        if not 0 < flat.size <= _LARGEST or not np.isfinite(flat).all():
            return None
        if len(shape) < 2:
            return flat
        return flat.reshape(shape) if math.prod(shape) == flat.size else None
    stored = _stored(example)
    if not stored or stored[_PNG_HEADER : _PNG_HEADER + 2] != _GREY_16:
        return None
    width, height = struct.unpack(">II", stored[16:_PNG_HEADER])
    if width * height > _LARGEST:
        return None
    try:
        with Image.open(io.BytesIO(stored), formats=("PNG",)) as image:
            return np.asarray(image).astype(np.float32)
    except (OSError, ValueError, SyntaxError):
        return None


def _stored(example: Any) -> bytes:
    """Return the PNG file in an example; empty if it has none."""
    feature = example.features.feature
    images = list(feature[features.IMAGE].bytes_list.value) if features.IMAGE in feature else []
    if len(images) == 1 and images[0].startswith(_PNG) and len(images[0]) >= _PNG_HEADER:
        return bytes(images[0])
    return b""
