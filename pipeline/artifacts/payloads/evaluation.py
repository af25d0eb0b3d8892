"""ModelEvaluation: TFMA's metrics overall and by slice, and which thresholds were not met."""

from __future__ import annotations

import math
import pathlib
from collections.abc import Iterator, Mapping
from typing import Any

from pipeline.artifacts.payloads import files, messages, tfrecords
from pipeline.artifacts.sections import Pairs, Preview, Section, Table, TableColumn, Text
from pipeline.artifacts.types import PNGs, StoredArtifact

_METRICS = ("metrics-*.tfrecord", "metrics.tfrecord", "metrics")  # the last: of TFMA up to 0.21
_VALIDATIONS = ("validations.tfrecord", "validations")
_PARQUET = "metrics*.parquet"
_LARGEST = 8 * files.MIB  # of a file: its checksums are computed by Python code
_MOST_FILES = 50
_MOST_SLICES = 500
_MOST_COLUMNS = 30
_MOST_FAILURES = 100
_CANDIDATE = ("", "candidate")  # names of the model that is evaluated
_SUB_KEYS = {"class_id": "class", "k": "k", "top_k": "top"}

# From metrics_for_slice.proto and validation_result.proto of TFMA, and wrappers.proto.
_MESSAGES = messages.classes(
    "sae.tfma",
    """
    message MetricsForSlice {
      SliceKey slice_key = 1;
      map<string, MetricValue> metrics = 2;  // of TFMA up to 0.21
      CrossSliceKey cross_slice_key = 3;
      repeated MetricKeyAndValue metric_keys_and_values = 51;
    }
    message SliceKey {
      repeated SingleSliceKey single_slice_keys = 1;
    }
    message SingleSliceKey {
      string column = 1;
      bytes bytes_value = 2;
      float float_value = 3;
      int64 int64_value = 4;
    }
    message CrossSliceKey {
      SliceKey baseline_slice_key = 1;
      SliceKey comparison_slice_key = 2;
    }
    message MetricKeyAndValue {
      MetricKey key = 1;
      MetricValue value = 2;
    }
    message MetricKey {
      string name = 1;
      string output_name = 2;
      SubKey sub_key = 3;
      string model_name = 4;
      bool is_diff = 5;
    }
    message SubKey {
      Int32Value class_id = 1;
      Int32Value k = 2;
      Int32Value top_k = 3;
    }
    message Int32Value {
      int32 value = 1;
    }
    message DoubleValue {
      double value = 1;
    }
    message BoundedValue {
      DoubleValue value = 3;
    }
    message MetricValue {
      DoubleValue double_value = 1;
      BoundedValue bounded_value = 2;
    }
    message ValidationResult {
      bool validation_ok = 1;
      repeated MetricsValidationForSlice metric_validations_per_slice = 2;
      bool missing_thresholds = 6;
      bool rubber_stamp = 7;
    }
    message MetricsValidationForSlice {
      SliceKey slice_key = 2;
      repeated ValidationFailure failures = 3;
      CrossSliceKey cross_slice_key = 4;
    }
    message ValidationFailure {
      MetricKey metric_key = 1;
      MetricValue metric_value = 3;
      string message = 4;
    }
    """,
)


def make(artifact: StoredArtifact) -> tuple[Preview, PNGs] | None:
    """Return the preview; None without a file of metrics. Numbers that are not finite are left out."""
    slices: dict[str, dict[str, float | None]] = {}
    for path in _found(artifact.folder, _METRICS):
        for one in _records("MetricsForSlice", path):
            slices.setdefault(_slice(one), {}).update(_values(one))
            if len(slices) > _MOST_SLICES:
                break
    sections = list(_sections(slices))
    for path in _found(artifact.folder, _VALIDATIONS):
        sections += [_validation(one) for one in _records("ValidationResult", path)][:1]
    if not sections and any(artifact.folder.glob(_PARQUET)):
        sections.append(Text("the metrics are Parquet files, which are not shown"))
    return (Preview("evaluation", tuple(sections)), {}) if sections else None


def _found(folder: pathlib.Path, patterns: tuple[str, ...]) -> list[pathlib.Path]:
    """Return the files of the first pattern that has some."""
    names = (sorted(folder.glob(pattern)) for pattern in patterns)
    return next((found[:_MOST_FILES] for found in names if found), [])


