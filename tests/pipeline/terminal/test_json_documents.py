"""The JSON documents of commands."""

from __future__ import annotations

import datetime
import json
import math

import pytest

from pipeline.core import serialization
from pipeline.inspection.views import Continuation, RunRow, RunState
from pipeline.maintenance.doctor import Check
from pipeline.terminal import json_documents
from tests.pipeline.terminal.examples import FAILED, METRICS, summary

WHEN = datetime.datetime(2026, 11, 23, 12, 30, 5, tzinfo=datetime.timezone.utc)


def read(fields):
    return json.loads(serialization.document(fields))


def test_a_list_says_whether_there_is_more():
    row = RunRow("r1", "p", RunState.SUCCEEDED, WHEN, math.nan)
    found = read(json_documents.runs([row], Continuation(7, "1")))
    assert (found["total"], found["more"], found["runs"][0]["seconds"]) == (7, True, None)
    assert json_documents.artifacts([], Continuation(None, "")) == {"artifacts": [], "total": None, "more": False}


def test_as_json_it_is_one_object_with_null_for_what_there_is_not():
    found = read(json_documents.run_summary(FAILED))
    assert found["schema_version"] == 2
    assert found["exit_code"] == 1
    assert "words" not in found
    assert (found["report"], found["blessed"], found["pushed_version"], found["notice"]) == (None, None, None, None)
    assert found["error"] == "Trainer: the loss is not a number"
    assert read(json_documents.run_summary(summary()))["error"] is None


def test_as_json_it_has_the_measures_unrounded_and_every_node():
    found = read(json_documents.run_summary(summary()))
    assert found["metrics"] == METRICS
    assert found["nodes"] == [{"id": "Trainer", "state": "executed", "seconds": 31.2, "reason": None}]


@pytest.mark.parametrize("good", [True, False])
def test_the_checks_of_a_machine_are_one_object(good):
    checks = [Check("python", True, "3.10.13"), Check("disk", good, "x", "" if good else "free some")]
    assert read(json_documents.doctor(checks)) == {
        "schema_version": 2,
        "good": good,
        "checks": [
            {"name": "python", "good": True, "found": "3.10.13", "advice": ""},
            {"name": "disk", "good": good, "found": "x", "advice": "" if good else "free some"},
        ],
    }
