"""The Evaluator with our metrics and gates: what it measures and what it blesses."""

from __future__ import annotations

import dataclasses
import math
import pathlib
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import pytest

from components.evaluation import thresholds
from tests import lazy, nodes
from tests.components.conftest import LOOSEST, SETTINGS, Trained

autoencoder = lazy.module("components.model.autoencoder")
evaluation = lazy.module("components.evaluation.evaluator")
loaded = lazy.module("components.model.loaded")
tfma_metric = lazy.module("components.evaluation.tfma_metric")
serving = lazy.module("components.model.saved_model")
tf = lazy.module("tensorflow")
tfma = lazy.module("tensorflow_model_analysis")
tft = lazy.module("tensorflow_transform")
udf_utils = lazy.module("tfx.components.util.udf_utils")

pytestmark = pytest.mark.component


@dataclasses.dataclass(frozen=True)
class Judged:
    """What the Evaluator decided, and what we read in its output.

    Attributes:
      blessed: whether the node blessed the model.
      failures: by TFMA's own validation: `bce overall`, `bce label`.
      found: our reading.
    """

    blessed: bool
    failures: set[str]
    found: thresholds.Evaluation
    gates: tuple[thresholds.Gate, ...]


def gates_of(limits: Mapping[str, float]) -> thresholds.Gates:
    return thresholds.Gates(**{name.replace("max_bce", "max_loss"): limit for name, limit in limits.items()})


def evaluate(trained: Trained, folder: pathlib.Path, model: Any = None, **gates: float) -> Judged:
    """Runs the Evaluator on the trained model, or another one, with `gates` and the loosest ones else."""
    limits = LOOSEST | gates
    settings = SETTINGS | {f"evaluation.{name}": limit for name, limit in limits.items()}
    outputs = nodes.run(
        nodes.make(folder, settings)["Evaluator"],
        folder,
        examples=trained.examples,
        model=model or trained.model,
        schema=trained.schema,
    )
    return read(outputs, limits)


def read(outputs: Mapping[str, Any], limits: Mapping[str, Any]) -> Judged:
    uri = outputs["evaluation"].uri
    validation = tfma.load_validation_result(uri)
    failures = {
        f"{failure.metric_key.name} {'label' if validated.slice_key.single_slice_keys else 'overall'}"
        for validated in validation.metric_validations_per_slice
        for failure in validated.failures
    }
    assert validation.validation_ok == (not failures)
    blessed = pathlib.Path(outputs["blessing"].uri, "BLESSED").exists()
    found = evaluation.read_evaluation(uri)
    return Judged(blessed, failures, found, thresholds.judge(found, gates_of(limits)))


@pytest.fixture(scope="module")
def loosest(evaluated: Any) -> Judged:
    return read(evaluated, LOOSEST)


def test_metrics_are_the_means_of_the_model_s_scalars_overall_and_per_label(trained: Trained, loosest: Judged) -> None:
    files = sorted(map(str, pathlib.Path(trained.examples.uri, "Split-test").iterdir()))
    examples = np.array(list(tf.data.TFRecordDataset(files).as_numpy_iterator()), object)
    labels = np.array(
        [tf.train.Example.FromString(data).features.feature["label"].int64_list.value[0] for data in examples]
    )
    model = tf.saved_model.load(f"{trained.model.uri}/Format-Serving")
    scalars = {name: value.numpy() for name, value in model.signatures["evaluate"](examples=examples).items()}
    parts = [(loosest.found.overall, np.full(31, True))]
    parts += [(loosest.found.per_label[label], labels == label) for label in range(3)]
    assert list(loosest.found.per_label) == [0, 1, 2]
    for found, chosen in parts:
        assert found["example_count"] == chosen.sum()
        for name in tfma_metric.means():
            assert found[name] == pytest.approx(scalars[name][chosen].mean(dtype=np.float64), rel=1e-5), name
        active = scalars["code"][chosen] > 0
        assert found["dead_units"] == (~active).all(axis=0).sum()
        assert found["always_active_units"] == (active.mean(axis=0) > 0.9).sum()
        assert found["active_units_median"] == np.median(active.sum(axis=1))
        assert (found["active_units_min"], found["active_units_max"]) == (
            active.sum(axis=1).min(),
            active.sum(axis=1).max(),
        )
        assert found["bce_to_mean_image"] == pytest.approx(found["bce"] / found["mean_image_bce"])


def test_model_within_every_gate_is_blessed(loosest: Judged) -> None:
    assert loosest.blessed
    assert loosest.failures == set()
    assert thresholds.reasons(loosest.gates) == ()
    assert all(gate.passed for gate in loosest.gates)


def worst(judged: Judged, metric: str, rank: int = 0) -> float:
    """The largest value of a metric over labels, or the second largest with rank 1."""
    return sorted((values[metric] for values in judged.found.per_label.values()), reverse=True)[rank]


def between(one: float, other: float) -> float:
    assert one < other
    return (one + other) / 2


