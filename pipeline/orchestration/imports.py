"""Import TensorFlow, Beam and TFX without what no node uses."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator

from pipeline.core import garbage_collector, late_import, tfx_versions

# What TFX and Beam import, and no node uses unless it is a person's own: a third of the time of all imports.
_CLIENTS = ("google.cloud.bigquery", "google.cloud.bigquery_storage_v1", "google.cloud.pubsub")
_COMPONENTS = "tfx.components"  # it imports all of TFX's components, whichever of its modules is imported


@contextlib.contextmanager
def heavy_imports() -> Iterator[None]:
    """Import TensorFlow and TFX in this context: faster, because they import less, and the garbage collector is off.

    They create millions of objects.
    """
    put_off_rarely_used()
    with garbage_collector.off_for_imports():
        yield


def put_off_rarely_used() -> None:
    """Import what the libraries import, but nodes rarely use, only when it is used; with TFX 1.16.

    With TFX 1.21 all is imported: Model Analysis is incomplete when it is imported in another order.
    """
    if tfx_versions.here() == tfx_versions.CURRENT:
        return
    for name in _CLIENTS:
        late_import.on_first_use(name)
    late_import.on_first_use(_COMPONENTS, only_parts=True)
