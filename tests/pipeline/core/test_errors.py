"""The error of an exit code, and texts from the command line and the environment."""

import pytest

from pipeline.core.errors import (
    ExitCode,
    LockedError,
    NotFoundError,
    SaeError,
    UnavailableError,
    UsageError,
    check_text,
    of_exit_code,
)


@pytest.mark.parametrize(
    ("code", "kind"),
    [(1, SaeError), (2, UsageError), (3, NotFoundError), (4, SaeError), (5, LockedError), (6, UnavailableError)],
)
def test_an_exit_code_is_the_exception_that_has_it(code, kind):
    error = of_exit_code(code, "why")
    assert (type(error), error.exit_code, str(error)) == (kind, ExitCode(code), "why")
    assert SaeError.exit_code == ExitCode.NODE_FAILED
    assert of_exit_code(99, "why").exit_code == ExitCode.NODE_FAILED


@pytest.mark.parametrize("given", ["", "latest", "Größe", "a b", "a\nb", "\u202e"])
def test_text_is_allowed(given):
    check_text("argument 1", given)


@pytest.mark.parametrize(("given", "shown"), [("a\0b", r"'a\x00b'"), ("na\udcffme", r"'na\ufffdme'")])
def test_what_is_no_text_is_refused_and_named_in_ascii(given, shown):
    with pytest.raises(UsageError, match=r"^argument 1 '") as error:
        check_text("argument 1", given)
    assert shown in str(error.value)
    assert str(error.value).isascii()
