"""The metrics on the validation split: those of the Evaluator, computed by the Trainer."""

from __future__ import annotations

import json
import pathlib
from typing import Any

import numpy as np
import pytest

from components.evaluation import metrics, validation_scores
from tests import lazy, nodes
from tests.components.conftest import SETTINGS, Trained

evaluator = lazy.module("components.evaluation.evaluator")
preprocessing = lazy.module("components.data.transformed_input")
tf = lazy.module("tensorflow")
tft = lazy.module("tensorflow_transform")
validation = lazy.module("components.evaluation.validation")

pytestmark = pytest.mark.component


@pytest.fixture(scope="module")
def measured(trained: Trained) -> dict[str, float]:
    file = pathlib.Path(trained.model_run.uri, validation_scores.FILE)
    return json.loads(file.read_text(encoding="utf-8"))


def test_the_trainer_measures_the_model_on_the_validation_split(trained: Trained, measured: dict[str, float]) -> None:
    transform = tft.TFTransformOutput(trained.transform_graph.uri)
    images = preprocessing.load_images([f"{trained.examples.uri}/Split-validation/*"], transform).numpy()
    served = tf.saved_model.load(f"{trained.model.uri}/Format-Serving")
    codes = served.signatures["encode"](images=tf.constant(images))["code"].numpy()
    outputs = served.signatures["decode"](codes=tf.constant(codes))["reconstruction"].numpy().astype(np.float64)
    assert len(images) == 30
    assert measured["mse"] == pytest.approx(((images - outputs) ** 2).mean(), rel=1e-5)
    cross_entropy = -(images * np.log(outputs) + (1 - images) * np.log(1 - outputs))
    assert measured["bce"] == pytest.approx(cross_entropy.mean(), rel=1e-4)
    active = codes > 0
    assert measured["active_units"] == pytest.approx(active.sum(axis=1).mean(), rel=1e-6)
    assert measured["active_units_median"] == np.median(active.sum(axis=1))
    assert measured["dead_units"] == (~active.any(axis=0)).sum()
    history = json.loads(pathlib.Path(trained.model_run.uri, "history.json").read_text(encoding="utf-8"))
    assert measured["bce"] == pytest.approx(history[-1]["val_reconstruction"], rel=1e-5)


def test_the_evaluator_measures_the_same_on_the_same_images(
    trained: Trained, measured: dict[str, float], tmp_path: pathlib.Path
) -> None:
    # A data set whose test split is this validation split.
    folder = pathlib.Path(trained.examples.uri)
    examples = nodes.artifact("Examples", tmp_path / "examples")
    examples.split_names = '["test"]'
    (tmp_path / "examples" / "Split-test").mkdir(parents=True)
    for file in (folder / "Split-validation").iterdir():
        (tmp_path / "examples" / "Split-test" / file.name).write_bytes(file.read_bytes())
    node = nodes.make(tmp_path / "node", SETTINGS)["Evaluator"]
    outputs = nodes.run(node, tmp_path / "node", examples=examples, model=trained.model, schema=trained.schema)
    overall = evaluator.read_evaluation(outputs["evaluation"].uri).overall
    assert overall.pop("example_count") == 30
    assert measured.keys() == overall.keys() == {one.name for one in metrics.evaluated()} - {"example_count"}
    assert measured == pytest.approx(overall, rel=1e-5)


def fake_code(images: Any) -> Any:
    return tf.nn.relu(images[:, :2] - 0.5)


def fake_logits(codes: Any) -> Any:
    return tf.concat([codes, codes, codes], axis=1)


@pytest.mark.parametrize("loss", metrics.LOSSES)
def test_batches_of_any_size_give_the_same_counts_and_means(loss: str) -> None:
    images = np.random.default_rng(0).random((50, 6)).astype(np.float32)
    mean_image = images.mean(axis=0)

    def measure(*cuts: int) -> dict[str, float]:
        batches = [tf.constant(part) for part in np.split(images, cuts)]
        found: dict[str, float] = validation.measure(fake_code, fake_logits, batches, mean_image, loss)
        return found

    whole = measure()
    parts = measure(1, 20, 49)
    assert whole.keys() == {one.name for one in metrics.evaluated(loss)} - {"example_count"}
    assert parts == pytest.approx(whole, rel=1e-6)
    counts = [one.name for one in metrics.evaluated(loss) if one.source == "slice" and "mean_image" not in one.name]
    assert [parts[name] for name in counts] == [whole[name] for name in counts]


def test_the_trainer_measures_streamed_images_too(streamed_run: Any, measured: dict[str, float]) -> None:
    found = validation_scores.read_evaluation(streamed_run.uri)
    assert found is not None
    history = json.loads(pathlib.Path(streamed_run.uri, "history.json").read_text(encoding="utf-8"))
    assert found.overall["validation_bce"] == pytest.approx(history[-1]["val_reconstruction"], rel=1e-5)
    assert found.overall["validation_mean_image_bce"] == pytest.approx(measured["mean_image_bce"], rel=1e-5)
