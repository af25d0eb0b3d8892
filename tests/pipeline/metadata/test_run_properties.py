"""What is noted of a run on its context."""

from __future__ import annotations

import pytest

from pipeline.metadata import run_properties
from pipeline.metadata.run_properties import Headline

FULL = Headline(
    state="succeeded",
    seconds=61.25,
    dataset="mnist 3.0.1",
    profile="mnist",
    trigger="manual",
    metrics={"test_bce": 0.0943, "dead_units": 12.0},
    blessed=1,
    executed=4,
    cached=6,
    pushed_version="1795447856",
    error="none",
)


def test_a_headline_comes_back_from_its_properties():
    assert run_properties.headline_of(run_properties.headline_properties(FULL)) == FULL
    assert None not in vars(FULL).values()  # every field was tried


def test_properties_carry_a_prefix_and_what_is_not_known_is_not_among_them():
    assert run_properties.headline_properties(Headline(state="failed", executed=0)) == {
        "sae_state": "failed",
        "sae_executed": 0,
    }
    assert run_properties.headline_properties(Headline()) == {}


def test_other_properties_of_the_context_are_passed_over():
    assert run_properties.headline_of({"manifest_digest": "abc", "state": "x", "sae_later": 1}) == Headline()


@pytest.mark.parametrize(
    ("name", "value"),
    [("state", 1), ("seconds", 61), ("seconds", "61.25"), ("blessed", 1.0), ("blessed", True), ("error", None)],
)
def test_a_value_of_another_type_is_left_out(name, value):
    assert run_properties.headline_of({f"sae_{name}": value, "sae_dataset": "mnist 3.0.1"}) == Headline(
        dataset="mnist 3.0.1"
    )