# Each limit lies between two values of the trained model, so that exactly the named gates are not passed. Gates that
# a model passes or fails together share a run of the node.
GATES: dict[str, tuple[Callable[[Judged], dict[str, float]], set[str]]] = {
    "an overall limit that one label exceeds, one that no label exceeds, as many active and dead units as allowed": (
        lambda judged: {
            "max_bce": between(judged.found.overall["bce"], worst(judged, "bce")),
            "max_bce_worst_label": worst(judged, "bce") + 1e-4,
            "max_active_units": judged.found.overall["active_units"],
            "max_dead_units": judged.found.overall["dead_units"],
        },
        set(),
    ),
    "what is too large overall, and what is too large for one label": (
        lambda judged: {
            "max_bce": judged.found.overall["bce"] - 1e-4,
            "max_active_units": judged.found.overall["active_units"] - 1e-3,
            "max_bce_worst_label": between(worst(judged, "bce", 1), worst(judged, "bce")),
            "max_bce_to_mean_image": between(
                judged.found.overall["bce_to_mean_image"], worst(judged, "bce_to_mean_image")
            ),
        },
        {"bce overall", "active_units overall", "bce label", "bce_to_mean_image label"},
    ),
}


@pytest.mark.parametrize("case", GATES)
def test_gate_blocks_what_it_names_and_nothing_else(
    case: str, trained: Trained, loosest: Judged, tmp_path: pathlib.Path
) -> None:
    choose, failures = GATES[case]
    judged = evaluate(trained, tmp_path, **choose(loosest))
    assert judged.failures == failures
    assert judged.blessed == (not failures)
    shown = {f"{gate.name} {gate.slice.split()[0]}" for gate in judged.gates if not gate.passed}
    assert shown == failures
    assert len(thresholds.reasons(judged.gates)) == len(failures)


def test_reason_names_the_metric_the_label_the_value_and_the_limit() -> None:
    gates = (
        thresholds.Gate("bce", "overall", 0.09426, 0.12, True),
        thresholds.Gate("bce", "label 8", 0.17004, 0.16, False),
    )
    assert thresholds.reasons(gates) == ("bce label 8 is 0.1700, allowed is at most 0.16",)


def test_shown_gates_are_the_overall_ones_and_the_worst_label_of_each(loosest: Judged) -> None:
    shown = [(gate.name, gate.slice.split()[0], gate.value, gate.limit) for gate in loosest.gates]
    overall = loosest.found.overall
    assert shown == [
        ("bce", "overall", overall["bce"], math.inf),
        ("bce_to_mean_image", "overall", overall["bce_to_mean_image"], 0.99),
        ("bce", "label", worst(loosest, "bce"), math.inf),
        ("bce_to_mean_image", "label", worst(loosest, "bce_to_mean_image"), 0.99),
    ]
    for gate in loosest.gates[2:]:
        assert loosest.found.per_label[int(gate.slice.split()[1])][gate.name] == gate.value


def test_model_that_always_says_the_mean_image_is_not_blessed_by_the_loosest_gates(
    trained: Trained, tmp_path: pathlib.Path
) -> None:
    with np.load(pathlib.Path(trained.model_run.uri, "pca.npz")) as pca:
        mean_image = pca["mean"]
    collapsed = autoencoder.build_autoencoder(len(mean_image), (16,), 4, l1=0.0, seed=0)
    for variable in collapsed.variables:
        variable.assign(tf.zeros_like(variable))
    collapsed.variables[-1].assign(np.log(mean_image / (1 - mean_image)))
    transform = tft.TFTransformOutput(trained.transform_graph.uri)
    serving.save(collapsed, transform, mean_image, tmp_path / "model" / "Format-Serving")
    judged = evaluate(trained, tmp_path, nodes.artifact("Model", tmp_path / "model"), max_dead_units=0)
    assert judged.found.overall["bce_to_mean_image"] == pytest.approx(1, abs=1e-5)
    assert judged.found.overall["dead_units"] == judged.found.overall["near_dead_units"] == 4
    assert not judged.blessed
    assert judged.failures == {"bce_to_mean_image overall", "bce_to_mean_image label", "dead_units overall"}
    assert thresholds.reasons(judged.gates)[1] == "dead_units overall is 4, allowed is at most 0"


def test_tfx_takes_the_model_as_tfma_would_load_it_but_shared_with_other_nodes(
    trained: Trained, tmp_path: pathlib.Path
) -> None:
    folder = f"{trained.model.uri}/Format-Serving"
    config = evaluation.eval_config(gates_of(LOOSEST))
    options = {"model_name": "", "eval_config": config, "add_metrics_callbacks": None}
    default = tfma.default_eval_shared_model(folder, **options)
    make = udf_utils.try_get_fn(nodes.make(tmp_path, SETTINGS)["Evaluator"].exec_properties, "custom_eval_shared_model")
    with loaded.of_run():
        found = make(eval_saved_model_path=folder, **options)
        assert found.model_loader.load() is loaded.load(folder)
    assert found._replace(model_loader=None) == default._replace(model_loader=None)
    assert found.model_loader.tags == default.model_loader.tags
    assert not config.model_specs[0].model_type  # it would be part of the evaluation


def test_there_is_nothing_to_read_where_nothing_was_evaluated(tmp_path: pathlib.Path) -> None:
    with pytest.raises(FileNotFoundError):
        evaluation.read_evaluation(str(tmp_path))
