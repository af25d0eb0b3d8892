"""Names of the data sets that TensorFlow Datasets (TFDS) can download, from its source code, without importing it."""

from __future__ import annotations

import functools
import importlib.util
import pathlib
import re
import sys
from collections.abc import Iterable

from pipeline.core import shell
from pipeline.core.errors import UsageError
from pipeline.sparse_autoencoder import dataset_folder, prepared
from pipeline_config import DataConfig

_TFDS = "tensorflow_datasets"
_CLASS = re.compile(r"^class (\w+)\(", re.MULTILINE)
_BUILDER = "_dataset_builder.py"  # the name of its folder is that of the data set
_NO_DATASETS = ("core", "scripts", "testing")  # subpackages
_NO_NAMES = ("_config", "_test")


def check_name(data: DataConfig) -> None:
    """Check that TFDS may know a data set that is not prepared, as far as its source code tells.

    Raises:
      UsageError: it declares none of that name.
    """
    if _TFDS in sys.modules:  # any module may have registered data sets of its own
        return
    name = data.dataset.partition("/")[0]
    known = _class_names()
    if known and _plain(name) not in set(map(_plain, known)):
        raise UsageError(unknown(data, known))


def unknown(data: DataConfig, downloadable: Iterable[str]) -> str:
    """Say that there is no such data set; suggest a prepared one before one that TFDS can download."""
    folder = dataset_folder.data_folder(data)
    known = [one.name for one in prepared.find(folder)]
    near = prepared.similar(data.dataset, known) or prepared.similar(data.dataset, list(downloadable))
    listed = shell.joined(["sae", "data", "list", *(["--data-dir", str(folder)] if data.data_dir else [])])
    return (
        f"{folder} holds no prepared data set {data.dataset!r}, and TensorFlow Datasets knows none of that name{near}; "
        f"`{listed}` lists the prepared ones"
    )


@functools.cache
def _class_names() -> tuple[str, ...]:
    """Return names of all classes in TFDS, written as TFDS names data sets; empty if it is not installed."""
    found = importlib.util.find_spec(_TFDS)
    if found is None or found.origin is None:
        return ()
    package = pathlib.Path(found.origin).parent
    names: set[str] = set()
    for path in package.rglob("*.py"):
        if path.relative_to(package).parts[0] not in _NO_DATASETS:
            names.update(map(_snake_case, _CLASS.findall(path.read_text(encoding="utf-8", errors="replace"))))
            if path.name.endswith(_BUILDER):
                names.add(path.parent.name)
    return tuple(sorted(name for name in names if not name.endswith(_NO_NAMES)))


def _snake_case(name: str) -> str:
    return re.sub(r"([a-z0-9])([A-Z])", r"\1_\2", re.sub(r"(.)([A-Z][a-z]+)", r"\1_\2", name)).lower()


def _plain(name: str) -> str:
    """Return a name without underscores: data sets may choose where they have them."""
    return name.replace("_", "").lower()
