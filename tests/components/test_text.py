"""Words with their numbers."""

from __future__ import annotations

import pytest

from components.text import counted


@pytest.mark.parametrize(
    ("given", "text"),
    [
        ((0, "row"), "0 rows"),
        ((1, "row"), "1 row"),
        ((2, "row"), "2 rows"),
        ((1_000, "row"), "1,000 rows"),
        ((1, "record is", "records are"), "1 record is"),
        ((3, "record is", "records are"), "3 records are"),
    ],
)
def test_a_noun_has_the_form_of_its_number(given: tuple[int, str], text: str) -> None:
    assert counted(*given) == text
