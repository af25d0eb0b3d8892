"""What a run's trigger says."""

from __future__ import annotations

import pytest

from pipeline.scheduler import run_trigger
from pipeline.scheduler.run_trigger import Trigger


def test_a_trigger_names_schedule_and_tick():
    text = run_trigger.as_text("nightly", "2026-11-24T03:00:00Z")
    assert text == "schedule nightly 2026-11-24T03:00:00Z"
    assert run_trigger.parse(text) == Trigger("nightly", "2026-11-24T03:00:00Z")


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
def test_other_triggers_are_not_parsed(text):
    assert run_trigger.parse(text) is None


def test_a_trigger_in_words():
    text = "schedule nightly 2026-11-24T03:00:00Z"
    assert run_trigger.in_words(text) == "schedule nightly, for 2026-11-24 03:00 UTC"
    assert run_trigger.short(text) == "schedule nightly"
    assert run_trigger.in_words("manual") == run_trigger.short("manual") == "manual"
