"""The list of sweeps as text."""

from pipeline.sparse_autoencoder.definition import PIPELINE
from pipeline.sweeps.definition import Objective
from pipeline.sweeps.views import SweepRow, SweepState
from pipeline.terminal import sweeps
from pipeline.terminal.table import Screen


def test_objectives_are_told_apart():
    objectives = (
        Objective("test_bce", "lower", "validation_bce"),
        Objective("linear_probe_accuracy", "higher", "linear_probe_accuracy"),
    )
    row = SweepRow("a", SweepState.STOPPED, "search", ("model.l1",), objectives, 3, {"waiting": 3}, None, 0.0)
    text = sweeps.rows(Screen(None), [row], PIPELINE.declared_metrics)
    assert "minimise test BCE, chosen by validation BCE; maximise linear probe" in text
