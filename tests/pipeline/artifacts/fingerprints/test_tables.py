"""Schema, statistics, anomalies, evaluation and model run: orders, paths and times do not count; values do."""

from __future__ import annotations

import json
import pathlib
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import pytest

from pipeline.artifacts import fingerprints
from tests import lazy
from tests.pipeline.artifacts.fingerprints.folders import artifact, assert_differ, assert_same, write
from tests.pipeline.artifacts.fingerprints.test_examples import tfrecord

anomalies_pb2 = lazy.module("tensorflow_metadata.proto.v0.anomalies_pb2")
metrics_pb2 = lazy.module("tensorflow_model_analysis.proto.metrics_for_slice_pb2")
statistics_pb2 = lazy.module("tensorflow_metadata.proto.v0.statistics_pb2")
text_format = lazy.module("google.protobuf.text_format")
tf = lazy.module("tensorflow")
validation_pb2 = lazy.module("tensorflow_model_analysis.proto.validation_result_pb2")

pytestmark = pytest.mark.component

Make = Callable[..., Any]


@pytest.fixture
def make(tmp_path: pathlib.Path) -> Make:
    """Writes an artifact of this type with these files."""

    def made(type_name: str, name: str, files: Mapping[str, bytes]) -> Any:
        return artifact(type_name, write(tmp_path / name, files))

    return made


# --- schema

A, B = 'feature { name: "a" type: BYTES }', 'feature { name: "b" type: INT int_domain { min: 0 max: 9 } }'


@pytest.mark.parametrize("type_name", ["Schema", "TransformGraph"])
def test_comments_spacing_and_order_of_features_do_not_count_in_a_schema(make: Make, type_name: str) -> None:
    one = make(type_name, "x", {"in/schema.pbtxt": f"# hello\n{A}\n{B}".encode()})
    assert_same(one, make(type_name, "y", {"in/schema.pbtxt": f"{B}   {A}".encode()}))
    other = make(type_name, "z", {"in/schema.pbtxt": f"{A}{B}".replace("9", "8").encode()})
    assert assert_differ(one, other) == "feature b of in/schema.pbtxt differs: int_domain.max: 9 against 8"
    more = make(type_name, "u", {"in/schema.pbtxt": f"{A}{B} dataset_constraints {{ min_examples_count: 1 }}".encode()})
    assert assert_differ(one, more) == (
        "rest of in/schema.pbtxt differs: only the second has dataset_constraints.min_examples_count"
    )
    less = make(type_name, "v", {"in/schema.pbtxt": B.encode()})
    assert assert_differ(one, less) == "only the first has feature a of in/schema.pbtxt"


def test_a_schema_that_cannot_be_read_counts_by_its_bytes(make: Make) -> None:
    files = [{"schema.pbtxt": text} for text in (b"no schema", b"no schema # here")]
    one, other = (make("Schema", name, content) for name, content in zip("ab", files, strict=True))
    assert assert_differ(one, other) == "file schema.pbtxt differs: 9 against 16 bytes, from byte 9 on"


# --- statistics and anomalies

FEATURES = (
    'features { path { step: "label" } type: INT num_stats { mean: 4.5 common_stats { num_non_missing: 3 } } }',
    'features { path { step: "image" } type: BYTES bytes_stats { avg_num_bytes: 271.5 } }',
)


def statistics(text: str) -> dict[str, bytes]:
    message = text_format.Parse(text, statistics_pb2.DatasetFeatureStatisticsList())
    return {"Split-train/FeatureStats.pb": message.SerializeToString()}


def test_order_of_features_does_not_count_in_statistics(make: Make) -> None:
    texts = (f"datasets {{ num_examples: 3 {' '.join(features)} }}" for features in (FEATURES, reversed(FEATURES)))
    one, other = (make("ExampleStatistics", name, statistics(text)) for name, text in zip("ab", texts, strict=True))
    assert (one.folder / "Split-train/FeatureStats.pb").read_bytes() != (
        other.folder / "Split-train/FeatureStats.pb"
    ).read_bytes()
    assert_same(one, other)


