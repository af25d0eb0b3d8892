"""Python's garbage collector, which takes a tenth of the time of imports and of short commands in vain."""

from __future__ import annotations

import contextlib
import gc
from collections.abc import Iterator


@contextlib.contextmanager
def off() -> Iterator[None]:
    """Turn the collector off for work that takes less than a second; at most until imports in it have ended."""
    gc.disable()
    try:
        yield
    finally:
        gc.enable()


@contextlib.contextmanager
def off_for_imports() -> Iterator[None]:
    """Turn the collector off while modules are imported, and exclude what they created from later collections.

    Modules, classes and functions live as long as the process.
    """
    with off():
        try:
            yield
        finally:
            gc.freeze()
