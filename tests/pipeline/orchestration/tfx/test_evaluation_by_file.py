"""TFMA's evaluation in batches and few steps: that of its own graph, which stays for options that need it."""

from __future__ import annotations

import json
import math
import pathlib
from collections.abc import Callable
from typing import Any

import numpy as np
import pyarrow as pa
import pytest

from components.evaluation import metrics
from components.evaluation.thresholds import Gates
from tests import lazy

pytestmark = pytest.mark.component

beam = lazy.module("apache_beam")
config_pb2 = lazy.module("tensorflow_model_analysis.proto.config_pb2")
engine = lazy.module("pipeline.orchestration.tfx.beam_engine")
evaluator = lazy.module("components.evaluation.evaluator")
fingerprints = lazy.module("pipeline.artifacts.fingerprints")
fn_api_runner = lazy.module("apache_beam.runners.portability.fn_api_runner")
stored = lazy.module("pipeline.artifacts.types")
tf = lazy.module("tensorflow")
tfma = lazy.module("tensorflow_model_analysis")

ROWS, UNITS = 60, 4
CODES = np.maximum(np.random.default_rng(3).normal(size=(ROWS, UNITS)), 0).astype(np.float32)
LABELS = [[number % 7 % 3] for number in range(ROWS)]
NO_LIMITS = Gates(max_loss=math.inf, max_loss_worst_label=math.inf, max_loss_to_mean_image=math.inf)


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> str:
    """A model whose examples are the bytes of codes, and whose losses grow with these."""
    folder = str(tmp_path_factory.mktemp("model"))

    def evaluate(examples: Any) -> dict[str, Any]:
        codes = tf.io.decode_raw(examples, tf.float32)
        losses = {one.name: tf.reduce_sum(codes, axis=-1) for one in metrics.evaluated() if one.source == "image"}
        return {**losses, "mean_image_bce": 2 + codes[:, 0], "code": codes}

    module = tf.Module()
    examples = tf.TensorSpec([None], tf.string, name="examples")
    module.evaluate = tf.function(evaluate, input_signature=[examples], autograph=False)
    tf.saved_model.save(module, folder, signatures={"evaluate": module.evaluate})
    return folder


def batches(labels: list[Any], kind: Any) -> list[Any]:
    examples = pa.array([[code.tobytes()] for code in CODES], pa.large_list(pa.large_binary()))
    columns = [examples, pa.array(labels, pa.large_list(kind))]
    whole = pa.RecordBatch.from_arrays(columns, [tfma.ARROW_INPUT_COLUMN, "label"])
    return [whole.slice(0, 13), whole.slice(13, 40), whole.slice(53)]


def evaluation(config: Any, model: str, folder: pathlib.Path) -> Any:
    shared = tfma.default_eval_shared_model(model, eval_config=config)
    return tfma.ExtractEvaluateAndWriteResults(eval_shared_model=shared, eval_config=config, output_path=str(folder))


def run(pipeline: Any, transform: Any, given: list[Any]) -> int:
    """Return the number of steps of the job."""
    with pipeline as made:
        _ = made | beam.Create(given) | transform
        return len(made.applied_labels)


def records(folder: pathlib.Path) -> dict[str, list[bytes]]:
    """Return the records of each file, sorted, because TFMA's order of slices depends on the hashes of their keys."""
    return {
        path.name: sorted(tf.data.TFRecordDataset(str(path)).as_numpy_iterator())
        for path in folder.glob("*.tfrecord")
        if not path.name.startswith("validations")
    }


def configuration(folder: pathlib.Path) -> Any:
    return json.loads((folder / "eval_config.json").read_text(encoding="utf-8"))


def digest(folder: pathlib.Path) -> str:
    return str(fingerprints.content_digest(stored.StoredArtifact("ModelEvaluation", folder, {})))


def compared(config: Any, model: str, folder: pathlib.Path, given: list[Any]) -> Any:
    """Return the folder of our results, once they are those of TFMA in far fewer steps."""
    ours, stock = folder / "ours", folder / "stock"
    few = run(engine.make_beam_pipeline(1, 1000), evaluation(config, model, ours), given)
    many = run(beam.Pipeline(runner=fn_api_runner.FnApiRunner()), evaluation(config, model, stock), given)
    assert few < many / 5
    assert records(ours) == records(stock)
    assert digest(ours) == digest(stock)
    assert {path.name for path in ours.iterdir()} == {path.name for path in stock.iterdir()}
    assert configuration(ours) == configuration(stock)
    return ours


