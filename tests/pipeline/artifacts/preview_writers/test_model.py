"""Model and what is said of it: layers, units, curves, evaluation, blessing, report."""

from __future__ import annotations

import dataclasses
import io
import json
import math
import pathlib
import shutil
from typing import Any

import numpy as np
import pytest
from PIL import Image

from components.evaluation.thresholds import EpochLosses
from components.push import decision
from pipeline.artifacts.previews import (
    Blessing,
    Feature,
    Layer,
    ModelRun,
    Picture,
    PushDecision,
    Reconstruction,
    Report,
    Signature,
    Threshold,
    UnitActivity,
)
from tests import lazy, nodes
from tests.components.conftest import Trained
from tests.pipeline.artifacts.preview_writers.artifacts import artifact, example, grey, tfrecord, write
from tests.tfds_builders import HEIGHT, WIDTH

blessing = lazy.module("pipeline.artifacts.preview_writers.blessing")
evaluation = lazy.module("pipeline.artifacts.preview_writers.evaluation")
examples_input = lazy.module("components.data.transformed_input")
model = lazy.module("pipeline.artifacts.preview_writers.model")
model_run = lazy.module("pipeline.artifacts.preview_writers.model_run")
previewing_push_decision = lazy.module("pipeline.artifacts.preview_writers.push_decision")
report = lazy.module("pipeline.artifacts.preview_writers.report")
tf = lazy.module("tensorflow")
tft = lazy.module("tensorflow_transform")

pytestmark = pytest.mark.component

PIXELS = HEIGHT * WIDTH


def folder_of(made: Any) -> pathlib.Path:
    return pathlib.Path(made.uri)


# --- model


@pytest.fixture(scope="module")
def inputs(trained: Trained) -> dict[str, pathlib.Path]:
    return {"examples": folder_of(trained.examples), "transform_graph": folder_of(trained.transform_graph)}


@pytest.fixture(scope="module")
def shown(trained: Trained, inputs: dict[str, pathlib.Path]) -> tuple[Any, dict[str, bytes]]:
    """Of the trained model: 48 pixels, 16 hidden units, 4 units of the code."""
    made: tuple[Any, dict[str, bytes]] = model.make(artifact("Model", folder_of(trained.model), inputs=inputs))
    return made


def test_layers_are_named_with_their_sizes(shown: Any) -> None:
    made, _ = shown
    assert made.layers == (
        Layer("encoder_hidden", 48, 16, "relu", 48 * 16 + 16),
        Layer("code", 16, 4, "relu", 16 * 4 + 4),
        Layer("decoder_hidden", 4, 16, "relu", 4 * 16 + 16),
        Layer("logits", 16, 48, "sigmoid", 16 * 48 + 48),
    )
    assert made.parameters == 784 + 68 + 80 + 816


def test_signatures_tell_what_they_take_and_give(shown: Any) -> None:
    by_name = {signature.name: signature for signature in shown[0].signatures}
    assert list(by_name) == ["encode", "evaluate", "reconstruct", "serving_default"]
    images = (Feature("images", "float32", "(None, 48)"),)
    assert by_name["encode"] == Signature("encode", images, (Feature("code", "float32", "(None, 4)"),))
    assert by_name["serving_default"].inputs == (Feature("examples", "string", "(None,)"),)


def test_units_answer_as_the_saved_model_does(trained: Trained, shown: Any) -> None:
    """Held against the signatures of the SavedModel: codes of the validation images, and what is decoded from them."""
    made, pictures = shown
    signatures = tf.saved_model.load(str(next(folder_of(trained.model).rglob("saved_model.pb")).parent)).signatures
    pattern = str(folder_of(trained.examples) / "Split-validation" / "*")
    [batch] = examples_input.transformed([pattern], tft.TFTransformOutput(trained.transform_graph.uri))
    codes = signatures["encode"](images=batch["image_xf"])["code"].numpy()
    assert len(codes) == 30
    layers = model.layers_of(model.variables_of(next(folder_of(trained.model).rglob("saved_model.pb")).parent))
    np.testing.assert_allclose(
        model.decode(layers, codes, 4),
        signatures["reconstruct"](images=batch["image_xf"])["reconstruction"].numpy(),
        atol=1e-5,
    )

    assert [unit.unit for unit in made.units] == [0, 1, 2, 3]
    alive = 0
    for unit in made.units:
        active = codes[:, unit.unit][codes[:, unit.unit] > 0]
        assert (unit.picture is None) == (not active.size)
        if unit.picture:
            alive += 1
            assert unit.activation == pytest.approx(float(active.mean()), rel=1e-5)
            assert (unit.picture.width, unit.picture.height) == (WIDTH, HEIGHT)
            alone = np.zeros((1, 4), np.float32)
            alone[0, unit.unit] = unit.activation
            with Image.open(io.BytesIO(pictures[unit.picture.file])) as picture:
                answer = model.decode(layers, alone, 4).reshape(HEIGHT, WIDTH)
                np.testing.assert_allclose(np.asarray(picture), answer * 255, atol=0.51)
    assert alive == len(pictures) > 0


