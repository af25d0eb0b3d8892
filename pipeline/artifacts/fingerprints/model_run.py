"""Fingerprint `model-run-1` of ModelRun: the logs and history of training.

* TensorBoard's event files (`events.out.tfevents.*`), for each folder in the order of names and records: each value of
  a summary under its tag and step, as an array or else by its bytes, with its metadata; other events by their bytes.
* Arrays (`*.npz`): by the names of file and array, sorted.
* Documents (`*.json`): every value (`json_values.py`). In a list of objects with an `epoch`, such as the history of
  losses, values are named by epoch.

Left out: names of event files, which contain time and machine; the wall time of events; the first event of a file, the
version of its format; the compression of arrays; properties.
"""

from __future__ import annotations

import pathlib
from collections.abc import Iterator
from typing import Any

import numpy as np
import tensorflow as tf

from pipeline.artifacts.fingerprints import json_values, protobufs, tfrecords
from pipeline.artifacts.fingerprints.entries import ContentEntry
from pipeline.artifacts.fingerprints.files import Files
from pipeline.artifacts.types import StoredArtifact

FORM = "model-run-1"
_EVENTS = "events.out.tfevents.*"


def entries(artifact: StoredArtifact, files: Files) -> Iterator[ContentEntry]:
    """Yield events, arrays and documents."""
    for name in sorted(files.take_named(_EVENTS), key=_folder_first):
        try:
            for record in tfrecords.read(files.path(name)):
                yield from _event(tf.compat.v1.Event.FromString(record), _folder_first(name)[0])
        except Exception:  # not records, or not events: protobuf raises several kinds of error
            yield files.raw(name)
    for name in files.take("*.npz"):
        yield from _arrays(files, name)
    for name in files.take("*.json"):
        yield from files.parsed(name, _document)


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
    except Exception:  # on damage zipfile, zlib and NumPy each raise their own
        yield files.raw(name)


def _document(path: pathlib.Path, name: str) -> Iterator[ContentEntry]:
    document = json_values.read(path)
    if isinstance(document, list) and document and all(map(_has_epoch, document)):
        for losses in document:
            yield from json_values.document_entries(losses, f"epoch {losses['epoch']} in {name}")
    else:
        yield from json_values.document_entries(document, name)


def _has_epoch(losses: Any) -> bool:
    return isinstance(losses, dict) and isinstance(losses.get("epoch"), int)
