"""The commands of sweeps that need no runs of their own."""

from __future__ import annotations

import pytest

from pipeline.core.errors import ExitCode
from pipeline.metadata import sweep_trigger
from tests.builders.roots import Recorded
from tests.builders.sweeps import defined


@pytest.fixture
def recorded(tmp_path):
    """A root with a sweep of four points, the best two of which are not blessed."""
    recorded = Recorded(tmp_path)
    defined(recorded.root, over=["model.l1=0,1e-4,1e-3,1e-2"], minimise=["test_mse"])
    for point, (mse, blessed) in enumerate([(0.1, False), (0.2, False), (0.4, True), (0.3, True)], start=1):
        recorded.run(f"r{point}", blessed=blessed)
        trigger = sweep_trigger.as_text("l1", point)
        recorded.end(
            f"r{point}", state="succeeded", trigger=trigger, test_mse=mse, validation_mse=mse, blessed=int(blessed)
        )
    return recorded


def test_a_best_model_that_is_not_blessed_is_refused_and_the_best_blessed_one_named(sae, recorded):
    promote = ("sweep", "promote", "l1", "--reason", "best", "--root", str(recorded.root.path))
    code, _, errors = sae(*promote)
    assert code == ExitCode.GATE_FAILED, errors
    assert f"`sae show r1 --root {recorded.root.path}` shows why" in errors
    promotes = f"`sae promote r4 --reason TEXT --root {recorded.root.path}`"
    assert f"the best that is blessed is of point 4: {promotes} serves it" in errors
    for run in ("r3", "r4"):
        recorded.end(run, blessed=0)
    code, _, errors = sae(*promote)
    assert (code, errors.rstrip().endswith("no other point has a blessed model")) == (ExitCode.GATE_FAILED, True)


def test_without_a_value_of_an_objective_another_metric_to_compare_by_is_named(sae, recorded):
    defined(recorded.root, over=["model.l1=0,1e-4,1e-3,1e-2"], minimise=["test_mse"], maximise=["knn_accuracy"])
    root = ("--root", str(recorded.root.path))
    code, shown, errors = sae("sweep", "best", "l1", *root)
    assert (code, shown) == (ExitCode.NOT_FOUND, "")
    assert "no run of sweep l1 has knn_accuracy: compare them by another metric, as with --by test_mse" in errors
