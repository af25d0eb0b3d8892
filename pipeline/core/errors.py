"""Exit codes of `sae`, and errors that carry one."""

from __future__ import annotations

import enum


class ExitCode(enum.IntEnum):
    """The exit codes of `sae`."""

    DONE = 0
    NODE_FAILED = 1
    USAGE = 2
    NOT_FOUND = 3
    GATE_FAILED = 4
    LOCKED = 5
    ENVIRONMENT = 6
    INTERRUPTED = 130


class SaeError(Exception):
    """An error whose message suffices: what happened, the value given, what is allowed, what to do next."""

    exit_code = ExitCode.NODE_FAILED


class UsageError(SaeError):
    """A command, a setting, or a combination of them is not allowed."""

    exit_code = ExitCode.USAGE


class NotFoundError(SaeError):
    """A run, a node, an artifact or something else that was named does not exist."""

    exit_code = ExitCode.NOT_FOUND


class LockedError(SaeError):
    """Another process holds a lock."""

    exit_code = ExitCode.LOCKED


class UnavailableError(SaeError):
    """The environment or the data is missing or cannot be used."""

    exit_code = ExitCode.ENVIRONMENT
