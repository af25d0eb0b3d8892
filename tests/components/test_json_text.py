"""JSON from outside: any text that cannot be parsed is a `ValueError`."""

from __future__ import annotations

import pytest

from components import json_text


def test_a_text_is_parsed():
    assert json_text.parse('{"a": [1, 2.5, null]}') == {"a": [1, 2.5, None]}


@pytest.mark.parametrize("text", ["", "{", "[" * 10_000, "[" * 10_000 + "]" * 10_000, '{"a":' * 10_000, "9" * 5_000])
def test_any_other_text_is_a_value_error(text):
    with pytest.raises(ValueError):  # noqa: PT011
        json_text.parse(text)
