"""Python's garbage collector, which takes a tenth of the time of imports and of short commands in vain."""

from __future__ import annotations

import contextlib
import gc
from collections.abc import Iterator

_is_off = False  # by `off`
_SELDOM = 50_000  # new objects, in place of 700


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


@contextlib.contextmanager
def seldom() -> Iterator[None]:
    """Search for garbage after more new objects, and so less often through all: TensorFlow and TFX create millions."""
    first, *others = gc.get_threshold()
    gc.set_threshold(max(first, _SELDOM) if first else 0, *others)  # 0: it was turned off
    try:
        yield
    finally:
        gc.set_threshold(first, *others)
