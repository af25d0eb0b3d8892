"""Import a package when one of its attributes is used, instead of when another package imports it."""

from __future__ import annotations

import importlib
import importlib.util
import sys
import threading
import types
from typing import Any

_lock = threading.Lock()


class _Placeholder(types.ModuleType):
    """Stands for a module that is not imported yet. `importlib.util.LazyLoader` imports it at the next `import`."""

    def __getattr__(self, name: str) -> Any:
        with _lock:
            if sys.modules.get(self.__name__) is self:
                del sys.modules[self.__name__]
        package = importlib.import_module(self.__name__)
        for part, module in list(vars(self).items()):
            if isinstance(module, types.ModuleType) and not hasattr(package, part):
                setattr(package, part, module)  # it was imported before the package
        return getattr(package, name)


def on_first_use(name: str, only_parts: bool = False) -> None:
    """Import a package when an attribute of it is used; do nothing if it is imported or not installed.

    Args:
      name: of a package or module; a package that contains it is imported.
      only_parts: whether an import of a module in the package is no use of the package.
    """
    if name in sys.modules or (spec := importlib.util.find_spec(name)) is None:
        return
    placeholder = _Placeholder(name)
    placeholder.__spec__ = spec
    placeholder.__file__ = spec.origin  # `inspect.getmodule` looks at that of every module
    if only_parts:
        placeholder.__path__ = spec.submodule_search_locations  # type: ignore[assignment]
    sys.modules[name] = placeholder
