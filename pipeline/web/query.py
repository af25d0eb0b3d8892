"""What follows the `?` of an address: read with bounds, and refused in words."""

from __future__ import annotations

from collections.abc import Collection, Sequence

from pipeline.core.errors import UsageError
from pipeline.web.formatting import cut

_LARGEST = 10**9  # of a number; more rows than any store has
_SHOWN = 40  # characters of a value in an error


class Query:
    """Parameters by name. Those that a page does not ask for are passed over."""

    def __init__(self, pairs: Sequence[tuple[str, str]] = ()) -> None:
        self._pairs = tuple(pairs)

    def one(self, name: str, allowed: Collection[str] = (), default: str = "") -> str:
        """The last value of a parameter; an empty one counts as none.

        Raises:
          UsageError: it is none of `allowed`, where there are any.
        """
        value = next((value for key, value in reversed(self._pairs) if key == name and value), default)
        if allowed and value != default and value not in allowed:
            raise UsageError(f"{name}={cut(value, _SHOWN)} is not known (there are: {', '.join(allowed)})")
        return value

    def many(self, name: str) -> list[str]:
        """All values of a parameter, each once, in order."""
        return list(dict.fromkeys(value for key, value in self._pairs if key == name and value))

    def number(self, name: str, default: int = 0) -> int:
        """A number from 0 on. Raises `UsageError` for anything else."""
        value = self.one(name)
        if not value:
            return default
        if not (value.isascii() and value.isdecimal() and len(value) <= len(str(_LARGEST)) and int(value) <= _LARGEST):
            raise UsageError(f"{name}={cut(value, _SHOWN)} is not a number from 0 to {_LARGEST:,}")
        return int(value)