def test_metrics_and_thresholds_overall_and_by_label_are_those_of_tfma(model: str, tmp_path: pathlib.Path) -> None:
    config = evaluator.eval_config(Gates(max_loss=5, max_loss_worst_label=1, max_loss_to_mean_image=0.1))
    folder = str(compared(config, model, tmp_path, batches(LABELS, pa.int64())))
    found = evaluator.read_evaluation(folder)
    assert list(found.per_label) == [0, 1, 2]
    assert found.overall["example_count"] == ROWS
    rows = np.flatnonzero(np.array(LABELS)[:, 0] == 2)
    assert found.per_label[2]["example_count"] == len(rows)
    assert found.per_label[2]["bce"] == pytest.approx(CODES[rows].sum(axis=1).mean(dtype=np.float64))
    assert found.per_label[2]["active_units_max"] == (CODES[rows] > 0).sum(axis=1).max()
    result = tfma.load_validation_result(folder)
    assert not result.validation_ok
    failed = [one.metric_key.name for validated in result.metric_validations_per_slice for one in validated.failures]
    assert {name: failed.count(name) for name in failed} == {"bce_to_mean_image": 4, "bce": 3}


def test_metrics_of_images_without_labels_are_those_of_tfma(model: str, tmp_path: pathlib.Path) -> None:
    config = evaluator.eval_config(NO_LIMITS, labelled=False)
    found = evaluator.read_evaluation(str(compared(config, model, tmp_path, batches([[]] * ROWS, pa.int64()))))
    assert found.overall["example_count"] == ROWS
    assert not found.per_label


def test_metrics_of_no_images_are_those_of_tfma(model: str, tmp_path: pathlib.Path) -> None:
    folder = compared(evaluator.eval_config(NO_LIMITS), model, tmp_path, [])
    assert not records(folder)["metrics-00000-of-00001.tfrecord"]


def test_slices_of_several_texts_or_none_are_those_of_tfma(model: str, tmp_path: pathlib.Path) -> None:
    labels = [[None, [b"cat"], [b"dog", b"cat"], [b"dog", b"dog"]][number % 4] for number in range(ROWS)]
    folder = compared(evaluator.eval_config(NO_LIMITS), model, tmp_path, batches(labels, pa.large_binary()))
    found = tfma.load_eval_result(str(folder)).slicing_metrics
    counts = {key: values[""][""]["example_count"]["doubleValue"] for key, values in found}
    assert counts == {(): 60, (("label", "cat"),): 30, (("label", "dog"),): 30}


def with_two_features(config: Any) -> None:
    config.slicing_specs.add(feature_keys=["label", "other"])


def with_a_value(config: Any) -> None:
    config.slicing_specs.add(feature_values={"label": "1"})


def with_intervals(config: Any) -> None:
    config.options.compute_confidence_intervals.value = True


def with_weights(config: Any) -> None:
    config.model_specs[0].example_weight_key = "weight"


def with_another_metric(config: Any) -> None:
    config.metrics_specs[0].metrics.add(class_name="MeanPrediction")


def with_metrics_of_keras(config: Any) -> None:
    config.options.ClearField("include_default_metrics")


def with_queries(config: Any) -> None:
    config.metrics_specs[0].query_key = "label"


OTHERS = (
    with_two_features,
    with_a_value,
    with_intervals,
    with_weights,
    with_another_metric,
    with_metrics_of_keras,
    with_queries,
)


@pytest.mark.parametrize("change", OTHERS)
def test_other_options_keep_the_graph_of_tfma(
    change: Callable[[Any], None], model: str, tmp_path: pathlib.Path
) -> None:
    config = evaluator.eval_config(NO_LIMITS)
    assert engine.replacement(evaluation(config, model, tmp_path), 1000) is not None
    change(config)
    assert engine.replacement(evaluation(config, model, tmp_path), 1000) is None


def test_several_models_or_other_writers_keep_the_graph_of_tfma(model: str, tmp_path: pathlib.Path) -> None:
    config = evaluator.eval_config(NO_LIMITS)
    shared = tfma.default_eval_shared_model(model, eval_config=config)
    for arguments in ({"eval_shared_model": [shared, shared]}, {"eval_shared_model": shared, "writers": [object()]}):
        transform = tfma.ExtractEvaluateAndWriteResults(eval_config=config, output_path=str(tmp_path), **arguments)
        assert engine.replacement(transform, 1000) is None
