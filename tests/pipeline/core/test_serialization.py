"""Dataclasses as JSON."""

from __future__ import annotations

import datetime
import json
import math
import pathlib

from pipeline.core import serialization
from pipeline.inspection.views import File, RunState

PLUS_TWO = datetime.timezone(datetime.timedelta(hours=2))
WHEN = datetime.datetime(2026, 11, 23, 14, 30, 5, 123456, PLUS_TWO)


def test_values_are_converted_to_json():
    assert serialization.jsonable({1: (math.nan, math.inf, 0.5), "a": [File("f", 3)], "when": WHEN, "none": None}) == {
        "1": [None, None, 0.5],
        "a": [{"name": "f", "size": 3, "digest": ""}],
        "when": "2026-11-23T12:30:05.123+00:00",
        "none": None,
    }
    assert serialization.jsonable(pathlib.PurePath("/a/b")) == "/a/b"
    assert serialization.jsonable(RunState.FAILED) == "failed"
    assert type(serialization.jsonable(RunState.FAILED)) is str


def test_a_document_is_ascii_and_has_a_version():
    text = serialization.document({"name": "\u202eé\x1b"})
    assert text.isascii()
    assert "\x1b" not in text
    assert json.loads(text) == {"schema_version": 2, "name": "\u202eé\x1b"}
