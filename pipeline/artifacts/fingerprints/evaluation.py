"""Fingerprint `evaluation-1` of ModelEvaluation: what TFMA measured, and what it made of the thresholds.

* Metrics, plots and attributions (`metrics-*`, `plots-*`, `attributions-*`, all `.tfrecord`): for each slice, sorted
  by its key, an entry for each key, sorted. A single number counts as a double, anything else by the bytes of its
  message. A slice counts also when nothing was measured on it.
* The validation (`validations.tfrecord`): for each slice, sorted, its thresholds that were missed, sorted by metric;
  and all else, such as whether the model passed.
* The configuration (`eval_config.json`): every value (`json_values.py`). A module of ours that defines a metric counts
  as `components.metrics`, the name it had first: code may move without a changed digest.

Left out: the order in which slices and metrics were written, and over how many files; of the configuration
`modelLocations` and `dataLocation`, which are paths, and `version`, which is TFMA's. All other files, also these when
they cannot be read, count by name and bytes. Properties do not count. An evaluation is held in memory: it is small.
"""

from __future__ import annotations

import json
import pathlib
from collections.abc import Callable, Generator, Iterator
from typing import Any

from google.protobuf import json_format
from tensorflow_model_analysis.proto import metrics_for_slice_pb2, validation_result_pb2

from pipeline.artifacts.fingerprints import json_values, protobufs, tfrecords
from pipeline.artifacts.fingerprints.entries import ContentEntry
from pipeline.artifacts.fingerprints.files import Files
from pipeline.artifacts.types import StoredArtifact

FORM = "evaluation-1"
_LEFT_OUT = {"modelLocations", "dataLocation", "version"}
_OUR_CODE, _OUR_METRICS = "components.", "components.metrics"
# By the start of a file's name: the message in it, and the field with what belongs to the slice.
_TABLES = {
    "metrics": (metrics_for_slice_pb2.MetricsForSlice, "metric_keys_and_values"),
    "plots": (metrics_for_slice_pb2.PlotsForSlice, "plot_keys_and_values"),
    "attributions": (metrics_for_slice_pb2.AttributionsForSlice, "attributions_keys_and_values"),
}


def entries(artifact: StoredArtifact) -> Iterator[ContentEntry]:
    """Tables, validation, configuration, then other files."""
    files = Files(artifact.folder)
    for table, (kind, field) in _TABLES.items():
        names = [*files.take(f"{table}-*.tfrecord"), *files.take(f"{table}.tfrecord")]
        slices = yield from _records(files, names, kind)
        for one in sorted(slices, key=lambda one: (_slice(one), protobufs.serialized(one))):
            yield from _slice_entries(one, table, field)
    validations = yield from _records(files, files.take("validations.tfrecord"), validation_result_pb2.ValidationResult)
    for validation in validations:
        yield from _validation_entries(validation)
    for name in files.take("eval_config.json"):
        yield from files.parsed(name, _configuration)
    yield from files.rest()


def _records(files: Files, names: list[str], kind: Any) -> Generator[ContentEntry, None, list[Any]]:
    """Yields the files that cannot be read, returns the messages in the others."""
    found: list[Any] = []
    for name in names:
        try:
            found += [kind.FromString(record) for record in tfrecords.read(files.path(name))]
        except Exception:  # damage, or other messages: protobuf has several kinds of error
            yield files.raw(name)
    return found


def _slice_entries(one: Any, table: str, field: str) -> Iterator[ContentEntry]:
    place = _slice(one)
    yield protobufs.message_entry(f"{table} {place}", protobufs.without(one, field))
    for item in sorted(getattr(one, field), key=lambda item: (_key(item.key), protobufs.serialized(item))):
        name = f"{table.rstrip('s')} {_key(item.key)} {place}"
        if table == "metrics" and _is_number(item):
            yield ContentEntry(name, float(item.value.double_value.value))
        else:
            yield protobufs.message_entry(name, protobufs.without(item, "key"))


def _is_number(item: Any) -> bool:
    """Whether there is a double in it, and nothing else: no interval of confidence, no unknown field."""
    copy = protobufs.without(item, "key")
    copy.value.double_value.ClearField("value")
    bare = type(item)()
    bare.value.double_value.SetInParent()
    return item.value.WhichOneof("type") == "double_value" and protobufs.serialized(copy) == protobufs.serialized(bare)


def _slice(message: Any) -> str:
    """`overall` or `of slice label 3`."""
    if message.HasField("cross_slice_key"):
        return f"of slices {_as_json(message.cross_slice_key)}"
    parts = [
        f"{part.column} {_shown(getattr(part, part.WhichOneof('kind')))}" if part.WhichOneof("kind") else part.column
        for part in message.slice_key.single_slice_keys
    ]
    return f"of slice {', '.join(parts)}" if parts else "overall"


def _shown(value: Any) -> str:
    return value.decode(errors="backslashreplace") if isinstance(value, bytes) else str(value)


def _key(key: Any) -> str:
    """The name of a metric, and what else there is in its key."""
    fields = {field.name for field, _ in key.ListFields()}
    if "name" not in fields:
        return _as_json(key)
    rest = fields - {"name"}
    return f"{key.name} {_as_json(protobufs.without(key, 'name'))}" if rest else str(key.name)


def _as_json(message: Any) -> str:
    return json.dumps(json_format.MessageToDict(message), sort_keys=True)


def _validation_entries(validation: Any) -> Iterator[ContentEntry]:
    by_bytes: Callable[[Any], bytes] = protobufs.serialized
    for one in sorted(validation.metric_validations_per_slice, key=lambda one: (_slice(one), by_bytes(one))):
        yield protobufs.message_entry(f"validation {_slice(one)}", protobufs.without(one, "failures"))
        for failure in sorted(one.failures, key=lambda failure: (_key(failure.metric_key), by_bytes(failure))):
            yield protobufs.message_entry(f"failure of {_key(failure.metric_key)} {_slice(one)}", failure)
    rest = protobufs.without(validation, "metric_validations_per_slice")
    rest.missing_slices.sort(key=by_bytes)
    rest.missing_cross_slices.sort(key=by_bytes)
    rest.validation_details.slicing_details.sort(key=by_bytes)
    yield protobufs.message_entry("rest of the validation", rest)


def _configuration(path: pathlib.Path, name: str) -> Iterator[ContentEntry]:
    document = json_values.read(path)
    if not isinstance(document, dict):
        raise ValueError(f"{name} holds no object")
    yield from json_values.document_entries(
        {key: _without_places(value) for key, value in document.items() if key not in _LEFT_OUT}, name
    )


def _without_places(value: Any) -> Any:
    """The same tree of JSON values, without the places of our own modules in it."""
    if isinstance(value, dict):
        return {
            key: _OUR_METRICS
            if key == "module" and isinstance(inner, str) and inner.startswith(_OUR_CODE)
            else _without_places(inner)
            for key, inner in value.items()
        }
    return [_without_places(inner) for inner in value] if isinstance(value, list) else value
