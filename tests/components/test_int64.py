"""Numbers of 64 bits in texts."""

from __future__ import annotations

import pytest

from components import int64


@pytest.mark.parametrize(
    ("text", "number"),
    [
        ("0", 0),
        ("007", 7),
        ("0" * 5000, 0),
        ("0" * 5000 + "7", 7),
        (str(2**63 - 1), 2**63 - 1),
        (str(2**63), None),
        ("1" * 20, None),
        ("1" * 5000, None),
    ]
    + [(text, None) for text in ("", "-1", "+1", " 1", "1_0", "1.0", "\N{ARABIC-INDIC DIGIT THREE}", "²")],
)
def test_only_ascii_digits_that_fit_are_a_number(text: str, number: int | None) -> None:
    assert int64.parsed(text) == number