# Two pixels, two hidden units, two units of the code: the encoder hands its input on, the decoder's logits are
# (8 * first, -8 * second unit). No bias but the code's, which the second unit never exceeds.
IDENTITY = np.eye(2, dtype=np.float32)
NONE = np.zeros(2, np.float32)


def dense(kernel: Any, bias: Any = NONE) -> Any:
    return model.Dense(np.float32(kernel), np.float32(bias))


@pytest.fixture
def small() -> dict[str, Any]:
    return {
        "encoder_hidden": dense(IDENTITY),
        "code": dense(IDENTITY, [-0.25, -1]),
        "decoder_hidden": dense(IDENTITY),
        "logits": dense([[8, 0], [0, -8]]),
    }


def test_the_mean_activation_is_over_the_images_on_which_a_unit_is_active(small: dict[str, Any]) -> None:
    images = np.float32([[1, 1], [0.5, 0], [0, 1], [0.25, 0]])
    # The first unit is 0.75, 0.25, 0 and 0; the second is at most 1 - 1 = 0.
    assert model.mean_activations(small, images).tolist() == [0.5, 0]


def test_a_unit_alone_is_decoded_with_all_others_at_nothing(small: dict[str, Any]) -> None:
    answers = model.decode(small, np.diag(np.float32([0.5, 0.25])), 2)
    # Logits (4, 0) and (0, -2).
    sigmoids = [[1 / (1 + np.exp(-4)), 0.5], [0.5, 1 / (1 + np.exp(2))]]
    np.testing.assert_allclose(answers, sigmoids, rtol=1e-6)
    np.testing.assert_allclose(model.decode(small, np.float32([[0.5]]), 1), sigmoids[:1], rtol=1e-6)


def test_a_large_logit_is_decoded_without_overflow(small: dict[str, Any]) -> None:
    assert model.decode(small, np.float32([[1000, 1000]]), 2).tolist() == [[1, 0]]


def test_without_the_images_there_are_layers_and_no_answers(trained: Trained, shown: Any) -> None:
    made, pictures = model.make(artifact("Model", folder_of(trained.model)))
    assert made == dataclasses.replace(shown[0], units=())
    assert pictures == {}


@pytest.mark.parametrize("size", [{}, {"height": 2, "width": 3}], ids=["without a size", "of another size"])
def test_with_other_images_there_are_no_answers(
    trained: Trained, inputs: dict[str, pathlib.Path], tmp_path: pathlib.Path, size: dict[str, int]
) -> None:
    tfrecord(tmp_path / "Split-validation" / "data", [example(image=grey(0.5), label=1, **size)])
    other = {**inputs, "examples": tmp_path}
    made, pictures = model.make(artifact("Model", folder_of(trained.model), inputs=other))
    assert len(made.layers) == 4
    assert (made.units, pictures) == ((), {})


def test_a_model_with_other_layers_has_signatures_and_parameters(
    inputs: dict[str, pathlib.Path], tmp_path: pathlib.Path
) -> None:
    module = tf.Module()
    module.kernel = tf.Variable(tf.ones([3, 5]), name="dense/kernel")
    module.steps = tf.Variable(7, name="steps")
    spec = tf.TensorSpec([None, 3], tf.float32, name="x")
    double = tf.function(lambda x: {"y": tf.matmul(x, module.kernel)}, input_signature=[spec])
    tf.saved_model.save(module, str(tmp_path / "Format-Serving"), signatures={"double": double})
    made, pictures = model.make(artifact("Model", tmp_path, inputs=inputs))
    assert (made.parameters, made.layers, made.units, pictures) == (16, (), (), {})
    assert made.signatures == (
        Signature("double", (Feature("x", "float32", "(None, 3)"),), (Feature("y", "float32", "(None, 5)"),)),
    )


