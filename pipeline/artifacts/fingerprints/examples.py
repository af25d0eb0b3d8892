"""Fingerprint `examples-1` of Examples: the records of each split in order.

Splits are sorted by name: those in the property `split_names` (a JSON list), or else every folder `Split-<name>`. Each
split has an entry with its name, also if it is empty, and one for each record: its bytes, under its number from 0.
Records are in the order of the split's files, sorted by name. A file that is not TFRecords to its end also counts by
name and bytes, after the records before the damage.

Left out: names, number and compression of the files; other properties, which repeat the records (counts) or give
their source.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import tensorflow as tf

from components import json_text
from pipeline.artifacts.fingerprints import differences, tfrecords
from pipeline.artifacts.fingerprints.entries import ContentEntry
from pipeline.artifacts.fingerprints.files import Files
from pipeline.artifacts.types import StoredArtifact

FORM = "examples-1"
_FOLDER = "Split-"


def entries(artifact: StoredArtifact, files: Files) -> Iterator[ContentEntry]:
    """Yield the records of every split."""
    for split in _splits(artifact):
        yield ContentEntry(f"split {split}", split)
        number = 0
        for name in files.take_folder(f"{_FOLDER}{split}"):
            try:
                for record in tfrecords.read(files.path(name)):
                    yield ContentEntry(f"record {number} of {split}", record, _explain_records)
                    number += 1
            except ValueError:
                yield files.raw(name)


def _splits(artifact: StoredArtifact) -> list[str]:
    names = artifact.properties.get("split_names")
    if names:
        return sorted(str(name) for name in json_text.parse(str(names)))
    folders = artifact.folder.glob(f"{_FOLDER}*")
    return sorted(path.name.removeprefix(_FOLDER) for path in folders if path.is_dir())


def _explain_records(one: ContentEntry, other: ContentEntry) -> str:
    """Return the first feature that differs, if both records are tf.Examples: `feature label: 3 against 5`."""
    try:
        first, second = (tf.train.Example.FromString(entry.value).features.feature for entry in (one, other))
    except Exception:  # protobuf raises several kinds of error for bytes that are not a message
        return differences.values(one.value, other.value)
    for name in sorted({*first, *second}):
        if name not in second or name not in first:
            return f"only the {'first' if name in first else 'second'} has the feature {name}"
        if first[name] != second[name]:
            return f"feature {name}: {differences.values(_content(first[name]), _content(second[name]))}"
    return f"the same features, serialized differently: {differences.values(one.value, other.value)}"


def _content(feature: Any) -> Any:
    kind = feature.WhichOneof("kind")
    content = list(getattr(feature, kind).value) if kind else []
    return content[0] if len(content) == 1 else content
