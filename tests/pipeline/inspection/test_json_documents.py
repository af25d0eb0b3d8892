"""What is read, as JSON."""

from __future__ import annotations

import datetime
import json
import math
import pathlib

from pipeline.core import serialization
from pipeline.inspection import json_documents
from pipeline.inspection.views import File, Page, RunRow, RunState

PLUS_TWO = datetime.timezone(datetime.timedelta(hours=2))
WHEN = datetime.datetime(2026, 11, 23, 14, 30, 5, 123456, PLUS_TWO)


def test_values_become_those_of_json():
    assert serialization.plain({1: (math.nan, math.inf, 0.5), "a": [File("f", 3)], "when": WHEN, "none": None}) == {
        "1": [None, None, 0.5],
        "a": [{"name": "f", "size": 3, "digest": ""}],
        "when": "2026-11-23T12:30:05.123+00:00",
        "none": None,
    }
    assert serialization.plain(pathlib.PurePath("/a/b")) == "/a/b"
    assert serialization.plain(RunState.FAILED) == "failed"
    assert type(serialization.plain(RunState.FAILED)) is str


def test_a_document_is_ascii_and_has_a_version():
    text = serialization.text({"name": "\u202eé\x1b"})
    assert text.isascii()
    assert "\x1b" not in text
    assert json.loads(text) == {"schema_version": 1, "name": "\u202eé\x1b"}


def test_a_list_says_whether_there_is_more():
    row = RunRow("r1", "p", RunState.SUCCEEDED, WHEN, math.nan)
    found = json_documents.runs([row], Page(7, "1"))
    assert (found["total"], found["more"], found["runs"][0]["seconds"]) == (7, True, None)
    assert json_documents.artifacts([], Page(None, "")) == {"artifacts": [], "total": None, "more": False}