def test_a_model_with_our_names_but_other_shapes_is_another_one(small: dict[str, Any]) -> None:
    variables = {f"{name}/{part}": getattr(layer, part) for name, layer in small.items() for part in ("kernel", "bias")}
    assert list(model.layers_of(variables)) == list(small)
    for name, other in [
        ("code/kernel", np.ones((3, 2), np.float32)),
        ("code/bias", np.ones(3, np.float32)),
        ("logits/kernel", np.ones(2, np.float32)),
    ]:
        assert model.layers_of({**variables, name: other}) == {}
    assert model.layers_of({**variables, "more/kernel": IDENTITY}) == {}


def test_a_saved_model_without_variables_has_none(trained: Trained, tmp_path: pathlib.Path) -> None:
    saved = next(folder_of(trained.model).rglob("saved_model.pb"))
    shutil.copy(saved, tmp_path / saved.name)
    made, _ = model.make(artifact("Model", tmp_path))
    assert (made.parameters, made.layers, len(made.signatures)) == (0, (), 4)


def test_what_holds_no_saved_model_is_not_shown(tmp_path: pathlib.Path) -> None:
    write(tmp_path, {"Format-Serving/model.txt": b"a forest"})
    assert model.make(artifact("Model", tmp_path)) is None


# --- model run


def test_a_model_run_tells_the_losses_of_each_epoch(trained: Trained) -> None:
    folder = folder_of(trained.model_run)
    made, pictures = model_run.make(artifact("ModelRun", folder))
    noted = json.loads((folder / "history.json").read_text())
    assert len(noted) == 30
    assert (made, pictures) == (ModelRun(tuple(EpochLosses(**losses) for losses in noted)), {})


def test_a_long_history_is_thinned_out_evenly_with_its_ends(tmp_path: pathlib.Path) -> None:
    losses = {"loss": 0.5, "reconstruction": 0.5, "val_loss": 0.5, "val_reconstruction": 0.5}
    history = [{"epoch": epoch, **losses} for epoch in range(1, 4000)]
    write(tmp_path, {"history.json": json.dumps(history).encode()})
    epochs = [one.epoch for one in model_run.make(artifact("ModelRun", tmp_path))[0].history]
    assert epochs == list(range(1, 4000, 2))
    # Every 1.5th: the places 0, 1.5, 3 and 4.5, rounded.
    write(tmp_path, {"history.json": json.dumps(history[:3000]).encode()})
    epochs = [one.epoch for one in model_run.make(artifact("ModelRun", tmp_path))[0].history]
    assert (epochs[:4], epochs[-1], len(epochs)) == ([1, 3, 4, 6], 3000, 2000)


def test_a_model_run_of_others_is_not_shown(tmp_path: pathlib.Path) -> None:
    write(tmp_path, {"events.out.tfevents.1": b""})
    assert model_run.make(artifact("ModelRun", tmp_path)) is None


# --- evaluation and blessing


@pytest.fixture(scope="module")
def evaluated(trained: Trained, tmp_path_factory: pytest.TempPathFactory) -> dict[str, pathlib.Path]:
    """Folders of the Evaluator's outputs. One of its gates cannot be passed, and one is none."""
    folder = tmp_path_factory.mktemp("evaluated")
    gates = {"max_bce": 0.01, "max_bce_worst_label": float("inf"), "max_bce_to_mean_image": 0.99}
    evaluator = nodes.make(folder, {f"evaluation.{name}": limit for name, limit in gates.items()})["Evaluator"]
    made = nodes.run(
        evaluator, folder / "Evaluator", examples=trained.examples, model=trained.model, schema=trained.schema
    )
    return {key: folder_of(one) for key, one in made.items()}


def test_an_evaluation_tells_the_metrics_and_how_the_model_stood_to_each_gate(
    evaluated: dict[str, pathlib.Path],
) -> None:
    made, pictures = evaluation.make(artifact("ModelEvaluation", evaluated["evaluation"]))
    assert pictures == {}
    assert made.metrics["example_count"] == 31
    assert {name: values["example_count"] for name, values in made.slices.items()} == {
        "label 0": 10,
        "label 1": 11,
        "label 2": 10,
    }
    worst = max(made.slices, key=lambda name: made.slices[name]["bce"])
    ratio, worst_ratio = "bce_to_mean_image", max(values["bce_to_mean_image"] for values in made.slices.values())
    [of_worst] = [name for name, values in made.slices.items() if values[ratio] == worst_ratio]
    assert made.thresholds == (
        Threshold("bce", "overall", made.metrics["bce"], 0.01, False),
        Threshold(ratio, "overall", made.metrics[ratio], 0.99, made.metrics[ratio] <= 0.99),
        Threshold("bce", worst, made.slices[worst]["bce"], None, True),
        Threshold(ratio, of_worst, worst_ratio, 0.99, worst_ratio <= 0.99),
    )


