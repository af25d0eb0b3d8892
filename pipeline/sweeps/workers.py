"""Run several points at once: each in a root of its own, a worker, from which its run is taken over when it ended.

A root has one run at a time, and one process that writes to its ML Metadata. So a worker is a small copy of the root of
the sweep: the store, and links to the outputs of one run, which provides what all points share. The first point runs in
the root itself and makes these.
"""

from __future__ import annotations

import contextlib
import itertools
import pathlib
import shutil
import time
from collections.abc import Callable, Iterator, Sequence

from pipeline.core import root_lock
from pipeline.core.errors import LockedError, UnavailableError
from pipeline.core.pipeline_root import Root
from pipeline.metadata import root_store, run_properties
from pipeline.metadata import sweep_trigger as trigger
from pipeline.metadata.adoption import adopt_run, link_tree
from pipeline.metadata.store import open_store
from pipeline.orchestration import recovery
from pipeline.sweeps import files
from pipeline.sweeps.trials import LocalTrial, LocalTrials, Trial

_POLL = 0.1  # seconds between two looks at a lock


def folder(root: Root, sweep: str) -> pathlib.Path:
    """Return the folder of the workers of a sweep."""
    return files.folder(root, sweep) / "workers"


class WorkerTrials:
    """Runs up to a number of points at once on this machine."""

    def __init__(self, local: LocalTrials, count: int, note: Callable[[str], None]) -> None:
        """Take over the runs that an earlier process left in workers; wait for those in progress.

        Args:
          local: starts the runs.
          count: how many points run at once.
          note: shows a text.
        """
        self._local, self._root, self._count = local, local.root, count
        self._folder = folder(local.root, local.sweep)
        self._base = ""  # a run in the root whose outputs are linked into workers
        self._active: dict[int, Root] = {}  # the roots in which points run
        self._note = note
        self._recover()

    @property
    def capacity(self) -> int:
        return self._count if self._base else 1

    def blocked_by(self) -> str:
        if not self._base:
            return self._local.blocked_by()
        return "all workers are busy" if len(self._active) >= self.capacity else ""

    def prepare(self) -> None:
        pass  # runs at once have no idle processor in which the next one could import

    def start(self, point: int, settings: Sequence[str]) -> Trial:
        self._active.pop(point, None)  # of a run that found its root locked
        root = self._free_worker() if self._base else self._root
        self._active[point] = root
        return self._start_in(root, point, settings)

    def _start_in(self, root: Root, point: int, settings: Sequence[str]) -> Trial:
        return LocalTrial(point, root, self._local.options(root, point, settings), self._local.folder)

    def finish(self, trial: Trial) -> None:
        run_id = trial.run_id
        self._local.finish(trial)
        root = self._active.pop(trial.point)
        if not run_id:
            return
        if root == self._root:
            self._base = self._base or run_id
        elif trial.exit_code() is not None:
            self._adopt(root)

    def close(self, complete: bool) -> None:
        self._local.close(complete)
        if complete:
            shutil.rmtree(self._folder, ignore_errors=True)

    def _recover(self) -> None:
        for place in sorted(self._folder.glob("[0-9]*")):
            root = Root(place)
            with contextlib.suppress(UnavailableError):  # a damaged one is put aside below
                if not root_store.of(root).exists():
                    continue
            while (holder := root_lock.holder(root.lock_file)) is not None:
                self._note(f"waiting for a run that an earlier process left behind: {holder}")
                while root_lock.holder(root.lock_file) is not None:
                    time.sleep(_POLL)
            self._adopt(root)
        if root_store.of(self._root).exists():
            self._base = next(iter(self._ended_runs(self._root)), "")

    def _ended_runs(self, root: Root) -> list[str]:
        """Return the ended runs of this sweep in a root, newest first; those that were killed do not count."""
        found = []
        for context in open_store(root).run_contexts():
            headline = run_properties.headline_of(context.properties)
            parsed = trigger.parse(headline.trigger or "")
            has_ended = headline.state is not None and recovery.REASON not in (headline.error or "")
            if parsed and parsed[0] == self._local.sweep and has_ended:
                found.append(context.name)
        return found

    def _adopt(self, worker: Root) -> None:
        """Take over the runs of this sweep that ended in a worker; put a damaged worker aside."""
        try:
            ended = self._ended_runs(worker)
        except UnavailableError as error:
            aside = worker.path.with_name(f"damaged-{worker.path.name}")
            self._note(f"the worker {worker.path} is put aside as {aside.name}, and its point is run again: {error}")
            shutil.rmtree(aside, ignore_errors=True)
            with contextlib.suppress(FileNotFoundError):
                worker.path.rename(aside)
            return
        known = set(open_store(self._root).run_ids()) if ended else set()
        new = [run_id for run_id in reversed(ended) if run_id not in known]
        if not new:
            return
        with locked(self._root):
            for run_id in new:
                adopt_run(worker, self._root, run_id)

    def _free_worker(self) -> Root:
        busy = set(self._active.values())
        root = next(one for number in itertools.count(1) if (one := Root(self._folder / str(number))) not in busy)
        if not root.about.is_file():
            self._make(root.path)
        return root

    def _make(self, place: pathlib.Path) -> None:
        """Make a worker: copy the store, and link the data and the outputs of the base run."""
        unfinished = place.with_name(f"new-{place.name}")
        shutil.rmtree(unfinished, ignore_errors=True)
        shutil.rmtree(place, ignore_errors=True)
        unfinished.mkdir(parents=True)
        found = root_store.of(self._root)
        if problem := found.copy_to(unfinished / self._root.metadata.name):
            raise UnavailableError(f"cannot copy {found.name} for a worker: {problem}")
        for output in open_store(self._root).outputs_of_run(self._base).values():
            source = pathlib.Path(output.uri)
            if source.is_dir() and source.is_relative_to(self._root.artifacts):
                link_tree(source, unfinished / "artifacts" / source.relative_to(self._root.artifacts))
        for name in ("data", "cache"):
            if (self._root.path / name).is_dir():
                link_tree(self._root.path / name, unfinished / name)
        self._root.copy_record_to(Root(unfinished))
        unfinished.rename(place)


@contextlib.contextmanager
def locked(root: Root) -> Iterator[None]:
    """Lock a root; wait for a run that holds it."""
    with contextlib.ExitStack() as stack:
        while True:
            with contextlib.suppress(LockedError):
                stack.enter_context(root_store.lock(root))
                break
            time.sleep(_POLL)
        yield