@pytest.mark.parametrize(
    ("old", "new", "words"),
    [
        ("mean: 4.5", "mean: 4.500000000000001", "feature label of X differs: num_stats.mean: 4.5 against 4.5000"),
        (
            "num_non_missing: 3",
            "num_non_missing: 4",
            "feature label of X differs: num_stats.common_stats.num_non_missing: 3 against 4",
        ),
        ("num_examples: 3", "num_examples: 4", "rest of X differs: num_examples: 3 against 4"),
        ('"image"', '"picture"', "only the first has feature image of X"),
        ("271.5", "-0.0", "feature image of X differs: bytes_stats.avg_num_bytes: 271.5 against -0.0"),
    ],
)
def test_a_statistic_that_differs_is_named(make: Make, old: str, new: str, words: str) -> None:
    text = f"datasets {{ num_examples: 3 {' '.join(FEATURES)} }}"
    one = make("ExampleStatistics", "a", statistics(text))
    line = assert_differ(one, make("ExampleStatistics", "b", statistics(text.replace(old, new))))
    assert line.startswith(words.replace("X", "Split-train/FeatureStats.pb"))


def test_an_anomaly_that_differs_is_named(make: Make) -> None:
    def anomalies(text: str) -> dict[str, bytes]:
        return {"Split-a/SchemaDiff.pb": text_format.Parse(text, anomalies_pb2.Anomalies()).SerializeToString()}

    info = 'anomaly_info { key: "%s" value { description: "%s" } }'
    one = make("ExampleAnomalies", "a", anomalies(info % ("label", "large") + info % ("image", "none")))
    assert_same(one, make("ExampleAnomalies", "b", anomalies(info % ("image", "none") + info % ("label", "large"))))
    assert assert_differ(
        one, make("ExampleAnomalies", "c", anomalies(info % ("label", "small") + info % ("image", "none")))
    ) == ("anomaly of label in Split-a/SchemaDiff.pb differs: description: 'large' against 'small'")
    assert assert_differ(one, make("ExampleAnomalies", "d", anomalies(info % ("label", "large")))) == (
        "only the first has anomaly of image in Split-a/SchemaDiff.pb"
    )


# --- evaluation


def measured(label: int | None, **metrics: float) -> bytes:
    made = metrics_pb2.MetricsForSlice()
    made.slice_key.SetInParent()
    if label is not None:
        made.slice_key.single_slice_keys.add(column="label", int64_value=label)
    for name, value in metrics.items():
        item = made.metric_keys_and_values.add()
        item.key.name = name
        item.value.double_value.value = value
    content: bytes = made.SerializeToString()
    return content


def failed(*labels: int, value: float = 0.5) -> bytes:
    made = validation_pb2.ValidationResult()
    for label in labels:
        of_slice = made.metric_validations_per_slice.add()
        of_slice.slice_key.single_slice_keys.add(column="label", int64_value=label)
        failure = of_slice.failures.add()
        failure.metric_key.name = "bce"
        failure.metric_value.double_value.value = value + label
        detail = made.validation_details.slicing_details.add(num_matching_slices=1)
        detail.slicing_spec.feature_keys.append(str(label))
    content: bytes = made.SerializeToString()
    return content


CONFIG = {"evalConfig": {"options": {"x": 1}}, "version": "1", "modelLocations": {"": "/here"}, "dataLocation": "/d"}


@pytest.fixture
def evaluated(make: Make, tmp_path: pathlib.Path) -> Make:
    def made(name: str, slices: list[bytes], validation: bytes, config: Any, **more: bytes) -> Any:
        files = {
            "metrics-00000-of-00001.tfrecord": tfrecord(slices, tmp_path / "scratch"),
            "validations.tfrecord": tfrecord([validation], tmp_path / "scratch"),
            "eval_config.json": json.dumps(config).encode(),
        }
        return make("ModelEvaluation", name, {**files, **more})

    return made


def test_orders_and_paths_do_not_count_in_an_evaluation(evaluated: Make) -> None:
    slices = [measured(None, bce=0.1, mse=0.2), measured(3, bce=0.3), measured(2, bce=0.4)]
    mixed = [slices[2], measured(None, mse=0.2, bce=0.1), slices[1]]
    moved = {**CONFIG, "modelLocations": {"": "/there"}, "dataLocation": "", "version": "2"}
    assert_same(evaluated("a", slices, failed(1, 2), CONFIG), evaluated("b", mixed, failed(2, 1), moved))
    stream = list(fingerprints.content_entries(evaluated("c", slices[:1], failed(), CONFIG))[1])
    assert [(entry.name, entry.value) for entry in stream if entry.name.startswith("metric ")] == [
        ("metric bce overall", 0.1),
        ("metric mse overall", 0.2),
    ]


