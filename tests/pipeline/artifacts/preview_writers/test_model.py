"""Model and what is said of it: layers, units, curves, evaluation, blessing, report."""

from __future__ import annotations

import io
import json
import math
import pathlib
import shutil
from typing import Any

import numpy as np
import pytest
from PIL import Image

from components.push import decision
from pipeline.artifacts.sections import Picture, Text, Tile
from tests import lazy, nodes
from tests.components.conftest import Trained
from tests.pipeline.artifacts.preview_writers.artifacts import artifact, example, grey, tfrecord, write
from tests.tfds_builders import HEIGHT, WIDTH

blessing = lazy.module("pipeline.artifacts.preview_writers.blessing")
evaluation = lazy.module("pipeline.artifacts.preview_writers.evaluation")
adapter = lazy.module("components.model.adapter")
examples_input = lazy.module("components.data.transformed_input")
model = lazy.module("pipeline.artifacts.preview_writers.model")
model_run = lazy.module("pipeline.artifacts.preview_writers.model_run")
previewing_push_decision = lazy.module("pipeline.artifacts.preview_writers.push_decision")
saved_layers = lazy.module("components.model.saved_layers")
report = lazy.module("pipeline.artifacts.preview_writers.report")
keras = lazy.module("tf_keras")
tf = lazy.module("tensorflow")
tft = lazy.module("tensorflow_transform")

pytestmark = pytest.mark.component

PIXELS = HEIGHT * WIDTH
RELU = dict.fromkeys(("encoder_hidden", "code", "decoder_hidden"), "relu")


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


ANSWERS = "the decoder's answer to each unit"


def test_layers_are_named_with_their_sizes(shown: Any) -> None:
    made, _ = shown
    assert made.section("layers").rows == (
        ("encoder_hidden", 48, 16, "relu", 48 * 16 + 16),
        ("code", 16, 4, "relu", 16 * 4 + 4),
        ("decoder_hidden", 4, 16, "relu", 4 * 16 + 16),
        ("logits", 16, 48, "sigmoid", 16 * 48 + 48),
    )
    assert made.section("size").values == {"parameters": 784 + 68 + 80 + 816}
    boxes = [column[0].name for column in made.section("layers of the model").columns]
    assert boxes == ["input", "encoder_hidden", "code", "decoder_hidden", "logits"]


def test_signatures_have_a_row_for_each_tensor(shown: Any) -> None:
    rows = shown[0].section("signatures").rows
    names = ["decode", "encode", "evaluate", "reconstruct", "serving_default"]
    assert list(dict.fromkeys(row[0] for row in rows)) == names
    assert rows[:4] == (
        ("decode", "input", "codes", "float32", "(None, 4)"),
        ("decode", "output", "reconstruction", "float32", "(None, 48)"),
        ("encode", "input", "images", "float32", "(None, 48)"),
        ("encode", "output", "code", "float32", "(None, 4)"),
    )
    assert ("serving_default", "input", "examples", "string", "(None,)") in rows


def test_units_answer_as_the_saved_model_does(trained: Trained, shown: Any) -> None:
    """Compared with the signatures of the SavedModel: codes of the validation images, and what is decoded from them."""
    made, pictures = shown
    signatures = tf.saved_model.load(str(next(folder_of(trained.model).rglob("saved_model.pb")).parent)).signatures
    pattern = str(folder_of(trained.examples) / "Split-validation" / "*")
    [batch] = examples_input.transformed([pattern], tft.TFTransformOutput(trained.transform_graph.uri))
    codes = signatures["encode"](images=batch["image_xf"])["code"].numpy()
    assert len(codes) == 30
    variables = model.variables_of(next(folder_of(trained.model).rglob("saved_model.pb")).parent)
    layers = saved_layers.layers_of(variables, {**RELU, **adapter.ACTIVATIONS})
    encoder, decoder = saved_layers.halves(layers, adapter.CODE_LAYERS)
    np.testing.assert_allclose(saved_layers.apply(encoder, batch["image_xf"].numpy()), codes, atol=1e-5)
    np.testing.assert_allclose(
        saved_layers.apply(decoder, codes),
        signatures["reconstruct"](images=batch["image_xf"])["reconstruction"].numpy(),
        atol=1e-5,
    )

    tiles = made.section(ANSWERS).tiles
    assert [tile.label for tile in tiles] == ["unit 0", "unit 1", "unit 2", "unit 3"]
    alive = 0
    for unit, tile in enumerate(tiles):
        active = codes[:, unit][codes[:, unit] > 0]
        assert (not tile.pictures) == (not active.size)
        if not tile.pictures:
            assert tile.note == "dead"
            continue
        alive += 1
        assert float(tile.note) == pytest.approx(float(active.mean()), abs=1e-5)
        [picture] = tile.pictures
        assert (picture.width, picture.height) == (WIDTH, HEIGHT)
        alone = np.zeros((1, 4), np.float32)
        alone[0, unit] = active.mean()
        with Image.open(io.BytesIO(pictures[picture.file])) as image:
            answer = saved_layers.apply(decoder, alone).reshape(HEIGHT, WIDTH)
            np.testing.assert_allclose(np.asarray(image), answer * 255, atol=0.51)
    assert alive == len(pictures) > 0


