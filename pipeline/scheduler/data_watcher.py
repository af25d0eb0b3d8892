"""Whether the data of a schedule changed: its files are read, without TensorFlow, beside the daemon's other work."""

from __future__ import annotations

import concurrent.futures
import os
import pathlib
import re
from collections.abc import Callable

from components.data import sample_path
from pipeline.core import file_digests, settings
from pipeline.core.errors import SaeError, UnavailableError
from pipeline.core.pipeline_root import Root
from pipeline.provenance import manifest
from pipeline.scheduler.types import Work

_VERSION = re.compile(r"\d+\.\d+\.\d+")


class DataLooks:
    """Looks in a thread of its own: a large data set takes minutes to read."""

    def __init__(self, root: Root, wake: Callable[[], object]) -> None:
        """Begins with none.

        Args:
          root: the pipeline root.
          wake: called, in another thread, when a look is done.
        """
        self._root = root
        self._wake = wake
        self._thread = concurrent.futures.ThreadPoolExecutor(max_workers=1, thread_name_prefix="data")
        self._looks: dict[int, concurrent.futures.Future[str]] = {}

    def fingerprint(self, tick: int, work: Work) -> str | None:
        """Of the data of `work`, read for a tick; None while it is being read: ask again.

        Raises:
          SaeError: it cannot be read.
        """
        look = self._looks.get(tick)
        if look is None:
            # Those that nobody asked for again: their ticks were skipped meanwhile.
            self._looks = {other: look for other, look in self._looks.items() if not look.done()}
            look = self._looks[tick] = self._thread.submit(fingerprint, self._root, work)
            look.add_done_callback(lambda _: self._wake())
        if not look.done():
            return None
        del self._looks[tick]
        try:
            return look.result()
        except OSError as error:
            raise UnavailableError(f"the data cannot be read: {error}") from error

    def stop(self) -> None:
        """Begins no more looks."""
        self._thread.shutdown(wait=False, cancel_futures=True)


def fingerprint(root: Root, work: Work) -> str:
    """Digest of the data that `sae run` would read, as `Source.fingerprint`; empty where there is none.

    Raises:
      SaeError: its settings are not allowed.
      OSError: it cannot be read.
    """
    from pipeline.definition import dataset_cache  # it brings ML Metadata, which only looks at data need

    request = settings.Request(
        work.profile,
        pathlib.Path(work.config_file) if work.config_file else None,
        work.assignments,
        work.seed,
        str(root.path),
    )
    resolved = settings.resolve(request)
    recalled = dataset_cache.recall(root, resolved)
    if recalled is not None:
        return recalled.source.fingerprint
    data = resolved.config.data
    if data.source == "sample" or data.dataset == sample_path.NAME:
        return file_digests.of_mapping(dataset_cache.sample_files())
    folder = newest_version(dataset_cache.data_dir(resolved) / data.dataset)
    if folder is not None:
        return file_digests.of_mapping(file_digests.of_folder(folder))
    return (
        file_digests.of_mapping(dataset_cache.sample_files())
        if data.source == "auto" and data.dataset == "mnist"
        else ""
    )


def newest_version(folder: pathlib.Path) -> pathlib.Path | None:
    """The folder of a prepared data set's newest version, which TensorFlow Datasets takes; None where there is none."""
    if not folder.is_dir():
        return None
    found = [path for path in folder.iterdir() if _VERSION.fullmatch(path.name) and path.is_dir()]
    return max(found, key=lambda path: [int(part) for part in path.name.split(".")], default=None)


def was_run_on(root: Root, wanted: str) -> bool:
    """Whether a run of this root began on data of this fingerprint."""
    if not root.manifests.is_dir():
        return False
    for entry in os.scandir(root.manifests):
        try:
            text = pathlib.Path(entry.path).read_text(encoding="utf-8")
            if manifest.from_json(text, entry.path).data.fingerprint == wanted:
                return True
        except (OSError, ValueError, SaeError):  # damaged, or of a newer version: as if it were not there
            continue
    return False
