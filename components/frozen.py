"""Frozen dataclasses that share their methods, for modules that every command imports.

`dataclasses.dataclass(frozen=True)` writes six methods for each class and compiles them. That takes Python 3.10 half a
millisecond: for the 80 classes that `sae run` imports, a tenth of a run in which every node is cached. Here the methods
are the same functions for all classes; they read the class's fields. Fields, defaults, `__post_init__`, `==`, `hash`,
`repr`, `dataclasses.replace` and the other functions of `dataclasses` behave as with the standard decorator, which type
checkers see. A class cannot have subclasses that the standard decorator makes: classes from which other pipelines
inherit are standard ones.
"""

from __future__ import annotations

import dataclasses
import functools
import reprlib
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from dataclasses import dataclass as dataclass
else:

    def dataclass(*, frozen: bool) -> Callable[[type], type]:
        """Decorate a class. `frozen` must be True; it is written out for readers and type checkers."""
        assert frozen

        def decorated(cls: type) -> type:
            for name, method in _METHODS.items():
                setattr(cls, name, method)
            return dataclasses.dataclass(init=False, repr=False, eq=False)(cls)

        return decorated


@functools.cache
def _arguments(cls: Any) -> tuple[Mapping[str, Any], frozenset[str], Mapping[str, Callable[[], Any]]]:
    """Return the fields with their defaults, in order; the names of those without; and the factories of defaults."""
    fields = dataclasses.fields(cls)
    return (
        {one.name: one.default for one in fields},
        frozenset(one.name for one in fields if one.default is one.default_factory is dataclasses.MISSING),
        {one.name: one.default_factory for one in fields if one.default_factory is not dataclasses.MISSING},
    )


def _init(self: Any, /, *values: Any, **named: Any) -> None:
    defaults, required, factories = _arguments(self.__class__)
    given = dict(zip(defaults, values, strict=False), **named)
    if len(given) < len(values) + len(named) or not required <= given.keys() <= defaults.keys():
        raise TypeError(
            f"{type(self).__name__}({', '.join(defaults)}) was given {len(values)} values by position, and by name "
            f"{', '.join(named) or 'none'}; without a default: {', '.join(sorted(required)) or 'none'}"
        )
    vars(self).update(defaults)  # all of them, for their order
    vars(self).update(given)
    for name, make in factories.items():
        if name not in given:
            vars(self)[name] = make()
    if hasattr(self, "__post_init__"):
        self.__post_init__()


@functools.cache
def _names(cls: Any) -> tuple[str, ...]:
    return tuple(one.name for one in dataclasses.fields(cls))


def _values(one: Any) -> tuple[Any, ...]:
    """Return the values of all fields; `vars` also contains cached properties."""
    return tuple(map(vars(one).__getitem__, _names(one.__class__)))


def _eq(self: Any, other: object) -> bool:
    return _values(self) == _values(other) if type(self) is type(other) else NotImplemented


def _hash(self: Any) -> int:
    return hash(_values(self))


@reprlib.recursive_repr()
def _repr(self: Any) -> str:
    fields = zip(_names(self.__class__), _values(self), strict=True)
    return f"{type(self).__qualname__}({', '.join(f'{name}={value!r}' for name, value in fields)})"


def _setattr(self: Any, name: str, value: object) -> None:
    raise dataclasses.FrozenInstanceError(f"cannot assign to field {name!r}")


def _delattr(self: Any, name: str) -> None:
    raise dataclasses.FrozenInstanceError(f"cannot delete field {name!r}")


_METHODS = {
    "__init__": _init,
    "__eq__": _eq,
    "__hash__": _hash,
    "__repr__": _repr,
    "__setattr__": _setattr,
    "__delattr__": _delattr,
}
