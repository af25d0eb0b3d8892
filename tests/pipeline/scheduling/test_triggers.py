"""What a run's trigger says."""

from __future__ import annotations

import pytest

from pipeline.scheduling import triggers
from pipeline.scheduling.triggers import Trigger


def test_a_trigger_names_schedule_and_tick():
    text = triggers.as_text("nightly", "2026-11-24T03:00:00Z")
    assert text == "schedule nightly 2026-11-24T03:00:00Z"
    assert triggers.parse(text) == Trigger("nightly", "2026-11-24T03:00:00Z")


@pytest.mark.parametrize(
    "text",
    [
        "manual",
        "",
        "schedule",
        "schedule nightly",
        "schedule  x",
        "a b c",
        "schedule a b c",
        "schedule a 2026-13-01T00:00:00Z",
    ],
)
def test_other_triggers_name_none(text):
    assert triggers.parse(text) is None


def test_a_trigger_in_words():
    text = "schedule nightly 2026-11-24T03:00:00Z"
    assert triggers.in_words(text) == "schedule nightly, for 2026-11-24 03:00 UTC"
    assert triggers.short(text) == "schedule nightly"
    assert triggers.in_words("manual") == triggers.short("manual") == "manual"
