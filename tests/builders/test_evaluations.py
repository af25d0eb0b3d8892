"""The evaluations of the builder are what the Evaluator's readers expect."""

from __future__ import annotations

import pathlib

import pytest

from pipeline.core import file_digests
from tests import lazy
from tests.builders.roots import LABEL_METRICS, METRICS, Recorded

evaluations = lazy.module("tests.builders.evaluations")
evaluator = lazy.module("components.evaluation.evaluator")

pytestmark = pytest.mark.component


def test_an_evaluation_has_the_metrics_and_files_that_are_recorded_of_it(tmp_path):
    recorded = Recorded(tmp_path)
    recorded.run("run-1")
    before = recorded.outputs("run-1", "Evaluator")["evaluation"]
    evaluations.write(recorded, "run-1")
    after = recorded.outputs("run-1", "Evaluator")["evaluation"]
    found = evaluator.read_evaluation(after.uri)
    assert found.overall == METRICS
    assert found.per_label == {int(label): metrics for label, metrics in LABEL_METRICS.items()}
    assert after.content == before.content
    assert file_digests.damage(pathlib.Path(after.uri), after.files, all_bytes=True) == ""
