"""Import a package when one of its attributes is used, instead of when another package imports it."""

from __future__ import annotations

import contextlib
import importlib
import importlib.abc
import importlib.machinery
import sys
import types
from collections.abc import Sequence
from typing import Any

_bootstrap: Any = importlib._bootstrap


class _Placeholder(types.ModuleType):
    """Stands for a module that is not imported yet. That of `importlib.util.LazyLoader` is imported by an `import`."""

    def __getattr__(self, name: str) -> Any:
        if _finder.put_off.get(self.__name__) and _is_part(self, name):
            return importlib.import_module(f"{self.__name__}.{name}")
        module = _imported(self)
        if isinstance(module, _Placeholder):  # it is being imported, and has not come to the attribute
            return types.ModuleType.__getattribute__(module, name)
        return getattr(module, name)


def _imported(placeholder: _Placeholder) -> types.ModuleType:
    """Import a module, after the packages that contain it, as without placeholders, and return it."""
    name = placeholder.__name__
    outer = sys.modules.get(name.rpartition(".")[0])
    if isinstance(outer, _Placeholder):
        _imported(outer)
    # Python's own lock: it ends the wait of two threads for each other's imports, as other locks would not.
    with contextlib.suppress(_bootstrap._DeadlockError), _bootstrap._ModuleLockManager(name):
        if name in _finder.put_off:
            _import_in_place(name)
    __import__(name)
    return sys.modules[name]


def _import_in_place(name: str) -> None:
    """Make the imported module of a placeholder, so that other threads find it in `sys.modules` at any time."""
    del _finder.put_off[name]
    known = _finder.known.pop(name)
    module = sys.modules.get(name)
    if not isinstance(module, _Placeholder):
        return
    for attribute in known:
        vars(module).pop(attribute, None)
    try:
        importlib.reload(module)
    except BaseException:
        sys.modules.pop(name, None)  # as after any import that fails
        raise
    if type(module) is _Placeholder and sys.modules[name] is module:  # it may have replaced itself
        module.__class__ = types.ModuleType  # type: ignore[assignment]


def _is_part(package: types.ModuleType, name: str) -> bool:
    """Whether an attribute of a package may be a module in it."""
    return importlib.machinery.PathFinder.find_spec(f"{package.__name__}.{name}", package.__path__) is not None


class _Loader(importlib.abc.Loader):
    """Makes a placeholder of a module that Python has created.

    Other attributes are those of the module's own loader: `importlib.resources` and `pkgutil` read files with them.
    """

    def __init__(self, loader: Any, only_parts: bool) -> None:
        self._loader = loader
        self._only_parts = only_parts

    def __getattr__(self, name: str) -> Any:
        return getattr(self._loader, name)

    def create_module(self, spec: importlib.machinery.ModuleSpec) -> None:
        """Let Python create the module, and set its `__path__` and the like."""

    def exec_module(self, module: types.ModuleType) -> None:
        vars(module).update(_finder.known.get(module.__name__, {}))
        module.__class__ = _Placeholder
        if not self._only_parts:
            vars(module).pop("__path__", None)  # an import of a module in it reads this, and so imports the package


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
        spec = importlib.machinery.ModuleSpec(name, _Loader(found.loader, only_parts), origin=found.origin)
        spec.has_location = True  # `inspect.getmodule` looks at `__file__` of every module
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