def test_without_the_images_there_are_layers_and_no_answers(trained: Trained, shown: Any) -> None:
    made, pictures = model.make(artifact("Model", folder_of(trained.model)))
    assert made.sections == shown[0].sections[:-1]
    assert pictures == {}


@pytest.mark.parametrize("size", [{}, {"height": 2, "width": 3}], ids=["without a size", "of another size"])
def test_with_other_images_there_are_no_answers(
    trained: Trained, inputs: dict[str, pathlib.Path], tmp_path: pathlib.Path, size: dict[str, int]
) -> None:
    tfrecord(tmp_path / "Split-validation" / "data", [example(image=grey(0.5), label=1, **size)])
    other = {**inputs, "examples": tmp_path}
    made, pictures = model.make(artifact("Model", folder_of(trained.model), inputs=other))
    assert len(made.section("layers").rows) == 4
    assert (made.section(ANSWERS), pictures) == (None, {})


def test_another_model_has_its_layers_and_signatures(inputs: dict[str, pathlib.Path], tmp_path: pathlib.Path) -> None:
    module = tf.Module()
    module.kernel = tf.Variable(tf.ones([3, 5]), name="dense/kernel")
    module.steps = tf.Variable(7, name="steps")
    spec = tf.TensorSpec([None, 3], tf.float32, name="x")
    double = tf.function(lambda x: {"y": tf.matmul(x, module.kernel)}, input_signature=[spec])
    tf.saved_model.save(module, str(tmp_path / "Format-Serving"), signatures={"double": double})
    made, pictures = model.make(artifact("Model", tmp_path, inputs=inputs))
    assert made.section("size").values == {"parameters": 16}
    assert made.section("layers").rows == (("dense", 3, 5, None, 15), ("steps", None, None, None, 1))
    assert (made.section(ANSWERS), pictures) == (None, {})
    assert made.section("signatures").rows == (
        ("double", "input", "x", "float32", "(None, 3)"),
        ("double", "output", "y", "float32", "(None, 5)"),
    )


def test_a_deeper_autoencoder_has_all_its_layers_and_answers(
    inputs: dict[str, pathlib.Path], tmp_path: pathlib.Path
) -> None:
    """Three hidden layers before and after the code; more than ten variables, so that order by text would be wrong."""
    sizes = {"hidden_a": 9, "hidden_b": 8, "hidden_c": 7, "code": 3, "back_c": 7, "back_b": 8, "back_a": 9}
    module = tf.Module()
    layers = [keras.layers.Dense(units, "relu", name=name) for name, units in sizes.items()]
    layers.append(keras.layers.Dense(PIXELS, "sigmoid", name="pixels"))
    chain = keras.Sequential([keras.Input((PIXELS,)), *layers])
    layers[3].bias.assign([1.0, 1.0, -100.0])  # one unit is never active
    module.model_variables = chain.trainable_variables
    spec = tf.TensorSpec([None, PIXELS], tf.float32, name="images")
    reconstruct = tf.function(lambda images: {"pixels": chain(images)}, input_signature=[spec], autograph=False)
    tf.saved_model.save(module, str(tmp_path / "Format-Serving"), signatures={"reconstruct": reconstruct})
    made, pictures = model.make(artifact("Model", tmp_path, inputs=inputs))
    rows = made.records("layers")
    assert [row["layer"] for row in rows] == [*sizes, "pixels"]
    assert [(row["inputs"], row["outputs"]) for row in rows[:2]] == [(PIXELS, 9), (9, 8)]
    assert [row["activation"] for row in rows] == ["relu"] * 7 + ["sigmoid"]
    tiles = made.section(ANSWERS).tiles
    assert tiles[2] == Tile("unit 2", (), "dead")
    assert len(tiles) == 3
    assert len(pictures) == len([tile for tile in tiles if tile.pictures])


