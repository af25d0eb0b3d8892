"""Import TensorFlow, Beam and TFX without what no node uses."""

from __future__ import annotations

import contextlib
import importlib.metadata
import re
from collections.abc import Iterator
from typing import Any

from pipeline.core import garbage_collector, late_import, tfx_versions

# What is imported and often not used: by TensorFlow, TFX, TFDV, TFMA and Beam for nodes of others, for notebooks, for
# clouds, and for metrics of texts; by ExampleGen if it is cached. True: modules in it are used.
_RARELY_USED = {
    "IPython": True,
    "docker": False,
    "google.cloud.bigquery": False,
    "google.cloud.bigquery_storage_v1": False,
    "google.cloud.pubsub": False,
    "googleapiclient.discovery": False,
    "h5py": False,
    "nltk": True,
    "nltk.stem": True,
    "scipy.stats": False,
    "tensorflow_datasets": True,
    "tensorflow_model_analysis.view": True,
    "tfx.components": True,  # it imports all of TFX's components, whichever of its modules is imported
}
_names_of_distributions = importlib.metadata.packages_distributions


@contextlib.contextmanager
def heavy_imports() -> Iterator[None]:
    """Import TensorFlow and TFX in this context: faster, because they import less, and the garbage collector is off.

    They create millions of objects.
    """
    put_off_rarely_used()
    with garbage_collector.off_for_imports(), _without_names_of_distributions():
        yield


@contextlib.contextmanager
def _without_names_of_distributions() -> Iterator[None]:
    """Let `google.api_core` name itself by its module where it warns of old versions of Python.

    For the name of its distribution it would read the metadata of all packages.
    """
    importlib.metadata.packages_distributions = dict
    try:
        yield
    finally:
        importlib.metadata.packages_distributions = _names_of_distributions


def put_off_rarely_used() -> None:
    """Import what the libraries import, but nodes rarely use, only when it is used."""
    for name, only_parts in rarely_used().items():
        late_import.on_first_use(name, only_parts, **(_known_of_ipython() if name == "IPython" else {}))


def _known_of_ipython() -> dict[str, Any]:
    """Return what Beam, TFDS and Matplotlib ask whether this is a notebook; a process of IPython has imported it."""
    try:
        version = importlib.metadata.version("ipython")
    except importlib.metadata.PackageNotFoundError:
        return {}
    return {"get_ipython": lambda: None, "version_info": tuple(map(int, re.findall(r"\d+", version)[:2]))}


def rarely_used() -> dict[str, bool]:
    """Return what is imported on first use, and whether an import of a module in it is no use of it; with TFX 1.16.

    With TFX 1.21 all is imported: Model Analysis is incomplete when it is imported in another order.
    """
    return {} if tfx_versions.here() == tfx_versions.CURRENT else _RARELY_USED
