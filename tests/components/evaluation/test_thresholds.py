"""The thresholds of a model, compared by hand."""

from __future__ import annotations

import math

import pytest

from components.evaluation.thresholds import (
    LARGEST_RATIO,
    OVERALL,
    Evaluation,
    Gates,
    attainable,
    judge,
    reasons,
    shown,
)
from pipeline_config import PipelineConfig

EVALUATION = Evaluation(
    {"bce": 0.2, "bce_to_mean_image": 0.5, "dead_units": 6.0, "active_units": 8.04},
    {0: {"bce": 0.1, "bce_to_mean_image": 0.95}, 1: {"bce": 0.3, "bce_to_mean_image": 0.4}},
)


@pytest.mark.parametrize(
    ("names", "slices"), [((), ("label 1", "label 0")), (("cat", "dog"), ("label dog", "label cat"))]
)
def test_the_worst_label_of_each_threshold_has_its_name(names: tuple[str, ...], slices: tuple[str, str]) -> None:
    judged = judge(EVALUATION, Gates(0.25, 0.35, 0.9), names)
    assert [(gate.slice, gate.value, gate.passed) for gate in judged] == [
        (OVERALL, 0.2, True),
        (OVERALL, 0.5, True),
        (slices[0], 0.3, True),
        (slices[1], 0.95, False),
    ]
    assert reasons(judged) == (f"bce_to_mean_image {slices[1]} is 0.9500, allowed is at most 0.9",)


@pytest.mark.parametrize(
    ("dead", "active", "failed"),
    [
        (math.inf, math.inf, ()),
        (6, 8.04, ()),
        (5, 8.1, ("dead_units overall is 6, allowed is at most 5",)),
        (
            0,
            8,
            ("dead_units overall is 6, allowed is at most 0", "active_units overall is 8.0400, allowed is at most 8"),
        ),
    ],
)
def test_limits_of_units_hold_for_all_images_together(dead: float, active: float, failed: tuple[str, ...]) -> None:
    gates = Gates(1, 1, 1, max_dead_units=dead, max_active_units=active)
    judged = judge(EVALUATION, gates)
    assert reasons(judged) == failed
    of_units = [(gate.name, gate.slice, gate.limit) for gate in judged if gate.name.endswith("units")]
    limits = (("dead_units", OVERALL, dead), ("active_units", OVERALL, active))
    assert of_units == [one for one in limits if math.isfinite(one[2])]


def test_an_evaluation_without_these_units_needs_no_limit_of_them() -> None:
    judged = judge(Evaluation({"bce": 0.2, "bce_to_mean_image": 0.5}, {}), Gates(1, 1, 1))
    assert [gate.name for gate in judged] == ["bce", "bce_to_mean_image"]


# --- the entropy floor, below which no model can be

# Of each slice the floor, the loss of the mean image and that of the model; every quotient by hand.
OF_MEAN = "of the loss of always predicting the mean, so"
RAISE = "raise evaluation.max_bce_to_mean_image or use model.loss=mse"


def evaluation(**slices: tuple[float, float, float]) -> Evaluation:
    """Returns an evaluation; the labels are cat and dog, 0 and 1."""
    values = {
        name: {"entropy_floor": floor, "mean_image_bce": mean, "bce": bce, "bce_to_mean_image": bce / mean}
        for name, (floor, mean, bce) in slices.items()
    }
    overall = values.pop("overall")
    return Evaluation(overall, {("cat", "dog").index(name): of for name, of in values.items()})


@pytest.mark.parametrize(
    ("found", "sentence"),
    [
        # 0.32 / 0.35 = 0.9143 of label dog, though the model is worst on label cat: 0.38 / 0.4 = 0.95
        (
            evaluation(overall=(0.32, 0.36, 0.33), cat=(0.32, 0.4, 0.38), dog=(0.32, 0.35, 0.33)),
            f"no model can pass: the entropy floor of label dog is 0.9143 {OF_MEAN} {RAISE}",
        ),
        # Without labels: 0.46 / 0.5
        (
            evaluation(overall=(0.46, 0.5, 0.48)),
            f"no model can pass: the entropy floor of the test split is 0.9200 {OF_MEAN} {RAISE}",
        ),
        # 0.597 / 0.6 = 0.995 is more than the setting may be
        (
            evaluation(overall=(0.597, 0.6, 0.599)),
            f"no model can pass: the entropy floor of the test split is 0.9950 {OF_MEAN} use model.loss=mse",
        ),
        # 0.35 / 0.4 = 0.875: a model that is almost perfect would pass
        (
            evaluation(overall=(0.35, 0.4, 0.38)),
            f"little room to pass: the entropy floor of the test split is 0.8750 {OF_MEAN} {RAISE}",
        ),
        (evaluation(overall=(0.2, 0.4, 0.38)), ""),  # there is room: 0.5
        (evaluation(overall=(0.35, 0.4, 0.35)), ""),  # passed: 0.875
        (Evaluation({"bce": 0.19, "bce_to_mean_image": 0.95}, {}), ""),  # of an earlier version: the floor is unknown
        (evaluation(overall=(0.0, 0.2, 0.19)), ""),  # black and white
        (evaluation(overall=(math.nan, 0.2, 0.19)), ""),
        (Evaluation({"bce": 0.1, "bce_to_mean_image": 2.0, "entropy_floor": 0.0, "mean_image_bce": 0.0}, {}), ""),
    ],
)
def test_a_ratio_that_the_floor_alone_misses_is_said_to_be_impossible(found: Evaluation, sentence: str) -> None:
    judged = judge(found, Gates(math.inf, math.inf, 0.9), ("cat", "dog"))
    told = reasons(judged, found.slices(("cat", "dog")))
    assert told == (*reasons(judged), *([sentence] if sentence else []))
    assert attainable(judged, found.slices(("cat", "dog"))) is not sentence.startswith("no model")


def test_squared_error_has_no_floor() -> None:
    values = {"mse": 0.19, "mse_to_mean_image": 0.95, "mean_image_mse": 0.2}
    judged = judge(Evaluation(values, {}), Gates(1, 1, 0.9, loss="mse"))
    assert reasons(judged, {OVERALL: values}) == ("mse_to_mean_image overall is 0.9500, allowed is at most 0.9",)


def test_the_largest_ratio_is_that_of_the_setting() -> None:
    assert PipelineConfig.build({"evaluation.max_bce_to_mean_image": LARGEST_RATIO})
    with pytest.raises(ValueError, match="max_bce_to_mean_image"):
        PipelineConfig.build({"evaluation.max_bce_to_mean_image": LARGEST_RATIO + 0.001})


def test_gates_and_slices_of_a_run_that_is_shown_have_the_names_of_labels() -> None:
    row = {"metric": "bce", "slice": "label 0", "value": 0.3, "limit": 0.2, "passed": False}
    rows = [row, {**row, "limit": None}, {**row, "value": "odd"}, {"title": "of another pipeline"}]
    gates, slices = shown(rows, {"bce": 0.1}, {"label 0": {"bce": 0.3}}, {"label 0": "label cat"})
    assert reasons(gates) == ("bce label cat is 0.3000, allowed is at most 0.2",)
    assert slices == {OVERALL: {"bce": 0.1}, "label cat": {"bce": 0.3}}
