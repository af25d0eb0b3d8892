"""The curated schemas: one file of `schemas/` for each, which names a data set. Their content is read by `schema`."""

from __future__ import annotations

import pathlib

_FOLDER = pathlib.Path(__file__).parent / "schemas"


def path_of(name: str) -> pathlib.Path:
    """Return the file of a curated schema. Raises `KeyError` with the known names for another `name`."""
    if name not in names():
        raise KeyError(f"no curated schema {name!r}; there are: {', '.join(names())}")
    return _FOLDER / f"{name}.pbtxt"


def names() -> list[str]:
    """Return the names of the curated schemas."""
    return sorted(path.stem for path in _FOLDER.glob("*.pbtxt"))