def test_the_place_of_our_own_code_does_not_count_and_that_of_other_code_does(evaluated: Make) -> None:
    def of(name: str, module: str) -> Any:
        metric = {"className": "SparseAutoencoderMetrics", "module": module}
        config = {"evalConfig": {"metricsSpecs": [{"metrics": [metric]}]}}
        return evaluated(name, [measured(None, bce=0.1)], failed(), config)

    first = of("a", "components.metrics")
    assert_same(first, of("b", "components.evaluation.tfma_metric"))
    assert assert_differ(first, of("c", "strangers.metrics")).endswith(
        "'components.metrics' against 'strangers.metrics'"
    )


@pytest.mark.parametrize(
    ("slices", "validation", "config", "words"),
    [
        ([(None, 0.1), (3, 0.3000000001)], (1,), CONFIG, "metric bce of slice label 3 differs: 0.3 against 0.30000000"),
        ([(None, -0.0), (3, 0.3)], (1,), CONFIG, "metric bce overall differs: 0.1 against -0.0"),
        ([(None, 0.1)], (1,), CONFIG, "only the first has metrics of slice label 3"),
        ([(None, 0.1), (3, 0.3)], (), CONFIG, "only the first has validation of slice label 1"),
        ([(None, 0.1), (3, 0.3)], (1, 4), CONFIG, "only the second has validation of slice label 4"),
        (
            [(None, 0.1), (3, 0.3)],
            (1,),
            {**CONFIG, "evalConfig": {"options": {"x": 2}}},
            "evalConfig.options.x of eval_config.json differs: 1 against 2",
        ),
        ([(None, 0.1), (3, 0.3)], (1,), {**CONFIG, "more": 1}, "only the second has more of eval_config.json"),
    ],
)
def test_what_was_measured_counts(evaluated: Make, slices: Any, validation: Any, config: Any, words: str) -> None:
    one = evaluated("a", [measured(None, bce=0.1), measured(3, bce=0.3)], failed(1), CONFIG)
    other = evaluated("b", [measured(label, bce=value) for label, value in slices], failed(*validation), config)
    assert assert_differ(one, other).startswith(words)


def test_a_missed_threshold_whether_the_model_passed_and_other_files_count(evaluated: Make) -> None:
    slices = [measured(None, bce=0.1)]
    one = evaluated("a", slices, failed(1), CONFIG)
    assert assert_differ(one, evaluated("b", slices, failed(1, value=0.25), CONFIG)) == (
        "failure of bce of slice label 1 differs: metric_value.double_value.value: 1.5 against 1.25"
    )
    passed = validation_pb2.ValidationResult.FromString(failed(1))
    passed.validation_ok = True
    assert "rest of the validation differs: only the second has validation_ok" in assert_differ(
        one, evaluated("c", slices, passed.SerializeToString(), CONFIG)
    )
    assert assert_differ(one, evaluated("d", slices, failed(1), CONFIG, notes=b"")) == "only the second has file notes"


def test_a_value_that_is_no_single_number_counts_whole(evaluated: Make) -> None:
    made = []
    for bound in (0.05, 0.06):
        message = metrics_pb2.MetricsForSlice.FromString(measured(None, bce=0.1))
        message.metric_keys_and_values[0].confidence_interval.lower_bound.double_value.value = bound
        made.append(evaluated(str(bound), [message.SerializeToString()], failed(), CONFIG))
    assert assert_differ(*made) == (
        "metric bce overall differs: confidence_interval.lower_bound.double_value.value: 0.05 against 0.06"
    )


# --- model run


def events(folder: pathlib.Path, loss: float, time: float, tag: str = "loss", old: bool = False) -> bytes:
    """An event file of two steps; `old`: with values as TensorFlow 1 wrote them."""
    records = [tf.compat.v1.Event(wall_time=time, file_version="brain.Event:2").SerializeToString()]
    for step in (1, 2):
        event = tf.compat.v1.Event(wall_time=time + step, step=step)
        value = event.summary.value.add(tag=tag)
        if old:
            value.simple_value = loss * step
        else:
            value.tensor.CopyFrom(tf.make_tensor_proto(np.float32(loss * step)))
            value.metadata.plugin_data.plugin_name = "scalars"
        records.append(event.SerializeToString())
    return tfrecord(records, folder)


