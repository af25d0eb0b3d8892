"""The texts of errors."""

from __future__ import annotations

import errno
import os
import sqlite3

import pytest

from components.errors import cause_text


@pytest.mark.parametrize(
    ("error", "text"),
    [
        (OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), "/a/file"), os.strerror(errno.ENOSPC)),
        (OSError("not a regular file"), "not a regular file"),  # as regular_file and libraries raise it
        (TimeoutError(), "TimeoutError"),
        (OSError(None, None), "OSError"),
        (OSError(errno.EIO, None), os.strerror(errno.EIO)),
        (OSError(errno.EIO, ""), os.strerror(errno.EIO)),
        (sqlite3.OperationalError("disk I/O error"), "disk I/O error"),
        (ValueError("two\nlines"), "two lines"),
        (MemoryError(), "MemoryError"),
    ],
    ids=repr,
)
def test_the_cause_is_named_in_one_line_whatever_the_error_has(error: Exception, text: str) -> None:
    assert cause_text(error) == text
