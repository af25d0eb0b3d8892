"""Import a package when one of its attributes is used, instead of when another package imports it."""

from __future__ import annotations

import ast
import functools
import importlib
import importlib.machinery
import importlib.util
import pathlib
import sys
import threading
import types
from typing import Any

_lock = threading.Lock()


class _Placeholder(types.ModuleType):
    """Stands for a module that is not imported yet. `importlib.util.LazyLoader` imports it at the next `import`."""

    def __getattr__(self, name: str) -> Any:
        if (part := self._part(name)) is not None:
            setattr(self, name, part)
            return part
        with _lock:
            if sys.modules.get(self.__name__) is self:
                del sys.modules[self.__name__]
        package = importlib.import_module(self.__name__)
        for part, module in list(vars(self).items()):
            if isinstance(module, types.ModuleType) and not hasattr(package, part):
                setattr(package, part, module)  # it was imported before the package
        return getattr(package, name)

    def __reduce__(self) -> tuple[Any, ...]:
        return importlib.import_module, (self.__name__,)  # a worker of Beam gets it with a function that names it

    def _part(self, name: str) -> Any:
        """Return what the package takes from one of its modules, or such a module, without an import of the package."""
        if "__path__" not in vars(self) or name.startswith("__") or sys.modules.get(self.__name__) is not self:
            return None
        if name in (sources := _sources(str(self.__file__))):
            module, name_there = sources[name]
            return getattr(importlib.import_module(module), name_there)
        if importlib.machinery.PathFinder.find_spec(f"{self.__name__}.{name}", self.__path__):
            return importlib.import_module(f"{self.__name__}.{name}")
        return None


@functools.cache
def _sources(file: str) -> dict[str, tuple[str, str]]:
    """Return the module and the name there of each name that a module imports with `from ... import`."""
    statements = ast.parse(pathlib.Path(file).read_bytes()).body
    imports = [one for one in statements if isinstance(one, ast.ImportFrom) and one.module and not one.level]
    return {alias.asname or alias.name: (one.module or "", alias.name) for one in imports for alias in one.names}


def _spec(name: str) -> importlib.machinery.ModuleSpec | None:
    """Return how to import a module, without an import of a package with code that contains it."""
    parent = name.rpartition(".")[0]
    if parent and parent not in sys.modules:
        package = _spec(parent)
        if package is not None and package.origin is not None:  # not a namespace
            return importlib.machinery.PathFinder.find_spec(name, package.submodule_search_locations)
    return importlib.util.find_spec(name)


def on_first_use(name: str, only_parts: bool = False) -> None:
    """Import a package when an attribute of it is used; do nothing if it is imported or not installed.

    Args:
      name: of a package or module. A package that contains it is not imported; if it is, it gets the attribute.
      only_parts: whether an import of a module in the package, or of what the package takes from one, is no use of it.
    """
    if name in sys.modules or (spec := _spec(name)) is None:
        return
    placeholder = _Placeholder(name)
    placeholder.__spec__ = spec
    placeholder.__file__ = spec.origin  # `inspect.getmodule` looks at that of every module
    if only_parts:
        placeholder.__path__ = spec.submodule_search_locations  # type: ignore[assignment]
    sys.modules[name] = placeholder
    parent, _, last = name.rpartition(".")
    if parent in sys.modules:
        setattr(sys.modules[parent], last, placeholder)
