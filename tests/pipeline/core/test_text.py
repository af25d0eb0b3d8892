"""Escaped and shortened texts."""

import pytest

from pipeline.core.text import beginning, escaped, escaped_lines, last_line


@pytest.mark.parametrize(
    ("given", "safe"),
    [
        ("a\nb\tc", "a\nb\tc"),
        ("\x1b[1;31mred\x1b[0m", "\x1b[1;31mred\x1b[0m"),
        ("\x1b[2J\x1b]0;x\x07", r"\x1b[2J\x1b]0;x\x07"),
        ("a\r\nb", "a\\r\nb"),
        ("\u202egpj.exe\n\u2066x", "\\u202egpj.exe\n\\u2066x"),
        ("\ud800 ü 🦊", r"\ud800 ü 🦊"),
    ],
)
def test_lines_tabs_and_colours_stay_and_other_codes_are_escaped(given, safe):
    assert escaped_lines(given) == safe


def test_in_one_line_nothing_of_them_stays():
    assert escaped("a\n\x1b[1m\u202e") == r"a\n\x1b[1m\u202e"


def test_the_last_line_is_not_blank_and_begins_with_nothing_that_is_ignored():
    text = "first\n  second \n\tat some.Place\n\n"
    assert [last_line(text), last_line(text, ("at ",)), last_line(" \n")] == ["at some.Place", "second", ""]


def test_a_text_that_is_cut_says_so():
    assert [beginning("abc", 3), beginning("abcd", 3)] == ["abc", "abc..."]
