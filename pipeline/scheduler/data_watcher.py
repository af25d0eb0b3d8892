"""Compute fingerprints of the data of schedules in a thread, without TensorFlow."""

from __future__ import annotations

import concurrent.futures
import os
import pathlib
from collections.abc import Callable

from pipeline.core import settings
from pipeline.core.errors import SaeError, UnavailableError
from pipeline.core.pipeline_root import Root
from pipeline.provenance import manifest
from pipeline.scheduler.types import Work


class DataWatcher:
    """Reads data in a thread: a large data set takes minutes."""

    def __init__(self, root: Root, wake: Callable[[], object]) -> None:
        """Start without checks.

        Args:
          root: the pipeline root.
          wake: called, in another thread, when a look is done.
        """
        self._root = root
        self._wake = wake
        self._thread = concurrent.futures.ThreadPoolExecutor(max_workers=1, thread_name_prefix="data")
        self._checks: dict[int, concurrent.futures.Future[str]] = {}

    def fingerprint(self, tick: int, work: Work) -> str | None:
        """Return the fingerprint of the data of `work` for a tick; None while it is being read.

        Raises:
          SaeError: it cannot be read.
        """
        look = self._checks.get(tick)
        if look is None:
            # Drop results of ticks that were skipped meanwhile.
            self._checks = {other: look for other, look in self._checks.items() if not look.done()}
            look = self._checks[tick] = self._thread.submit(fingerprint, self._root, work)
            look.add_done_callback(lambda _: self._wake())
        if not look.done():
            return None
        del self._checks[tick]
        try:
            return look.result()
        except OSError as error:
            raise UnavailableError(f"cannot read the data: {error}") from error

    def stop(self) -> None:
        """Begins no more looks."""
        self._thread.shutdown(wait=False, cancel_futures=True)


def fingerprint(root: Root, work: Work) -> str:
    """Digest of the data that `sae run` would read, as `Dataset.fingerprint`; empty where there is none.

    Raises:
      SaeError: its settings are not allowed.
      OSError: it cannot be read.
    """
    from pipeline.definition.spec import of_root  # it brings ML Metadata, which only looks at data need

    pipeline = of_root(root)

    request = settings.Request(
        work.profile,
        pathlib.Path(work.config_file) if work.config_file else None,
        work.assignments,
        work.seed,
        str(root.path),
        pipeline.configuration,
    )
    return pipeline.data.fingerprint(root, request, settings.resolve(request))


def was_run_on(root: Root, wanted: str) -> bool:
    """Return whether a run of this root used data with this fingerprint."""
    if not root.manifests.is_dir():
        return False
    for entry in os.scandir(root.manifests):
        try:
            text = pathlib.Path(entry.path).read_text(encoding="utf-8")
            if manifest.from_json(text, entry.path).data.fingerprint == wanted:
                return True
        except (OSError, ValueError, SaeError):  # damaged, or of a newer version
            continue
    return False
