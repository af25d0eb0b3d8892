"""Keep a run in the process of a test from changing that process."""

from __future__ import annotations

import contextlib
import logging
import os
import tempfile
from collections.abc import Iterator


@contextlib.contextmanager
def restored() -> Iterator[None]:
    """Restore the environment afterwards. A run changes it; its temporary folder is one in its root, for instance.

    `sae` also logs the warnings of libraries.
    """
    before, temporary = dict(os.environ), tempfile.tempdir
    try:
        yield
    finally:
        for name in {*before, *os.environ}:  # a thread of a library may read the others
            if name not in before:
                del os.environ[name]
            elif os.environ.get(name) != before[name]:
                os.environ[name] = before[name]
        tempfile.tempdir = temporary
        logging.captureWarnings(False)