def test_a_saved_model_without_variables_has_none(trained: Trained, tmp_path: pathlib.Path) -> None:
    saved = next(folder_of(trained.model).rglob("saved_model.pb"))
    shutil.copy(saved, tmp_path / saved.name)
    made, _ = model.make(artifact("Model", tmp_path))
    assert made.section("size").values == {"parameters": 0}
    assert [section.title for section in made.sections] == ["size", "signatures"]


def test_what_holds_no_saved_model_is_not_shown(tmp_path: pathlib.Path) -> None:
    write(tmp_path, {"Format-Serving/model.txt": b"a forest"})
    assert model.make(artifact("Model", tmp_path)) is None


# --- model run


def test_a_model_run_tells_the_losses_of_each_epoch(trained: Trained) -> None:
    folder = folder_of(trained.model_run)
    made, pictures = model_run.make(artifact("ModelRun", folder))
    recorded = json.loads((folder / "history.json").read_text())
    chart, numbers, measured = made.sections
    assert measured.title == "metrics on the validation split"
    on_validation = json.loads((folder / "validation.json").read_text())
    assert measured.values["BCE"] == on_validation["bce"]
    assert measured.values["dead units"] == on_validation["dead_units"]
    assert len(numbers.rows) == 30
    assert numbers.records()[7] == {
        "epoch": 8,
        "validation": recorded[7]["val_reconstruction"],
        "training": recorded[7]["reconstruction"],
        "validation_with_penalty": recorded[7]["val_loss"],
        "training_with_penalty": recorded[7]["loss"],
    }
    assert chart.curves[0].points == tuple((one["epoch"], one["val_reconstruction"]) for one in recorded)
    assert [curve.name for curve in chart.curves][:2] == ["validation", "training"]
    assert pictures == {}


@pytest.mark.parametrize(("penalty", "curves"), [(0.0, 2), (0.0004, 2), (0.01, 4)])
def test_losses_with_the_penalty_are_drawn_where_they_can_be_told_apart(
    tmp_path: pathlib.Path, penalty: float, curves: int
) -> None:
    losses = {"reconstruction": 0.5, "val_reconstruction": 0.5, "loss": 0.5 + penalty, "val_loss": 0.5 + penalty}
    write(tmp_path, {"history.json": json.dumps([{"epoch": 1, **losses}]).encode()})
    chart = model_run.make(artifact("ModelRun", tmp_path))[0].sections[0]
    assert len(chart.curves) == curves
    assert [curve.dashed for curve in chart.curves] == [False, False, True, True][:curves]


def test_a_training_without_epochs_is_an_empty_chart(tmp_path: pathlib.Path) -> None:
    write(tmp_path, {"history.json": b"[]"})
    assert not any(curve.points for curve in model_run.make(artifact("ModelRun", tmp_path))[0].sections[0].curves)


def test_a_long_history_is_thinned_out_evenly_with_its_ends(tmp_path: pathlib.Path) -> None:
    losses = {"loss": 0.5, "reconstruction": 0.5, "val_loss": 0.5, "val_reconstruction": 0.5}
    history = [{"epoch": epoch, **losses} for epoch in range(1, 4000)]
    write(tmp_path, {"history.json": json.dumps(history).encode()})
    epochs = [row["epoch"] for row in model_run.make(artifact("ModelRun", tmp_path))[0].records("losses by epoch")]
    assert epochs == list(range(1, 4000, 2))
    # Every 1.5th: the places 0, 1.5, 3 and 4.5, rounded.
    write(tmp_path, {"history.json": json.dumps(history[:3000]).encode()})
    epochs = [row["epoch"] for row in model_run.make(artifact("ModelRun", tmp_path))[0].records("losses by epoch")]
    assert (epochs[:4], epochs[-1], len(epochs)) == ([1, 3, 4, 6], 3000, 2000)


