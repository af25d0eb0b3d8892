"""PushGate: what it measures, and what it records."""

from __future__ import annotations

import json
import math
import pathlib
import shutil
from typing import Any

import numpy as np
import pytest

from components.push import decision
from components.push.decision import Baseline, Standing
from tests import lazy, nodes, tfds_builders
from tests.components.conftest import Trained
from tests.tfds_builders import HEIGHT, WIDTH

push_gate = lazy.module("components.push.gate")
tf = lazy.module("tensorflow")

pytestmark = pytest.mark.component


def recorded_bce(evaluated: Any) -> float:
    """The loss that the Evaluator found, as TFMA reads it."""
    result = lazy.module("tensorflow_model_analysis").load_eval_result(evaluated["evaluation"].uri)
    [overall] = [values for key, values in result.slicing_metrics if not key]
    return float(overall[""][""]["bce"]["doubleValue"])


def run(trained: Trained, evaluated: Any, folder: pathlib.Path, standing: Standing, limit: float = 1.05) -> Any:
    """Runs the node, told a standing just before; returns its output."""
    node = nodes.make(folder, {"serving.max_bce_to_served": limit})["PushGate"]
    node.exec_properties["standing"] = standing.as_text()
    outputs = nodes.run(
        node,
        folder / "PushGate",
        examples=trained.examples,
        model=trained.model,
        evaluation=evaluated["evaluation"],
        model_blessing=evaluated["blessing"],
    )
    return outputs["decision"]


def standing(bce: float | None, folder: str = "") -> Standing:
    return Standing("model-1:new", 1e-3, baseline=Baseline(3, "run-3", "model-1:old", bce, folder))


def test_a_recorded_loss_is_compared_with_the_evaluator_s(trained: Trained, evaluated: Any, tmp_path: Any) -> None:
    bce = recorded_bce(evaluated)
    for name, old, push in (("better", bce / 1.04, True), ("worse", bce / 1.06, False)):
        made = run(trained, evaluated, tmp_path / name, standing(old))
        decided = decision.read(pathlib.Path(made.uri))
        assert (decided.push, decided.loss, decided.baseline_loss) == (push, bce, old)
        assert decided.baseline_evaluation == "recorded"
        assert made.get_int_custom_property("push") == push
        assert made.get_string_custom_property("reason") == decided.reason


def test_the_limit_is_the_configuration_s(trained: Trained, evaluated: Any, tmp_path: pathlib.Path) -> None:
    old = standing(recorded_bce(evaluated) / 1.06)
    assert run(trained, evaluated, tmp_path, old, limit=1.07).get_int_custom_property("push") == 1


def test_no_limit_lets_every_blessed_model_pass(trained: Trained, evaluated: Any, tmp_path: pathlib.Path) -> None:
    old = standing(recorded_bce(evaluated) / 100)
    made = run(trained, evaluated, tmp_path, old, limit=math.inf)
    assert made.get_int_custom_property("push") == 1
    assert decision.read(pathlib.Path(made.uri)).limit is None


def test_a_model_without_a_recorded_loss_is_measured_on_the_test_split(
    trained: Trained, evaluated: Any, tmp_path: pathlib.Path
) -> None:
    model = f"{trained.model.uri}/Format-Serving"
    decided = decision.read(pathlib.Path(run(trained, evaluated, tmp_path, standing(None, model)).uri))
    # The test split's images by their numbers, and the loss in NumPy from the reconstructions.
    images = np.stack([tfds_builders.band(number).reshape(HEIGHT * WIDTH) for number in range(100, 131)]) / 255
    reconstruct = tf.saved_model.load(model).signatures["reconstruct"]
    made = reconstruct(images=tf.constant(images, tf.float32))["reconstruction"].numpy().astype(np.float64)
    bce = float(-np.mean(images * np.log(made) + (1 - images) * np.log1p(-made)))
    assert decided.baseline_loss == pytest.approx(bce, rel=1e-4)
    assert decided.baseline_evaluation == "made by the push gate"
    # The same model and images, once measured by the Evaluator and once here.
    assert decided.baseline_loss == pytest.approx(decided.loss, rel=1e-6)


def test_large_images_are_measured_in_batches_of_64_mib(
    trained: Trained, evaluated: Any, tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("components.data.features._BATCH_BYTES", 4 * 4 * HEIGHT * WIDTH)  # in place of 64 MiB
    sizes = []
    mean_loss = push_gate.mean_loss

    def recorded(folder: str, pattern: str, metric: str, batch_size: int) -> Any:
        sizes.append(batch_size)
        return mean_loss(folder, pattern, metric, batch_size)

    monkeypatch.setattr("components.push.gate.mean_loss", recorded)
    standing_now = standing(None, f"{trained.model.uri}/Format-Serving")
    decided = decision.read(pathlib.Path(run(trained, evaluated, tmp_path, standing_now).uri))
    assert sizes == [4]
    assert decided.baseline_loss == pytest.approx(decided.loss, rel=1e-6)


def test_a_baseline_that_nobody_can_load_holds_nothing_back(trained: Trained, evaluated: Any, tmp_path: Any) -> None:
    broken = tmp_path / "broken"
    shutil.copytree(f"{trained.model.uri}/Format-Serving", broken)
    (broken / "saved_model.pb").write_bytes(b"no model")
    for folder, why in ((str(broken), "cannot be measured on the present test split"), ("", "its model is gone")):
        made = run(trained, evaluated, tmp_path / f"run {len(folder)}", standing(None, folder))
        assert made.get_int_custom_property("push") == 1
        assert made.get_string_custom_property("reason").startswith("not comparable with version 3: it")
        assert why in made.get_string_custom_property("reason")


def test_what_is_not_blessed_is_kept_back_and_measures_nothing(
    trained: Trained, evaluated: Any, tmp_path: pathlib.Path
) -> None:
    refused = nodes.artifact("ModelBlessing", tmp_path / "blessing")
    refused.set_int_custom_property("blessed", 0)
    given = {"evaluation": evaluated["evaluation"], "blessing": refused}
    made = run(trained, given, tmp_path, standing(None, "/no/such/model"))
    values = json.loads(pathlib.Path(made.uri, "decision.json").read_text())
    assert (values["push"], values["reason"], values["baseline"]) == (False, "the model is not blessed", None)