def _records(name: str, path: pathlib.Path) -> Iterator[Any]:
    return (files.parsed(_MESSAGES[name], record, path) for record in tfrecords.read(path, _LARGEST))


def _sections(slices: Mapping[str, Mapping[str, float | None]]) -> Iterator[Section]:
    overall = slices.get("", {})
    if overall:
        yield Pairs("metrics", {name: value for name, value in overall.items() if value is not None})
    others = sorted((name, values) for name, values in slices.items() if name)[:_MOST_SLICES]
    numbers = [name for _, values in others for name, value in values.items() if value is not None]
    names = list(dict.fromkeys(numbers))[:_MOST_COLUMNS]
    if others and names:
        columns = (TableColumn("slice"), *(TableColumn(name, "number") for name in names))
        rows = tuple((slice_, *(values.get(name) for name in names)) for slice_, values in others)
        yield Table("metrics of slices", columns, rows)
    shown = {*numbers, *(name for name, value in overall.items() if value is not None)}
    hidden = sorted({name for values in slices.values() for name in values} - shown)
    if hidden:
        yield Text("metrics that are no finite number are not shown", items=tuple(hidden[:_MOST_COLUMNS]))


def _validation(found: Any) -> Text:
    """Return whether the thresholds were met, and those that were not."""
    title = "thresholds"
    if found.missing_thresholds:
        return Text("there are no thresholds", title=title)
    failures = tuple(
        " ".join(part for part in (_metric(one.metric_key), _of(_slice(per_slice)), _reason(one)) if part)
        for per_slice in found.metric_validations_per_slice
        for one in per_slice.failures
    )[:_MOST_FAILURES]
    if found.validation_ok:
        text = "only for the first model, which has no baseline" if found.rubber_stamp else ""
        return Text(text, "thresholds passed", True, failures, title=title)
    return Text("" if failures else "no reason is recorded", "thresholds not met", False, failures, title=title)


def _of(slice_: str) -> str:
    return f"of {slice_}" if slice_ else ""


def _reason(failure: Any) -> str:
    value = _number(failure.metric_value)
    return f"{'' if value is None else f'is {value:.6g}'}{': ' if failure.message else ''}{failure.message}"


def _slice(found: Any) -> str:
    """Return `label 3`, `day 1, hour 5` or `A compared with B`; empty for all examples."""
    if found.HasField("cross_slice_key"):
        compared, baseline = found.cross_slice_key.comparison_slice_key, found.cross_slice_key.baseline_slice_key
        return f"{_key(compared) or 'overall'} compared with {_key(baseline) or 'overall'}"
    return _key(found.slice_key)


def _key(key: Any) -> str:
    return ", ".join(f"{one.column} {_key_value(one)}".rstrip() for one in key.single_slice_keys)


def _key_value(one: Any) -> str:
    if one.HasField("bytes_value"):
        return str(one.bytes_value.decode(errors="backslashreplace"))
    if one.HasField("float_value"):
        return f"{one.float_value:.7g}"
    return str(one.int64_value) if one.HasField("int64_value") else ""


def _values(found: Any) -> dict[str, float | None]:
    """Return the metrics of a slice by name; None for those that are no single finite number."""
    values = {_metric(one.key): _number(one.value) for one in found.metric_keys_and_values}
    return values or {name: _number(value) for name, value in sorted(found.metrics.items())}


def _metric(key: Any) -> str:
    """Return the name of a metric, with what else identifies it: `auc (model baseline, class 3)`."""
    parts = [f"model {key.model_name}"] if key.model_name not in _CANDIDATE else []
    parts += [f"output {key.output_name}"] if key.output_name else []
    parts += [
        f"{title} {getattr(key.sub_key, name).value}" for name, title in _SUB_KEYS.items() if key.sub_key.HasField(name)
    ]
    parts += ["difference from the baseline"] if key.is_diff else []
    return f"{key.name} ({', '.join(parts)})" if parts else str(key.name)


def _number(value: Any) -> float | None:
    if value.HasField("double_value"):
        found = value.double_value.value
    elif value.HasField("bounded_value"):
        found = value.bounded_value.value.value
    else:
        return None
    return float(found) if math.isfinite(found) else None
