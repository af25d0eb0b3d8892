"""Errors that a node raises on purpose, with a message for the user; the first line of others."""

from __future__ import annotations

import os


class DataError(Exception):
    """The data set cannot be used: unsupported, damaged or not as requested."""


class WriteError(DataError):
    """Files cannot be written, such as on a full disk."""


class AnomalyError(Exception):
    """The data does not fit the schema, or a split has the wrong size. A gate, not a fault."""


class TrainingError(Exception):
    """Training cannot continue: a loss is not finite, or a split is empty."""


def first_line(error: BaseException) -> str:
    """Return the first line of an error's message; its type if it has none."""
    return (str(error).splitlines() or [type(error).__name__])[0]


def cause_text(error: BaseException) -> str:
    """Return the cause of an error in one line: in the system's words, else in its own, else its type.

    An `OSError` that libraries raise may have a number or a text only, or neither.
    """
    if isinstance(error, OSError) and error.strerror:
        return str(error.strerror)
    if isinstance(error, OSError) and error.errno:
        return os.strerror(error.errno)
    text = "" if error.args == (None, None) else str(error)
    return " ".join(text.split()) or type(error).__name__
