"""Python's garbage collector, which takes a tenth of the time of imports and of short commands in vain."""

from __future__ import annotations

import contextlib
import gc
from collections.abc import Iterator

_is_off = False  # by `off`


@contextlib.contextmanager
def off() -> Iterator[None]:
    """Turn the collector off for work that takes less than a second; at most until imports in it have ended.

    Leave it off if it was turned off outside this module.
    """
    global _is_off
    if not (_is_off or gc.isenabled()):
        yield
        return
    _is_off = True
    gc.disable()
    try:
        yield
    finally:
        gc.enable()
        _is_off = False


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
