"""`sae run` and `sae resume`: from what was asked for to a run under the root's lock, with its id, log and display."""

from __future__ import annotations

import contextlib
import logging
import pathlib
from collections.abc import Callable, Iterator, Sequence
from typing import TextIO

from components import atomic_file
from pipeline.core import event_log, settings
from pipeline.core.events import Event, Listener, Note
from pipeline.core.pipeline_root import Root, stamp
from pipeline.definition.spec import Pipeline
from pipeline.metadata import backup
from pipeline.metadata.client import logger as waiting_logger
from pipeline.metadata.store import Store, open_store
from pipeline.metadata.writer import rewrite_moved_uris
from pipeline.orchestration import checkpoints, partial_run, process_setup, recovery
from pipeline.orchestration import resume as resuming
from pipeline.orchestration.request import RunRequest
from pipeline.orchestration.session import RunSession
from pipeline.orchestration.summary import Summary

# Shows a run's events on a stream, the terminal, as long as the context lasts.
Display = Callable[[TextIO], contextlib.AbstractContextManager[Listener]]


def run(request: RunRequest, display: Display) -> Summary:
    """Runs the pipeline and returns its summary.

    Args:
      request: what is asked for.
      display: shows progress on what was standard error; that itself goes to the run's log.

    Raises:
      SaeError: it could not start: usage, a locked root, no data. Nothing was recorded then.
      KeyboardInterrupt: it was interrupted; what had ended is kept.
    """
    resolved = settings.resolve(request.settings, like=request.like.configuration if request.like else None)
    partial_run.check(request.pipeline, request.from_node, request.to_node, request.base_run)
    root = Root(pathlib.Path(resolved.config.paths.root).resolve())
    root.create()
    with root.lock() as note_holder:
        store, notes, killed_runs = _put_in_order(root)
        notes += [Note(str(one), warning=True) for one in killed_runs]
        run_id = _new_run_id(root)
        if request.run_id_file is not None:
            atomic_file.write(request.run_id_file, f"{run_id}\n")
        return _run_as(run_id, request, resolved, root, store, note_holder, notes, display)


def resume(pipeline: Pipeline, root: Root, wanted: str, display: Display) -> Summary:
    """Goes on with a run that failed or broke off, under its id.

    Args:
      pipeline: of the run.
      root: where it is.
      wanted: a run id, the beginning of one, or `latest`; empty for the newest that failed or broke off.
      display: as for `run`.

    Raises:
      SaeError: it cannot be gone on with, see `resuming.find`; or a locked root. Nothing of it changed then.
      KeyboardInterrupt: it was interrupted once more.
    """
    if not root.metadata.is_file() and not backup.copies(root):
        open_store(root, read_only=True)  # says that there is none
    root.create()
    with root.lock() as note_holder:
        store, notes, killed_runs = _put_in_order(root)
        found = resuming.find(pipeline, root, store, wanted)
        recorded = found.recorded
        request = RunRequest(
            pipeline,
            settings.Request(recorded.profile, root=str(root.path), config_type=pipeline.configuration),
            use_cache=found.asked.use_cache,
            all_bytes=found.asked.all_bytes,
            trigger=recorded.trigger,
            like=recorded,
            resumed=found.run_id,
        )
        resolved = settings.resolve(request.settings, like=recorded.configuration)
        # Of the run itself it is in its events by now.
        notes += [Note(str(one), warning=True) for one in killed_runs if one.run_id != found.run_id]
        return _run_as(found.run_id, request, resolved, root, store, note_holder, notes, display)


def _put_in_order(root: Root) -> tuple[Store, list[Note], list[recovery.KilledRun]]:
    """Mends, under the lock, what happened to the root since the last run.

    Returns its store, open, so whole: that is found out before slow imports; and what there is to say of the root.
    """
    notes = []
    backup.check(root)
    if copy := rewrite_moved_uris(root):
        notes.append(Note(f"the root was moved: its metadata now says where it lies; a copy from before is {copy}"))
    store = open_store(root)
    killed_runs = recovery.close_killed_runs(root, store)
    checkpoints.sweep(root, store)
    return store, notes, killed_runs


def _run_as(
    run_id: str,
    request: RunRequest,
    resolved: settings.Settings,
    root: Root,
    store: Store,
    note_holder: Callable[[str], None],
    notes: Sequence[Note],
    display: Display,
) -> Summary:
    """Runs under the root's lock, with a log and a display; first tells `notes`."""
    note_holder(run_id)
    process_setup.set_environment(root, resolved.config.engine)
    log = root.logs / f"{run_id}.log"
    try:
        with (
            process_setup.output_to(log) as (_, terminal),
            _logging(log),
            contextlib.closing(event_log.Journal(root.path, run_id)) as journal,
            display(terminal) as shown,
            _waits_told(listener := _both(shown, journal)),
        ):
            for note in notes:
                listener(note)
            return RunSession(request, resolved, root, store, run_id, log, listener, terminal).execute()
    finally:
        process_setup.clear_temporary(root)


def _new_run_id(root: Root) -> str:
    """UTC time to the second, with a number where that is taken: `20261123-143005`, `20261123-143005-2`."""
    base = stamp()
    taken = {path.stem for path in root.logs.glob(f"{base}*.log")}
    return base if base not in taken else next(name for n in range(2, 1000) if (name := f"{base}-{n}") not in taken)


@contextlib.contextmanager
def _logging(log: pathlib.Path) -> Iterator[None]:
    """All logging goes to the run's log, with times and names."""
    handler = logging.FileHandler(log, encoding="utf-8")
    handler.setFormatter(logging.Formatter("%(asctime)s %(levelname)s %(name)s: %(message)s"))
    logger = logging.getLogger()
    level = logger.level
    logger.addHandler(handler)
    logger.setLevel(logging.INFO)
    try:
        yield
    finally:
        logger.removeHandler(handler)
        logger.setLevel(level)
        handler.close()


@contextlib.contextmanager
def _waits_told(tell: Listener) -> Iterator[None]:
    """What the store waits for is shown, not only in the log."""

    class Notes(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            tell(Note(record.getMessage(), warning=True))

    handler = Notes(logging.WARNING)
    waiting_logger.addHandler(handler)
    try:
        yield
    finally:
        waiting_logger.removeHandler(handler)


def _both(one: Listener, other: Listener) -> Listener:
    def tell(event: Event) -> None:
        one(event)
        other(event)

    return tell