def test_a_model_run_of_others_is_not_shown(tmp_path: pathlib.Path) -> None:
    write(tmp_path, {"events.out.tfevents.1": b""})
    assert model_run.make(artifact("ModelRun", tmp_path)) is None


# --- evaluation and blessing


@pytest.fixture(scope="module")
def evaluated(trained: Trained, tmp_path_factory: pytest.TempPathFactory) -> dict[str, pathlib.Path]:
    """Folders of the Evaluator's outputs. One of its gates cannot be passed, and one is none."""
    folder = tmp_path_factory.mktemp("evaluated")
    gates = {
        **{"max_bce": 0.01, "max_bce_worst_label": float("inf"), "max_bce_to_mean_image": 0.99},
        **{"max_dead_units": 4, "max_active_units": 0.5},
    }
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
    metrics = made.section("metrics on the test split").values
    assert metrics["test images"] == 31
    slices = {str(row["slice"]): row for row in made.records("metrics by slice")}
    assert {name: row["test_images"] for name, row in slices.items()} == {"label 0": 10, "label 1": 11, "label 2": 10}
    ratio = "bce_to_mean_image"
    worst, of_worst = (max(slices, key=lambda name: slices[name][key]) for key in ("BCE", "BCE_to_mean_image"))
    overall_ratio, worst_ratio = metrics["BCE to mean image"], slices[of_worst]["BCE_to_mean_image"]
    assert made.section("thresholds").rows == (
        ("bce", "overall", metrics["BCE"], 0.01, False),
        (ratio, "overall", overall_ratio, 0.99, overall_ratio <= 0.99),
        ("dead_units", "overall", metrics["dead units"], 4, True),
        ("active_units", "overall", metrics["active units"], 0.5, False),
        ("bce", worst, slices[worst]["BCE"], None, True),
        (ratio, of_worst, worst_ratio, 0.99, worst_ratio <= 0.99),
    )
    bars = made.section("BCE by label")
    assert {bar.label: bar.value for bar in bars.bars} == {name: row["BCE"] for name, row in slices.items()}
    assert bars.limit is None


def test_an_evaluation_of_other_metrics_has_no_thresholds(tmp_path: pathlib.Path) -> None:
    from components.evaluation import thresholds

    assert evaluation.judged(thresholds.Evaluation({"accuracy": 0.9}, {}), tmp_path) == ()


def test_a_refused_model_is_told_why(evaluated: dict[str, pathlib.Path]) -> None:
    made, pictures = blessing.make(artifact("ModelBlessing", evaluated["blessing"], siblings=evaluated))
    preview = evaluation.make(artifact("ModelEvaluation", evaluated["evaluation"]))[0]
    metrics = preview.section("metrics on the test split").values
    [verdict] = made.sections
    assert verdict.passed is False
    assert verdict.items == (
        f"bce overall is {metrics['BCE']:.4f}, allowed is at most 0.01",
        f"active_units overall is {metrics['active units']:.4f}, allowed is at most 0.5",
    )
    assert pictures == {}


def test_a_refused_model_is_told_that_none_could_pass(
    evaluated: dict[str, pathlib.Path], tmp_path: pathlib.Path
) -> None:
    folder = tmp_path / "evaluation"
    shutil.copytree(evaluated["evaluation"], folder)
    config = (folder / "eval_config.json").read_text()
    (folder / "eval_config.json").write_text(config.replace("0.99", "0.01"))
    preview = evaluation.make(artifact("ModelEvaluation", folder))[0]
    of_slices = {str(row["slice"]): row for row in preview.records("metrics by slice")}
    ratios = {name: float(row["entropy_floor"]) / float(row["mean_image's_BCE"]) for name, row in of_slices.items()}
    worst = max(ratios, key=lambda name: ratios[name])
    [verdict] = blessing.make(artifact("ModelBlessing", evaluated["blessing"], siblings={"evaluation": folder}))[
        0
    ].sections
    assert verdict.items[-1] == (
        f"no model can pass: the entropy floor of {worst} is {ratios[worst]:.4f} of the loss of always predicting the "
        "mean, so raise evaluation.max_bce_to_mean_image or use model.loss=mse"
    )


