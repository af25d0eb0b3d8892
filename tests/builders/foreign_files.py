"""Files of artifacts as any TFX pipeline leaves them: those of the tests of TFX, and small ones made here."""

from __future__ import annotations

import importlib.util
import pathlib
import shutil
import struct
from collections.abc import Callable, Iterable, Mapping
from typing import Any

from google.protobuf import text_format
from tensorflow_metadata.proto.v0 import anomalies_pb2

from pipeline.artifacts.payloads import evaluation, tfrecords

Write = Callable[[pathlib.Path], object]


def testdata() -> pathlib.Path:
    """Return the folder with TFX's own test data, which its package contains; TFX is not imported."""
    spec = importlib.util.find_spec("tfx")
    assert spec is not None
    assert spec.origin is not None
    return pathlib.Path(spec.origin).parent / "components" / "testdata"


def _copy(name: str) -> Write:
    return lambda folder: shutil.copytree(testdata() / name, folder)


def tfrecord(path: pathlib.Path, records: Iterable[bytes]) -> None:
    """Write a TFRecord file."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("wb") as file:
        for record in records:
            length = struct.pack("<Q", len(record))
            file.write(length + struct.pack("<I", tfrecords.checksum(length)))
            file.write(record + struct.pack("<I", tfrecords.checksum(record)))


METRICS = (
    'metric_keys_and_values { key { name: "auc" } value { double_value { value: 0.75 } } } '
    'metric_keys_and_values { key { name: "plot" } value {} }',
    'slice_key { single_slice_keys { column: "hour" int64_value: 5 } } '
    'metric_keys_and_values { key { name: "auc" } value { bounded_value { value { value: 0.5 } } } }',
)
VALIDATION = (
    'metric_validations_per_slice { slice_key { single_slice_keys { column: "hour" int64_value: 5 } } '
    'failures { metric_key { name: "auc" } metric_value { double_value { value: 0.5 } } message: "too low" } }'
)
ANOMALY = (
    'anomaly_info { key: "company" value { short_description: "Unexpected" description: "1 value is not known" } }'
)


def message(name: str, text: str) -> bytes:
    """Return the bytes of a message of TFMA, from its text."""
    made: Any = text_format.Parse(text, evaluation._MESSAGES[name]())
    return bytes(made.SerializeToString())


def _evaluation(folder: pathlib.Path) -> None:
    records = [message("MetricsForSlice", text) for text in METRICS]
    tfrecord(folder / "metrics-00000-of-00001.tfrecord", records)
    tfrecord(folder / "validations.tfrecord", [message("ValidationResult", VALIDATION)])


def _anomalies(folder: pathlib.Path) -> None:
    found = text_format.Parse(ANOMALY, anomalies_pb2.Anomalies())
    for split, content in (("train", b""), ("eval", found.SerializeToString())):
        (folder / f"Split-{split}").mkdir(parents=True)
        (folder / f"Split-{split}" / "SchemaDiff.pb").write_bytes(content)


def _blessing(folder: pathlib.Path) -> None:
    folder.mkdir(parents=True)
    (folder / "NOT_BLESSED").touch()


TYPES = {"transform_graph": "TransformGraph", "infra_blessing": "InfraBlessing"}
# By key of the output: the node, and what writes the files.
WRITERS: Mapping[str, tuple[str, Write]] = {
    "examples": ("CsvExampleGen", _copy("penguin/data")),
    "statistics": ("StatisticsGen", _copy("statistics_gen")),
    "schema": ("SchemaGen", _copy("schema_gen")),
    "anomalies": ("ExampleValidator", _anomalies),
    "transform_graph": ("Transform", _copy("transform/transform_graph")),
    "model": ("Trainer", _copy("trainer/keras")),
    "evaluation": ("Evaluator", _evaluation),
    "blessing": ("Blesser", _blessing),
}
