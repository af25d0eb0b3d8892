"""First runs beside the plain script, and beside another checkout."""

from __future__ import annotations

import json

from benchmarks import whole
from benchmarks.measuring import Measured


def test_a_run_is_compared_with_the_script_of_its_round() -> None:
    spans = {"Transform": (1.0, 2.0), "Trainer": (2.0, 42.0), "Encode": (40.0, 44.0), "Probe": (44.0, 47.0)}
    run = Measured(60.0, 1500.0, "", {1: 10.0, 2: 12.5, 3: 13.5, 4: 14.5}, spans)
    script = Measured(100.0, 900.0, json.dumps({"epoch_s": 2.0}))
    assert whole.compared([run], [script]) == {
        "whole": [0.6],
        "whole_without_added": [0.55],  # without the 5 s in which only Encode or Probe ran
        "epoch": [0.5],
        "epoch_mean": [0.75],
        "beside_training": [20.0],
        "run_seconds": [60.0],
        "script_seconds": [100.0],
        "peak_memory": [1500.0],
    }


def test_digests_of_outputs_that_both_checkouts_have_are_compared() -> None:
    before = {"Trainer.model": "a", "Report.report": "b", "Old.output": "c"}
    assert "2 outputs" in whole.difference(before, {"Trainer.model": "a", "Report.report": "b", "Encode.codes": "d"})
    assert whole.difference(before, before).endswith("equal")
    assert whole.difference(before, {"Trainer.model": "x", "Report.report": "b"}).endswith("other Trainer.model")
