"""The thresholds of a model, compared by hand."""

from __future__ import annotations

import math

import pytest

from components.evaluation.thresholds import OVERALL, Evaluation, Gates, judge, reasons

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
