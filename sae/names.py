"""Values by name whose error for an unknown name says which names there are."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TypeVar

from pipeline.core.errors import NotFoundError
from pipeline.core.text import closest, first_of

Value = TypeVar("Value")
_MOST = 40  # names that an error lists


class UnknownNameError(NotFoundError, KeyError):
    """There is no value of this name. It is a `KeyError`, as of any other mapping."""

    def __str__(self) -> str:  # that of `KeyError` would quote the text
        return str(self.args[0])


class ByName(dict[str, Value]):
    """Values by name."""

    def __init__(
        self, values: Mapping[str, Value] | Iterable[tuple[str, Value]], what: str = "value", of: str = "this mapping"
    ) -> None:
        """Copy a mapping, or pairs, from which `dataclasses.asdict` makes a copy.

        Args:
          values: by name.
          what: what a value is: `metric`.
          of: what has them: `run 20261123-143005`.
        """
        super().__init__(values)
        self._what = what
        self._of = of

    def __getitem__(self, name: str) -> Value:  # with `__missing__`, `pandas.Series.map` would not write NaN
        try:
            return super().__getitem__(name)
        except KeyError:
            raise UnknownNameError(self._unknown(name)) from None

    def _unknown(self, name: object) -> str:
        known = list(self)
        if not known:
            return f"no {self._what} {name!r}: {self._of} has none"
        ends = [one for one in known if one.rpartition(".")[2] == name]  # of a setting without its section
        near = f"; did you mean {ends[0]}?" if ends else closest(str(name), known)
        return f"no {self._what} {name!r} of {self._of}{near} (there are: {first_of(known, _MOST)})"
