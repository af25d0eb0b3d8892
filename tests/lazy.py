"""Modules that are imported when they are first used, so that collecting tests does not import TensorFlow."""

from __future__ import annotations

import importlib
from typing import Any


class Module:
    """Stands for a module until one of its names is asked for, and then hands out the module's own."""

    def __init__(self, name: str) -> None:
        self._name = name

    def __getattr__(self, name: str) -> Any:
        if name.startswith("_"):  # pytest looks for such names while it collects
            raise AttributeError(name)
        return getattr(importlib.import_module(self._name), name)


def module(name: str) -> Any:
    """`tf = lazy.module("tensorflow")` is used like `import tensorflow as tf`."""
    return Module(name)
