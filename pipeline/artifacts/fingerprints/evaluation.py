"""Fingerprint `evaluation-1` of ModelEvaluation: TFMA's metrics, and its validation of the thresholds.

* Metrics, plots and attributions (`metrics-*`, `plots-*`, `attributions-*`, all `.tfrecord`): for each slice, sorted
  by key, an entry for each metric, sorted. A single number counts as a double, anything else by the bytes of its
  message. A slice without metrics counts as well.
* The validation (`validations.tfrecord`): for each slice, sorted, the thresholds that were not met, sorted by metric;
  and everything else, such as whether the model passed.
* The configuration (`eval_config.json`): every value (`json_values.py`). A module of this project that defines a metric
  counts as `components.metrics`, its first name: moving code does not change the digest.

Left out: the order of slices and metrics, and the number of files; of the configuration `modelLocations` and
`dataLocation`, which are paths, and `version`, which is TFMA's; properties. An evaluation fits in memory.
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
# By prefix of the file name: the type of its messages, and the field that contains the metrics of the slice.
_TABLES = {
    "metrics": (metrics_for_slice_pb2.MetricsForSlice, "metric_keys_and_values"),
    "plots": (metrics_for_slice_pb2.PlotsForSlice, "plot_keys_and_values"),
    "attributions": (metrics_for_slice_pb2.AttributionsForSlice, "attributions_keys_and_values"),
}


def entries(artifact: StoredArtifact, files: Files) -> Iterator[ContentEntry]:
    """Yield tables, validation and configuration."""
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


def _records(files: Files, names: list[str], kind: Any) -> Generator[ContentEntry, None, list[Any]]:
    """Yield the files that cannot be read; return the messages in the others."""
    found: list[Any] = []
    for name in names:
        try:
            found += [kind.FromString(record) for record in tfrecords.read(files.path(name))]
        except Exception:  # damage, or another message type: protobuf raises several kinds of error
            yield files.raw(name)
    return found


def _slice_entries(one: Any, table: str, field: str) -> Iterator[ContentEntry]:
    slice_ = _slice(one)
    yield protobufs.message_entry(f"{table} {slice_}", protobufs.without(one, field))
    for item in sorted(getattr(one, field), key=lambda item: (_key(item.key), protobufs.serialized(item))):
        name = f"{table.rstrip('s')} {_key(item.key)} {slice_}"
        if table == "metrics" and _is_number(item):
            yield ContentEntry(name, float(item.value.double_value.value))
        else:
            yield protobufs.message_entry(name, protobufs.without(item, "key"))


def _is_number(item: Any) -> bool:
    """Return whether it contains a double and nothing else: no confidence interval, no unknown field."""
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
    """Return the name of a metric, and the other fields of its key."""
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
        raise ValueError(f"{name} is not a JSON object")
    yield from json_values.document_entries(
        {key: _without_modules(value) for key, value in document.items() if key not in _LEFT_OUT}, name
    )


def _without_modules(value: Any) -> Any:
    """Return a tree of JSON values with every module of this project replaced by `_OUR_METRICS`."""
    if isinstance(value, dict):
        return {
            key: _OUR_METRICS
            if key == "module" and isinstance(inner, str) and inner.startswith(_OUR_CODE)
            else _without_modules(inner)
            for key, inner in value.items()
        }
    return [_without_modules(inner) for inner in value] if isinstance(value, list) else value
