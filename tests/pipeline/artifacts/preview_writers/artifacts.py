"""Artifacts to show: small folders made by hand."""

from __future__ import annotations

import pathlib
from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np

from components.report import png
from pipeline.artifacts.types import StoredArtifact
from tests import lazy
from tests.pipeline.artifacts.fingerprints.folders import write

tf = lazy.module("tensorflow")

__all__ = ["artifact", "example", "grey", "tfrecord", "write"]


def artifact(
    type_name: str,
    folder: pathlib.Path,
    *,
    inputs: Mapping[str, pathlib.Path] | None = None,
    siblings: Mapping[str, pathlib.Path] | None = None,
    **properties: str | int | float,
) -> StoredArtifact:
    return StoredArtifact(type_name, folder, properties, inputs or {}, siblings or {})


def grey(value: float, height: int = 2, width: int = 3) -> bytes:
    """A PNG file of one grey."""
    return png.png_of(np.full((height, width), value, np.float32))


def example(**values: Any) -> bytes:
    """A tf.Example of whole numbers, texts and fractions, or of lists of these."""
    made = tf.train.Example()
    for name, value in values.items():
        content = value if isinstance(value, list) else [value]
        feature = made.features.feature[name]
        if content and isinstance(content[0], bytes):
            feature.bytes_list.value.extend(content)
        elif content and isinstance(content[0], float):
            feature.float_list.value.extend(content)
        elif content:
            feature.int64_list.value.extend(content)
    return bytes(made.SerializeToString(deterministic=True))


def tfrecord(path: pathlib.Path, records: Iterable[bytes], packed: bool = False) -> None:
    """Writes records into a file."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with tf.io.TFRecordWriter(str(path), options="GZIP" if packed else "") as writer:
        for record in records:
            writer.write(record)
