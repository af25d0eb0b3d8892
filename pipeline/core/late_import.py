"""Import a package when one of its attributes is used, instead of when another package imports it."""

from __future__ import annotations

import importlib
import importlib.abc
import importlib.machinery
import sys
import threading
import types
from collections.abc import Sequence
from typing import Any

_lock = threading.Lock()


class _Placeholder(types.ModuleType):
    """Stands for a module that is not imported yet. `importlib.util.LazyLoader` imports it at the next `import`."""

    def __getattr__(self, name: str) -> Any:
        if _finder.put_off.get(self.__name__) and _is_part(self, name):
            return importlib.import_module(f"{self.__name__}.{name}")
        return getattr(_imported(self), name)


def _imported(placeholder: types.ModuleType) -> types.ModuleType:
    """Import a module, after the packages that contain it, as without placeholders, and return it."""
    name = placeholder.__name__
    outer = sys.modules.get(name.rpartition(".")[0])
    if isinstance(outer, _Placeholder):
        _imported(outer)
    with _lock:
        _finder.put_off.pop(name, None)
        if sys.modules.get(name) is placeholder:
            del sys.modules[name]
    module = importlib.import_module(name)
    for part, inner in list(vars(placeholder).items()):
        if isinstance(inner, types.ModuleType) and not hasattr(module, part):
            setattr(module, part, inner)  # it was imported before the package
    for attribute in _finder.known.pop(name, {}):
        vars(placeholder).pop(attribute, None)
    return module


def _is_part(package: types.ModuleType, name: str) -> bool:
    """Whether an attribute of a package may be a module in it."""
    return importlib.machinery.PathFinder.find_spec(f"{package.__name__}.{name}", package.__path__) is not None


class _Loader(importlib.abc.Loader):
    """Makes a placeholder of a module that Python has created."""

    def create_module(self, spec: importlib.machinery.ModuleSpec) -> None:
        """Let Python create the module, and set its `__path__` and the like."""

    def exec_module(self, module: types.ModuleType) -> None:
        vars(module).update(_finder.known.get(module.__name__, {}))
        module.__class__ = _Placeholder


class _Finder(importlib.abc.MetaPathFinder):
    """Finds placeholders in place of modules, before Python's own finders.

    Attributes:
      put_off: the names of the modules, and whether an import of a module in one is no use of it.
      known: attributes of modules that need no import.
    """

    def __init__(self) -> None:
        self.put_off: dict[str, bool] = {}
        self.known: dict[str, dict[str, Any]] = {}

    def find_spec(
        self, name: str, path: Sequence[str] | None, target: types.ModuleType | None = None
    ) -> importlib.machinery.ModuleSpec | None:
        only_parts = self.put_off.get(name)
        if only_parts is None or (found := importlib.machinery.PathFinder.find_spec(name, path, target)) is None:
            return None
        spec = importlib.machinery.ModuleSpec(name, _Loader(), origin=found.origin)
        spec.has_location = True  # `inspect.getmodule` looks at `__file__` of every module
        if only_parts:
            spec.submodule_search_locations = found.submodule_search_locations
        return spec


_finder = _Finder()


def on_first_use(name: str, only_parts: bool = False, **known: Any) -> None:
    """Import a module when an attribute of it is used; do nothing if it is imported or not installed.

    Args:
      name: of a package or module. `from NAME import X` is a use of it.
      only_parts: whether an import of a module in the package is no use of the package.
      known: attributes that it has without an import, until it is imported.
    """
    if name in sys.modules:
        return
    _finder.put_off[name], _finder.known[name] = only_parts, known
    if _finder not in sys.meta_path:
        sys.meta_path.insert(0, _finder)
