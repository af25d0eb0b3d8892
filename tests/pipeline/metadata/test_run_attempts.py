"""The attempts of a run, as its context notes them."""

from __future__ import annotations

import datetime

import pytest

from pipeline.metadata import run_properties
from pipeline.metadata.run_properties import (
    ATTEMPTS,
    Headline,
    RunAttempt,
    attempts_of,
    seconds_before,
    with_next_attempt,
)
from pipeline.metadata.types import RunContext

BEGAN = datetime.datetime(2026, 11, 24, 12, 0, tzinfo=datetime.timezone.utc)


def later(minutes):
    return BEGAN + datetime.timedelta(minutes=minutes)


def ended(**values):
    return run_properties.headline_properties(Headline(**values))


@pytest.mark.parametrize(
    ("properties", "began"),
    [
        (run_properties.began_properties(BEGAN), BEGAN),
        ({}, later(1)),  # an earlier version did not record it
        *(({"sae_began": odd}, later(1)) for odd in ("", "soon", 5, "2026-11-24T12:00:00")),
    ],
)
def test_a_run_began_when_it_recorded_or_else_with_its_context(properties, began):
    assert run_properties.began_of(RunContext(1, "r1", later(1), properties)) == began


def test_a_run_that_was_not_resumed_has_no_attempts():
    assert attempts_of({}) == ()
    assert attempts_of(ended(state="failed", seconds=3.0)) == ()
    assert seconds_before({}) == 0


def test_each_attempt_keeps_its_end_and_the_last_one_has_that_of_the_run():
    first = ended(state="failed", seconds=60.0, error="Trainer: the loss became nan")
    noted = with_next_attempt(first, BEGAN, later(5))
    assert attempts_of(noted) == (
        RunAttempt(BEGAN, "failed", 60.0, "Trainer: the loss became nan"),
        RunAttempt(later(5)),
    )
    assert seconds_before(noted) == 60
    # The headline of the whole counts the seconds of all attempts.
    second = {**noted, **ended(state="cancelled", seconds=90.0)}
    noted = with_next_attempt(second, BEGAN, later(9))
    assert attempts_of({**noted, **ended(state="succeeded", seconds=100.0)}) == (
        RunAttempt(BEGAN, "failed", 60.0, "Trainer: the loss became nan"),
        RunAttempt(later(5), "cancelled", 30.0),
        RunAttempt(later(9), "succeeded", 10.0),
    )


@pytest.mark.parametrize("odd", ["", "no JSON", "1", "[1]", '[{"began": "yesterday"}]', '[{"state": "failed"}]'])
def test_what_is_damaged_counts_as_not_noted(odd):
    assert attempts_of({ATTEMPTS: odd}) == ()