def test_a_verdict_without_its_evaluation_has_no_reasons(tmp_path: pathlib.Path) -> None:
    write(tmp_path / "good", {"BLESSED": b""})
    write(tmp_path / "bad", {"NOT_BLESSED": b""})
    write(tmp_path / "none", {"other": b""})
    for name, passed in (("good", True), ("bad", False)):
        [verdict] = blessing.make(artifact("ModelBlessing", tmp_path / name))[0].sections
        assert isinstance(verdict, Text)
        assert (verdict.passed, verdict.items) == (passed, ())
    assert blessing.make(artifact("ModelBlessing", tmp_path / "none")) is None


# --- decision of the push gate


def test_a_decision_is_shown_with_what_it_compared(tmp_path: pathlib.Path) -> None:
    old = decision.Baseline(3, "run-3", "model-1:old", 0.08, "/serving/3")
    standing = decision.Standing("model-1:new", 1e-3, baseline=old)
    decision.write(tmp_path, decision.decide(True, 0.1, 1.05, standing, 0.08))
    made, pictures = previewing_push_decision.make(artifact("PushDecision", tmp_path))
    reason = "test BCE 0.1000 is 1.250 times the 0.0800 of version 3, allowed is at most 1.05"
    verdict, table = made.sections
    assert (verdict.text, verdict.passed) == (reason, False)
    assert table.rows == (("this one", None, 0.1, "by its Evaluator"), ("version 3", "run-3", 0.08, "recorded"))
    assert pictures == {}


def test_a_model_that_was_compared_with_nothing_has_no_baseline(tmp_path: pathlib.Path) -> None:
    standing = decision.Standing("model-1:new", 1e-3, note="nothing was served")
    decision.write(tmp_path, decision.decide(True, 0.1, math.inf, standing, None))
    made, _ = previewing_push_decision.make(artifact("PushDecision", tmp_path))
    verdict, table = made.sections
    assert (verdict.text, verdict.passed) == ("nothing was served", True)
    assert table.rows == (("this one", None, 0.1, "by its Evaluator"),)


# --- report


def test_a_report_hands_its_pictures_and_units_on(tmp_path: pathlib.Path) -> None:
    summary = {
        "images": [{"label": "top", "original": "images/000-original.png", "reconstruction": "images/000-x.png"}],
        "units": [{"frequency": 0.25, "mean": 1.5}, {"frequency": 0.0, "mean": 0.0}],
    }
    pngs = {"000-original.png": grey(0.25), "000-x.png": grey(0.75)}
    files = {f"images/{name}": png for name, png in pngs.items()}
    write(tmp_path, {"summary.json": json.dumps(summary).encode(), **files})
    made, pictures = report.make(artifact("Report", tmp_path))
    text, images, activity = made.sections
    assert text.file == "report.html"
    assert images.tiles == (
        Tile(
            "top",
            (Picture("000-original.png", 3, 2, "test image, top"), Picture("000-x.png", 3, 2, "reconstruction, top")),
        ),
    )
    assert [(bar.label, bar.value) for bar in activity.bars] == [("unit 0", 0.25), ("unit 1", 0.0)]
    assert pictures == pngs


def test_the_report_of_an_older_version_has_no_pictures(tmp_path: pathlib.Path) -> None:
    write(tmp_path, {"summary.json": b'{"blessed": true}'})
    made, pictures = report.make(artifact("Report", tmp_path))
    assert ([section.title for section in made.sections], pictures) == (["report"], {})


def test_a_report_of_others_is_not_shown(tmp_path: pathlib.Path) -> None:
    write(tmp_path, {"report.html": b"<p>hello"})
    assert report.make(artifact("Report", tmp_path)) is None
