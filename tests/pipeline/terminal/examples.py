"""Results of runs to print."""

from __future__ import annotations

import pathlib

from pipeline.core.errors import ExitCode
from pipeline.orchestration.summary import Summary

METRICS = {
    "pca_mse": 0.01683,
    "test_bce": 0.09431,
    "test_mse": 0.010772,
    "active_units": 17.24,
    "dead_units": 12.0,
    "hoyer": 0.412,
    "gini": 0.637,
    "mean_image_bce": 0.26251,
    "mean_image_mse": 0.0675,
    "entropy_floor": 0.0581,
    "bce_to_mean_image": 0.3593,
}


def summary(**changes):
    fields = {
        "run_id": "20261123-143005",
        "state": "succeeded",
        "dataset": "mnist 3.0.1",
        "notice": "",
        "profile": "mnist",
        "assignments": (),
        "part": "",
        "nodes": ({"id": "Trainer", "state": "executed", "seconds": 31.2, "reason": None},),
        "metrics": METRICS,
        "blessed": True,
        "reasons": (),
        "kept_back": "",
        "pushed_version": "1795447856",
        "report": "/root/report.html",
        "root": str(pathlib.Path("pipeline_root").resolve()),
        "log": "/root/logs/20261123-143005.log",
        "seconds": 61.25,
        "error": "",
        "exit_code": ExitCode.DONE,
    }
    return Summary(**(fields | changes))


FAILED = summary(
    state="failed",
    metrics={},
    blessed=None,
    pushed_version=None,
    report=None,
    error="Trainer: the loss is not a number",
    exit_code=ExitCode.NODE_FAILED,
)
NOT_BLESSED = summary(
    blessed=False,
    pushed_version=None,
    reasons=("bce 0.2700 is above 0.12", "label 8: 0.3000 is above 0.16"),
    exit_code=ExitCode.GATE_FAILED,
)
KEPT_BACK = summary(
    kept_back="test BCE 0.0943 is 1.179 times the 0.0800 of version 3, allowed is at most 1.05",
    pushed_version=None,
    exit_code=ExitCode.GATE_FAILED,
)
