"""Fingerprint `model-run-1` of ModelRun: what training wrote about itself.

* TensorBoard's event files (`events.out.tfevents.*`): of each folder with such files, in the order of their names and
  then of their records, each value of a summary under its tag and step, as an array where it is one and else by its
  bytes, with its metadata; and every other event by its bytes.
* Arrays (`*.npz`): by the file's name and theirs, sorted.
* Documents (`*.json`): every value (`documents.py`). In a list of objects that each have an `epoch`, as the history of
  the losses is, a value is named by that.

Left out: names of event files, which hold the time and the machine; the wall time of every event; the first event of a
file, which tells the version of its format; how arrays are compressed. All other files count by name and bytes.
Properties do not count.
"""

from __future__ import annotations

import pathlib
from collections.abc import Iterable, Iterator
from typing import Any

import numpy as np
import tensorflow as tf

from pipeline.artifacts.fingerprints import json_values, protobufs, tfrecords
from pipeline.artifacts.fingerprints.entries import ContentEntry
from pipeline.artifacts.fingerprints.files import Files
from pipeline.artifacts.types import StoredArtifact

FORM = "model-run-1"
_EVENTS = "events.out.tfevents.*"


def entries(artifact: StoredArtifact) -> Iterator[ContentEntry]:
    """Events, arrays, documents, then other files."""
    files = Files(artifact.folder)
    for name in sorted([*files.take(_EVENTS), *files.take(f"*/{_EVENTS}")], key=_folder_first):
        try:
            for record in tfrecords.read(files.path(name)):
                yield from _event(tf.compat.v1.Event.FromString(record), _folder_first(name)[0])
        except Exception:  # no records, or none of events: protobuf has several kinds of error
            yield files.raw(name)
    for name in files.take("*.npz"):
        yield from _arrays(files, name)
    for name in files.take("*.json"):
        yield from files.parsed(name, _document)
    yield from files.rest()


def _folder_first(name: str) -> tuple[str, str]:
    folder, _, file = name.rpartition("/")
    return folder, file


def _event(event: Any, folder: str) -> Iterator[ContentEntry]:
    kind = event.WhichOneof("what")
    if kind == "file_version":
        return
    label = f" in {folder}" if folder else ""
    if kind != "summary":
        yield protobufs.message_entry(
            f"event {kind} at step {event.step}{label}", protobufs.without(event, "wall_time")
        )
        return
    for value in event.summary.value:
        name = f"{value.tag} at step {event.step}{label}"
        yield _summary_value(name, value)
        yield protobufs.message_entry(f"metadata of {name}", protobufs.without(value, "tag", "tensor", "simple_value"))


def _summary_value(name: str, value: Any) -> ContentEntry:
    kind = value.WhichOneof("value")
    if kind == "simple_value":
        return ContentEntry(name, np.asarray(value.simple_value, np.float32))
    if kind == "tensor":
        return ContentEntry(name, np.asarray(tf.make_ndarray(value.tensor)))
    return protobufs.message_entry(name, value)


def _arrays(files: Files, name: str) -> Iterator[ContentEntry]:
    try:
        with np.load(files.path(name), allow_pickle=False) as arrays:
            for key in sorted(arrays.files):
                yield ContentEntry(f"array {key} of {name}", arrays[key])
    except Exception:  # zipfile, zlib and NumPy each raise their own on damage
        yield files.raw(name)


def _document(path: pathlib.Path, name: str) -> Iterator[ContentEntry]:
    document = json_values.read(path)
    if not _has_epochs(document):
        yield from json_values.document_entries(document, name)
        return
    for losses in document:
        yield from json_values.document_entries(losses, f"epoch {losses['epoch']} in {name}")


def _has_epochs(document: Any) -> bool:
    return (
        isinstance(document, Iterable)
        and not isinstance(document, (str, dict))
        and bool(document)
        and all(isinstance(item, dict) and isinstance(item.get("epoch"), int) for item in document)
    )
