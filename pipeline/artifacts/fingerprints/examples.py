"""Fingerprint `examples-1` of Examples: the records of each split in order.

Splits come sorted by name: those in the property `split_names` (a JSON list), or, where there is none, those that have
a folder `Split-<name>`. Of each split there is an entry with its name, which counts also when the split is empty, and
then one for each record: its bytes, under its number in the split, from 0. Records come in the order in which they
stand in the split's files, which are read sorted by name.

Left out: names and number of the files and whether they are compressed, as the records are the same however they are
spread; the other properties, as they say what the records already are (their counts), or where they came from.

A file that cannot be read as TFRecords to its end counts by its name and bytes, after the records before the damage.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import tensorflow as tf

from pipeline.artifacts.fingerprints import differences, tfrecords
from pipeline.artifacts.fingerprints.entries import ContentEntry
from pipeline.artifacts.fingerprints.files import Files
from pipeline.artifacts.types import StoredArtifact

FORM = "examples-1"
_FOLDER = "Split-"


def entries(artifact: StoredArtifact) -> Iterator[ContentEntry]:
    """The records of every split."""
    files = Files(artifact.folder)
    for split in _splits(artifact):
        yield ContentEntry(f"split {split}", split)
        number = 0
        ending = f" of {split}"
        for name in files.take_folder(f"{_FOLDER}{split}"):
            try:
                for record in tfrecords.read(files.path(name)):
                    yield ContentEntry(f"record {number}{ending}", record, _explain_records)
                    number += 1
            except ValueError:
                yield files.raw(name)
    yield from files.rest()


def _splits(artifact: StoredArtifact) -> list[str]:
    names = artifact.properties.get("split_names")
    if names:
        return sorted(str(name) for name in json.loads(str(names)))
    folders = artifact.folder.glob(f"{_FOLDER}*")
    return sorted(path.name.removeprefix(_FOLDER) for path in folders if path.is_dir())


def _explain_records(one: ContentEntry, other: ContentEntry) -> str:
    """`feature label: 3 against 5`, where both records are tf.Examples."""
    try:
        first, second = (tf.train.Example.FromString(entry.value).features.feature for entry in (one, other))
    except Exception:  # protobuf has several kinds of error for bytes that are no message
        return differences.values(one.value, other.value)
    for name in sorted({*first, *second}):
        if name not in second or name not in first:
            return f"only the {'first' if name in first else 'second'} has the feature {name}"
        if first[name] != second[name]:
            return f"feature {name}: {differences.values(_content(first[name]), _content(second[name]))}"
    return f"the same features, written in another way: {differences.values(one.value, other.value)}"


def _content(feature: Any) -> Any:
    kind = feature.WhichOneof("kind")
    content = list(getattr(feature, kind).value) if kind else []
    return content[0] if len(content) == 1 else content