def test_an_evaluation_of_other_metrics_has_no_thresholds(tmp_path: pathlib.Path) -> None:
    from components.evaluation import thresholds

    assert evaluation.judged(thresholds.Evaluation({"accuracy": 0.9}, {}), tmp_path) == ()


def test_a_refused_model_is_told_why(evaluated: dict[str, pathlib.Path]) -> None:
    made, pictures = blessing.make(artifact("ModelBlessing", evaluated["blessing"], siblings=evaluated))
    bce = evaluation.make(artifact("ModelEvaluation", evaluated["evaluation"]))[0].metrics["bce"]
    assert made == Blessing(False, (f"bce overall is {bce:.4f}, allowed is at most 0.01",))
    assert pictures == {}


def test_a_verdict_without_its_evaluation_has_no_reasons(tmp_path: pathlib.Path) -> None:
    write(tmp_path / "good", {"BLESSED": b""})
    write(tmp_path / "bad", {"NOT_BLESSED": b""})
    write(tmp_path / "none", {"other": b""})
    assert blessing.make(artifact("ModelBlessing", tmp_path / "good")) == (Blessing(True, ()), {})
    assert blessing.make(artifact("ModelBlessing", tmp_path / "bad")) == (Blessing(False, ()), {})
    assert blessing.make(artifact("ModelBlessing", tmp_path / "none")) is None


# --- decision of the push gate


def test_a_decision_is_shown_with_what_it_compared(tmp_path: pathlib.Path) -> None:
    old = decision.Baseline(3, "run-3", "model-1:old", 0.08, "/serving/3")
    standing = decision.Standing("model-1:new", 1e-3, baseline=old)
    decision.write(tmp_path, decision.decide(True, 0.1, 1.05, standing, 0.08))
    made, pictures = previewing_push_decision.make(artifact("PushDecision", tmp_path))
    reason = "test BCE 0.1000 is 1.250 times the 0.0800 of version 3, allowed is at most 1.05"
    assert made == PushDecision(False, reason, 0.1, 1e-3, 1.05, 3, "run-3", 0.08, "recorded")
    assert pictures == {}


def test_a_model_that_was_compared_with_nothing_has_no_baseline(tmp_path: pathlib.Path) -> None:
    standing = decision.Standing("model-1:new", 1e-3, note="nothing was served")
    decision.write(tmp_path, decision.decide(True, 0.1, math.inf, standing, None))
    made, _ = previewing_push_decision.make(artifact("PushDecision", tmp_path))
    assert made == PushDecision(True, "nothing was served", 0.1, 1e-3, None, None, None, None, "")


# --- report


def test_a_report_hands_its_pictures_and_units_on(tmp_path: pathlib.Path) -> None:
    summary = {
        "images": [{"label": "top", "original": "images/000-original.png", "reconstruction": "images/000-x.png"}],
        "units": [{"frequency": 0.25, "mean": 1.5}, {"frequency": 0.0, "mean": 0.0}],
    }
    pngs = {"000-original.png": grey(0.25), "000-x.png": grey(0.75)}
    files = {f"images/{name}": png for name, png in pngs.items()}
    write(tmp_path, {"summary.json": json.dumps(summary).encode(), **files})
    assert report.make(artifact("Report", tmp_path)) == (
        Report(
            images=(
                Reconstruction(
                    "top",
                    Picture("000-original.png", 3, 2, "test image, top"),
                    Picture("000-x.png", 3, 2, "reconstruction, top"),
                ),
            ),
            units=(UnitActivity(0, 0.25, 1.5), UnitActivity(1, 0.0, 0.0)),
        ),
        pngs,
    )


def test_the_report_of_an_older_version_has_no_pictures(tmp_path: pathlib.Path) -> None:
    write(tmp_path, {"summary.json": b'{"blessed": true}'})
    assert report.make(artifact("Report", tmp_path)) == (Report((), ()), {})


def test_a_report_of_others_is_not_shown(tmp_path: pathlib.Path) -> None:
    write(tmp_path, {"report.html": b"<p>hello"})
    assert report.make(artifact("Report", tmp_path)) is None