HISTORY = [{"epoch": 1, "loss": 0.5}, {"epoch": 2, "loss": 0.25}]


@pytest.fixture
def trained(make: Make, tmp_path: pathlib.Path) -> Make:
    def made(name: str, loss: float = 0.5, time: float = 1, host: str = "a", **changed: Any) -> Any:
        arrays = {"mean": np.float32([1, 2]), "components": np.eye(2), **changed.get("arrays", {})}
        path = tmp_path / "arrays.npz"
        (np.savez_compressed if changed.get("packed") else np.savez)(path, **arrays)
        files = {
            f"events.out.tfevents.{int(time):010}.{host}.1.0.v2": events(
                tmp_path / "scratch", loss, time, changed.get("tag", "loss"), changed.get("old", False)
            ),
            "history.json": json.dumps(changed.get("history", HISTORY)).encode(),
            "pca.npz": path.read_bytes(),
        }
        return make("ModelRun", name, {**files, **changed.get("files", {})})

    return made


def test_times_hosts_and_compression_do_not_count_in_a_model_run(trained: Make) -> None:
    one = trained("a")
    assert_same(one, trained("b", time=77, host="other", packed=True))
    names = [entry.name for entry in fingerprints.content_entries(one)[1]]
    assert names == [
        *["loss at step 1", "metadata of loss at step 1", "loss at step 2", "metadata of loss at step 2"],
        *["array components of pca.npz", "array mean of pca.npz"],
        *["epoch of epoch 1 in history.json", "loss of epoch 1 in history.json"],
        *["epoch of epoch 2 in history.json", "loss of epoch 2 in history.json"],
    ]


@pytest.mark.parametrize(
    ("changed", "words"),
    [
        ({"loss": 0.25}, "loss at step 1 differs: 0.5 against 0.25"),
        ({"tag": "bce"}, "only the first has loss at step 1"),
        ({"old": True}, "metadata of loss at step 1 differs: "),
        (
            {"arrays": {"mean": np.float32([1, 3])}},
            "array mean of pca.npz differs: 1 of 2 values, largest difference 1",
        ),
        ({"arrays": {"mean": np.float64([1, 2])}}, "array mean of pca.npz differs: dtype float32 against float64"),
        ({"arrays": {"more": np.float64([1])}}, "only the second has array more of pca.npz"),
        (
            {"history": [HISTORY[0], {"epoch": 2, "loss": 0.25000001}]},
            "loss of epoch 2 in history.json differs: 0.25 against 0.25000001",
        ),
        ({"history": HISTORY[:1]}, "only the first has epoch of epoch 2 in history.json"),
        ({"history": {"loss": 1}}, "only the first has epoch of epoch 1 in history.json"),
        ({"files": {"pca.npz": b"PK damaged"}}, "only the first has array components of pca.npz"),
        ({"files": {"notes": b""}}, "only the second has file notes"),
        ({"files": {"events.out.tfevents.9.x": b"damaged"}}, "only the second has file events.out.tfevents.9.x"),
    ],
)
def test_what_training_wrote_counts(trained: Make, changed: Any, words: str) -> None:
    assert assert_differ(trained("a"), trained("b", **changed)).startswith(words)


def test_events_that_are_no_summary_count_without_their_time(make: Make, tmp_path: pathlib.Path) -> None:
    def started(name: str, time: float, message: str) -> Any:
        event = tf.compat.v1.Event(wall_time=time, step=3)
        event.session_log.msg = message
        content = tfrecord([event.SerializeToString()], tmp_path / "scratch")
        return make("ModelRun", name, {f"train/events.out.tfevents.{time:.0f}.x": content})

    assert_same(started("a", 1, "x"), started("b", 2, "x"))
    assert assert_differ(started("c", 1, "x"), started("d", 2, "y")) == (
        "event session_log at step 3 in train differs: session_log.msg: 'x' against 'y'"
    )
