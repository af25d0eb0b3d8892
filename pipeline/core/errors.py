"""Exit codes, and errors that carry one with a line for the person who reads it."""

from __future__ import annotations

import enum


class ExitCode(enum.IntEnum):
    """What `sae` returns to the shell."""

    DONE = 0
    NODE_FAILED = 1
    USAGE = 2
    NOT_FOUND = 3
    GATE_FAILED = 4
    LOCKED = 5
    ENVIRONMENT = 6
    INTERRUPTED = 130


class SaeError(Exception):
    """An error that is explained by its message alone: what was given, what is allowed, what to do next."""

    exit_code = ExitCode.NODE_FAILED


class UsageError(SaeError):
    """The command, a setting or a combination of them is not allowed."""

    exit_code = ExitCode.USAGE


class NotFoundError(SaeError):
    """A run or a node that does not exist."""

    exit_code = ExitCode.NOT_FOUND


class LockedError(SaeError):
    """Another run holds the root."""

    exit_code = ExitCode.LOCKED


class UnavailableError(SaeError):
    """The environment or the data is not there or cannot be used."""

    exit_code = ExitCode.ENVIRONMENT
