"""Compute fingerprints of the data of schedules in a thread, without TensorFlow."""

from __future__ import annotations

import concurrent.futures
import os
import pathlib
from collections.abc import Callable

from components.errors import cause_text
from pipeline.core import regular_file, settings
from pipeline.core.errors import SaeError, UnavailableError
from pipeline.core.pipeline_root import Root
from pipeline.provenance import manifest
from pipeline.scheduler.types import Work


class DataWatcher:
    """Reads the data of schedules in a thread: a large data set takes minutes."""

    def __init__(self, root: Root, wake: Callable[[], object]) -> None:
        """Start without checks; `wake` is called in another thread when a check is done."""
        self._root = root
        self._wake = wake
        self._thread = concurrent.futures.ThreadPoolExecutor(max_workers=1, thread_name_prefix="data")
        self._checks: dict[int, concurrent.futures.Future[str]] = {}

    def fingerprint(self, tick: int, work: Work) -> str | None:
        """Return the fingerprint of the data of `work` for a tick; None while it is being read.

        Raises:
          SaeError: it cannot be read.
        """
        check = self._checks.get(tick)
        if check is None:
            # Drop results of ticks that were skipped meanwhile.
            self._checks = {other: check for other, check in self._checks.items() if not check.done()}
            check = self._checks[tick] = self._thread.submit(fingerprint, self._root, work)
            check.add_done_callback(lambda _: self._wake())
        if not check.done():
            return None
        del self._checks[tick]
        try:
            return check.result()
        except OSError as error:
            raise UnavailableError(f"cannot read {error.filename or 'the data'}: {cause_text(error)}") from error

    def stop(self) -> None:
        """Start no more checks."""
        self._thread.shutdown(wait=False, cancel_futures=True)


def fingerprint(root: Root, work: Work) -> str:
    """Return `Dataset.fingerprint` of the data that `sae run` would read; empty without a prepared data set.

    Raises:
      SaeError: its settings are not allowed.
      OSError: it cannot be read.
    """
    from pipeline.definition.spec import of_root  # imports ML Metadata, which only checks of data need

    pipeline = of_root(root)
    config_file = pathlib.Path(work.config_file) if work.config_file else None
    request = settings.Request(
        work.profile, config_file, work.assignments, work.seed, str(root.path), pipeline.configuration
    )
    return pipeline.data.fingerprint(root, request, settings.resolve(request))


def was_run_on(root: Root, wanted: str) -> bool:
    """Return whether a run of this root used data with this fingerprint."""
    if not root.manifests.is_dir():
        return False
    for entry in os.scandir(root.manifests):
        try:
            text = regular_file.text(pathlib.Path(entry.path))
            if manifest.from_json(text, entry.path).data.fingerprint == wanted:
                return True
        except (OSError, ValueError, SaeError):  # damaged, or of a newer version
            continue
    return False
