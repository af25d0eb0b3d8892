"""Examples: splits with counts, features, and the first images of each label, or simply the first without labels."""

from __future__ import annotations

import pathlib
import struct
from collections import Counter
from collections.abc import Iterator, Sequence
from typing import Any

from components.data import features
from pipeline.artifacts.preview_writers import splits
from pipeline.artifacts.preview_writers.features import Feature, table
from pipeline.artifacts.sections import Picture, Pictures, Preview, Section, Table, TableColumn, Tile
from pipeline.artifacts.types import PNGs, StoredArtifact

RECORDS = 300  # read of each split: enough to contain each of ten labels
IMAGES_PER_LABEL = 2
_MOST_PICTURES = 100  # of a split
_UNLABELLED_PICTURES = 20  # of a split without labels
_LARGEST = 64 * 1024  # bytes of a picture
_PNG = b"\x89PNG\r\n\x1a\n"
_PNG_HEADER = 24  # bytes up to the end of width and height
_TYPES = {"bytes_list": "bytes", "int64_list": "int64", "float_list": "float32"}


def make(artifact: StoredArtifact) -> tuple[Preview, PNGs]:
    """Return splits, features and pictures; counts are those that ExampleGen recorded, or else counted here."""
    pngs: dict[str, bytes] = {}
    counts: list[tuple[str, int]] = []
    images: list[Section] = []
    known: dict[tuple[Feature, ...], list[str]] = {}  # splits by their features, mostly the same for all
    for number, (name, folder) in enumerate(splits.splits(artifact.folder).items()):
        found = splits.first(folder, RECORDS)
        counts.append((name, _count(artifact, name, folder)))
        if found:
            known.setdefault(_features(found[0]), []).append(name)
        if pictures := _pictures(found, number):
            pngs |= {picture.file: png for picture, png in pictures}
            tiles = tuple(Tile(one.label.removeprefix("image ").removeprefix("of "), (one,)) for one, _ in pictures)
            images.append(Pictures(f"images of {name}", tiles))
    columns = (TableColumn("split"), TableColumn("examples", "number"))
    tables = [
        table("features" if len(known) == 1 else f"features of {', '.join(names)}", features)
        for features, names in known.items()
    ]
    return Preview("examples", (Table("splits", columns, tuple(counts)), *tables, *images)), pngs


def _count(artifact: StoredArtifact, split: str, folder: pathlib.Path) -> int:
    recorded = artifact.properties.get(f"{split}_examples")
    return recorded if isinstance(recorded, int) else splits.count(folder)


def _features(example: Any) -> tuple[Feature, ...]:
    """Return names, types and numbers of values of one example, sorted by name."""
    found = []
    for name, feature in sorted(example.features.feature.items()):
        kind = feature.WhichOneof("kind")
        if kind is None:
            found.append(Feature(name, "empty"))
        else:
            found.append(Feature(name, _TYPES[kind], f"({len(getattr(feature, kind).value)},)"))
    return tuple(found)


def _pictures(examples: Sequence[Any], split: int) -> list[tuple[Picture, bytes]]:
    """Return the first images of each label, unchanged, sorted by label; without labels the first images."""
    by_label: Counter[int] = Counter()
    chosen = []
    if not any(features.LABEL in example.features.feature for example in examples):
        return _unlabelled(examples, split)
    for label, png in _labelled(examples):
        if by_label[label] < IMAGES_PER_LABEL:
            width, height = struct.unpack(">II", png[16:_PNG_HEADER])
            # By number: the name of a split need not be valid in a file name.
            file = f"split{split}-label{label}-{by_label[label]}.png"
            chosen.append((label, Picture(file, width, height, f"image of label {label}"), png))
            by_label[label] += 1
    chosen.sort(key=lambda one: one[0])
    return [(picture, png) for _, picture, png in chosen[:_MOST_PICTURES]]


def _unlabelled(examples: Sequence[Any], split: int) -> list[tuple[Picture, bytes]]:
    found = []
    for number, example in enumerate(examples[:_UNLABELLED_PICTURES]):
        if png := _png(example):
            width, height = struct.unpack(">II", png[16:_PNG_HEADER])
            found.append((Picture(f"split{split}-{number}.png", width, height, f"image {number}"), png))
    return found


def _labelled(examples: Sequence[Any]) -> Iterator[tuple[int, bytes]]:
    """Yield label and PNG file of the examples that have one of each."""
    for example in examples:
        feature = example.features.feature
        labels = list(feature[features.LABEL].int64_list.value) if features.LABEL in feature else []
        png = _png(example)
        if png and len(labels) == 1 and labels[0] >= 0:
            yield labels[0], png


def _png(example: Any) -> bytes:
    """Return the PNG file of an example; empty if it has none, or a large one."""
    feature = example.features.feature
    images = list(feature[features.IMAGE].bytes_list.value) if features.IMAGE in feature else []
    if len(images) == 1 and images[0].startswith(_PNG) and _PNG_HEADER <= len(images[0]) <= _LARGEST:
        return bytes(images[0])
    return b""
