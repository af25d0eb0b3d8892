"""Paths that a user gives: `~` is expanded; URLs and paths that this machine cannot have are refused."""

from __future__ import annotations

import errno
import os
import re

from pipeline.core.errors import UnavailableError, UsageError

# TensorFlow and Beam select a file system by this beginning; everything else would take it for a folder named `gs:`.
_URL = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*://")
# TensorFlow and Beam take a path with these characters for a pattern, and also read the files of other folders that
# match it. Beam has no way to quote them.
_PATTERN = "*?[]\\"
_SHOWN = 60  # characters of a path that is too long
# The longest path of a file below a root, beyond that of the root: `/artifacts/NODE/OUTPUT/ID/Split-SPLIT/FILE`.
ROOM = 500


def local_path(text: str) -> str:
    """Return a path with `~` and `~user` expanded.

    Raises:
      ValueError: a URL, an unknown user after `~`, or a NUL; the message continues `PATH: `.
      UnavailableError: the path is longer than this machine allows.
    """
    if _URL.match(text):
        raise ValueError("it is a URL; give a path on this machine (a network share must be mounted)")
    if "\0" in text:
        raise ValueError("it contains a NUL character; no path can")
    path = os.path.expanduser(text)
    if path.startswith("~"):
        user = path.partition("/")[0]
        raise ValueError(f"there is no user {user[1:]!r}; write ./{user} for a folder of that name")
    check_length(path)
    return path


def check_no_pattern(what: str, path: str, option: str) -> None:
    """Check that TensorFlow and Beam do not take a path for a pattern.

    Args:
      what: what the folder is, in words.
      path: of the folder.
      option: which selects another folder.

    Raises:
      UsageError: they do.
    """
    if found := sorted(set(path) & set(_PATTERN)):
        raise UsageError(
            f"the {what} {path} cannot be used: TensorFlow and Beam take {' '.join(found)} in a path for a pattern, "
            f"and would read other folders that match it; rename it, or choose another with {option}"
        )


def check_length(path: str, room: int = 0) -> None:
    """Check that this machine allows a path as long as this one, with `room` more bytes.

    Raises:
      UnavailableError: it does not.
    """
    longer = path + "/" + "/".join(["x" * 99] * (room // 100)) if room else path
    try:
        os.lstat(longer)
    except UnicodeEncodeError:  # a path of an earlier run, under another locale: nothing can be opened there now
        return
    except OSError as error:
        if error.errno == errno.ENAMETOOLONG:
            size = len(os.fsencode(path))
            raise UnavailableError(
                f"the path {path[:_SHOWN]}... is too long: {size:,} bytes; choose a shorter one"
            ) from error
