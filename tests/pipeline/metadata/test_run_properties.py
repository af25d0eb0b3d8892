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
    skipped=1,
    pushed_version="1795447856",
    error="none",
)


def test_a_headline_comes_back_from_its_properties():
    assert run_properties.headline_of(run_properties.headline_properties(FULL)) == FULL
    assert None not in vars(FULL).values()  # every field was tried


def test_metrics_keep_their_digits_though_ml_metadata_rounds_them():
    """0.1035496 with four decimals is 0.1035; rounded to 0.10355 before, it would be 0.1036."""
    properties = run_properties.headline_properties(Headline(metrics={"test_bce": 0.1035496}))
    rounded = {name: round(value, 6) if isinstance(value, float) else value for name, value in properties.items()}
    assert run_properties.headline_of(rounded).metrics == {"test_bce": 0.1035496}
    del rounded["sae_metrics"]  # of an earlier version
    assert run_properties.headline_of(rounded).metrics == {"test_bce": 0.10355}


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
