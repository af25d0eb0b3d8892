"""The thresholds of a model, compared by hand."""

from __future__ import annotations

import pytest

from components.evaluation.thresholds import OVERALL, Evaluation, Gates, judge, reasons

EVALUATION = Evaluation(
    {"bce": 0.2, "bce_to_mean_image": 0.5},
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
