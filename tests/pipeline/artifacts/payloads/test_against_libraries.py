"""What is read without TensorFlow equals what TensorFlow, TFT and TFMA say of the same files."""

from __future__ import annotations

import functools
import pathlib
from typing import Any

import pytest

from pipeline.artifacts.payloads import evaluation, saved_model, tfrecords, transform_graph
from pipeline.artifacts.types import StoredArtifact
from tests import lazy
from tests.builders.foreign_files import testdata

metrics_for_slice_pb2 = lazy.module("tensorflow_model_analysis.proto.metrics_for_slice_pb2")
validation_result_pb2 = lazy.module("tensorflow_model_analysis.proto.validation_result_pb2")
saved_model_pb2 = lazy.module("tensorflow.core.protobuf.saved_model_pb2")
tf = lazy.module("tensorflow")
tft = lazy.module("tensorflow_transform")

pytestmark = pytest.mark.component

MODELS = (
    "trainer/keras/Format-Serving",
    "trainer/current/Format-Serving/export/chicago-taxi/1646034756",
    "trainer/current/Format-TFMA/1646034758",
    "pusher/model_push/1584391735",
    "transform/transform_graph/transform_fn",
)


@functools.cache
def load(name: str) -> Any:
    """Load a model once: one of an estimator takes seconds."""
    return tf.saved_model.load(str(testdata() / name))


@pytest.mark.parametrize("name", MODELS)
def test_signatures_are_those_of_tensorflow(name: str) -> None:
    path = testdata() / name / saved_model.FILE
    [graph] = saved_model_pb2.SavedModel.FromString(path.read_bytes()).meta_graphs
    expected = {
        (name, direction, tensor, tf.dtypes.as_dtype(info.dtype).name, shape_of(info.tensor_shape))
        for name, signature in graph.signature_def.items()
        for direction, tensors in (("input", signature.inputs), ("output", signature.outputs))
        for tensor, info in tensors.items()
        if not name.startswith("__")
    }
    found = saved_model.signatures(saved_model.read(path))
    assert {(one.signature, one.direction, one.tensor, one.type, one.shape) for one in found} == expected


def shape_of(shape: Any) -> str:
    return "" if shape.unknown_rank else str(tuple(tf.TensorShape(shape)))


@pytest.mark.parametrize("name", MODELS[:2])
def test_parameters_are_those_of_the_trainable_variables(name: str) -> None:
    layers = saved_model.layers(saved_model.read(testdata() / name / saved_model.FILE))
    loaded = load(name)
    all_but_the_step = [one for one in loaded.variables if "global_step" not in one.name]
    trainable = getattr(loaded, "trainable_variables", all_but_the_step)
    assert sum(one.parameters for one in layers) == sum(int(tf.size(one)) for one in trainable)


def test_features_are_those_of_tft() -> None:
    folder = testdata() / "transform" / "transform_graph"
    output = tft.TFTransformOutput(str(folder))
    made = transform_graph.make(StoredArtifact("TransformGraph", folder, {}))[0]
    for title, specs in (("inputs", output.raw_feature_spec()), ("outputs", output.transformed_feature_spec())):
        expected = {
            name: (spec.dtype.name, str(tuple(spec.shape)) if hasattr(spec, "shape") else None)
            for name, spec in specs.items()
        }
        assert {row["feature"]: (row["type"], row["shape"]) for row in made.records(title)} == expected
    [other, payment] = made.records("vocabularies")
    for row in (other, payment):
        name = str(row["vocabulary"]).removeprefix("vocab_").removesuffix("_vocabulary")
        assert row["entries"] == output.vocabulary_size_by_name(f"vocab_{name}_vocabulary")


def test_metrics_are_those_of_tfma(tmp_path: pathlib.Path) -> None:
    """Written by TFMA's own messages and TensorFlow's writer."""
    records = []
    for column, value in ((None, 0.5), ("hour", 0.25), ("rate", 0.75)):
        one = metrics_for_slice_pb2.MetricsForSlice()
        if column:
            key = one.slice_key.single_slice_keys.add(column=column)
            setattr(key, "int64_value" if column == "hour" else "float_value", 2)
        one.metric_keys_and_values.add(
            key={"name": "auc", "example_weighted": {"value": False}}, value={"double_value": {"value": value}}
        )
        interval = one.metric_keys_and_values.add(key={"name": "loss", "sub_key": {"k": {"value": 3}}})
        interval.value.bounded_value.value.value = value / 2
        interval.value.bounded_value.methodology = 1
        interval.confidence_interval.lower_bound.double_value.value = 0
        matrix = one.metric_keys_and_values.add(key={"name": "matrix"}).value.confusion_matrix_at_thresholds
        matrix.matrices.add(threshold=0.5)
        records.append(one)
    result = validation_result_pb2.ValidationResult(validation_ok=False)
    failure = result.metric_validations_per_slice.add().failures.add(metric_key={"name": "auc"}, message="too low")
    failure.metric_threshold.value_threshold.lower_bound.value = 0.6
    failure.metric_value.double_value.value = 0.5
    for name, messages in (("metrics-00000-of-00001.tfrecord", records), ("validations.tfrecord", [result])):
        with tf.io.TFRecordWriter(str(tmp_path / name)) as writer:
            for one in messages:
                writer.write(one.SerializeToString())
    made = evaluation.make(StoredArtifact("ModelEvaluation", tmp_path, {}))
    assert made is not None
    metrics, _, hidden, thresholds = made[0].sections
    assert metrics.values == {"auc": 0.5, "loss (k 3)": 0.25}  # type: ignore[union-attr]
    assert made[0].records("metrics of slices") == [
        {"slice": "hour 2", "auc": 0.25, "loss_(k_3)": 0.125}, {"slice": "rate 2", "auc": 0.75, "loss_(k_3)": 0.375},
    ]  # fmt: skip
    assert hidden.items == ("matrix",)  # type: ignore[union-attr]
    assert (thresholds.passed, thresholds.items) == (False, ("auc is 0.5: too low",))  # type: ignore[union-attr]


def test_nothing_of_a_transformed_file_is_lost() -> None:
    [path] = (testdata() / "transform" / "transformed_examples" / "Split-eval").iterdir()
    expected = list(tf.data.TFRecordDataset([str(path)], "GZIP").as_numpy_iterator())
    assert list(tfrecords.read(path, 2**24)) == expected
