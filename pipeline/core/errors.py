"""Exit codes of `sae`, and errors that carry one."""

from __future__ import annotations

import enum
import errno
import locale

_FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)
FREE_SPACE = "free space, for example with `sae gc --yes`"


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


def of_exit_code(code: int, text: str) -> SaeError:
    """Return the error of a command that ended with an exit code: of the class that has it, or else a `SaeError`."""
    kinds = {int(kind.exit_code): kind for kind in (UsageError, NotFoundError, LockedError, UnavailableError)}
    error = kinds.get(code, SaeError)(text)
    if code in set(ExitCode):
        error.exit_code = ExitCode(code)
    return error


def advice(error: OSError, otherwise: str) -> str:
    """Return what to do after an error of the file system: free space if it is full, else `otherwise`."""
    return FREE_SPACE if error.errno in _FULL else otherwise


def check_text(what: str, given: str) -> None:
    """Check that a text from the command line or the environment can be stored and be part of a path.

    Args:
      what: names it in the error: `root`, `argument 2`.
      given: the text; Python represents bytes that the locale cannot decode by lone surrogates.

    Raises:
      UsageError: it contains a NUL character, or bytes that are no text.
    """
    if "\0" in given:
        raise UsageError(f"{what} {given!a} contains a NUL character: leave it out")
    try:
        given.encode()
    except UnicodeEncodeError as error:
        shown = given.encode("utf-8", "surrogateescape").decode("utf-8", "replace")
        raise UsageError(
            f"{what} {shown!a}: this process's locale, {locale.setlocale(locale.LC_CTYPE)}, cannot name it: set "
            "LC_ALL=C.UTF-8 or PYTHONUTF8=1, or choose a name in ASCII"
        ) from error
