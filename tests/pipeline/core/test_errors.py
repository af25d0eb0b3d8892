"""Texts from the command line and the environment."""

import pytest

from pipeline.core.errors import UsageError, check_text


@pytest.mark.parametrize("given", ["", "latest", "Größe", "a b", "a\nb", "\u202e"])
def test_text_is_allowed(given):
    check_text("argument 1", given)


@pytest.mark.parametrize(("given", "shown"), [("a\0b", r"'a\x00b'"), ("na\udcffme", r"'na\ufffdme'")])
def test_what_is_no_text_is_refused_and_named_in_ascii(given, shown):
    with pytest.raises(UsageError, match=r"^argument 1 '") as error:
        check_text("argument 1", given)
    assert shown in str(error.value)
    assert str(error.value).isascii()
