"""`sae run` and `sae resume`: start a run under the root's lock, with its id, log, events and display."""

from __future__ import annotations

import contextlib
import logging
import pathlib
from collections.abc import Callable, Iterator, Sequence
from typing import TextIO

from components import atomic_file
from pipeline.core import event_log, garbage_collector, settings
from pipeline.core.events import EpochEnded, Event, JobProgress, Listener, Note
from pipeline.core.pipeline_root import Root, stamp
from pipeline.definition.spec import Pipeline
from pipeline.metadata import execution_ids, root_store
from pipeline.metadata.client import logger as waiting_logger
from pipeline.metadata.store import Store, open_store
from pipeline.metadata.writer import rewrite_moved_uris
from pipeline.orchestration import checkpoints, partial_run, process_setup, recovery
from pipeline.orchestration.request import RunRequest
from pipeline.orchestration.session import RunSession
from pipeline.orchestration.summary import Summary
from pipeline.provenance import numeric_variables
from pipeline.registry import journal, superseded

# Shows the events of a run on a stream (the terminal) while the context lasts.
Display = Callable[[TextIO], contextlib.AbstractContextManager[Listener]]


@garbage_collector.off()  # until TensorFlow is imported, if a node has to be executed
def run(request: RunRequest, display: Display) -> Summary:
    """Run the pipeline and return its summary.

    Args:
      request: the options of the run.
      display: shows progress on the original standard error; standard error itself is redirected to the run's log.

    Raises:
      SaeError: the run could not start: wrong options, a locked root, no data. Nothing was recorded.
      KeyboardInterrupt: the run was interrupted; the results of finished nodes are kept.
    """
    resolved = settings.resolve(request.settings, like=request.like.configuration if request.like else None)
    request = partial_run.with_nodes(request)
    root = Root.at(pathlib.Path(resolved.config.paths.root))
    root.check_path()
    recorded_data = request.recorded_data(resolved)
    if recorded_data is None:
        request.pipeline.data.look_up(resolved)
    url = resolved.config.paths.metadata
    root_store.given(root, url)  # raises before anything is written
    if not _has_store(root):
        if recorded_data is not None:
            request.pipeline.data.refresh(recorded_data)
        partial_run.with_base(request, root, None)
    root.create()
    with root_store.lock(root, url) as record_holder:
        store, notes, killed_runs = _repair(root)
        request = partial_run.with_base(request, root, store)
        run_id = _new_run_id(root, request.run_id_suffix)
        if request.run_id_file is not None:
            atomic_file.write(request.run_id_file, f"{run_id}\n")
        record_holder(run_id)
        notes += [Note(text, warning=True) for text in killed_runs.values()]
        return _run(run_id, request, resolved, root, store, notes, display)


def resume(pipeline: Pipeline, root: Root, wanted: str, display: Display) -> Summary:
    """Resume a failed, interrupted or killed run under its id, and return its summary.

    Args:
      pipeline: the pipeline of the run.
      root: the root of the run.
      wanted: a run id, its unique beginning, or `latest`; empty: the newest run, if it did not succeed.
      display: as for `run`.

    Raises:
      SaeError: the run cannot be resumed (see `resuming.find`), or the root is locked. The run is unchanged.
      KeyboardInterrupt: the run was interrupted again.
    """
    from pipeline.orchestration import resume as resuming  # other runs need not compare manifests

    if not _has_store(root):
        open_store(root, read_only=True)  # raises the error that there is none
    root.create()
    with root_store.lock(root) as record_holder:
        store, notes, killed_runs = _repair(root)
        recorded, options = resuming.find(pipeline, root, store, wanted)
        request = RunRequest(
            pipeline,
            settings.Request(recorded.profile, root=str(root.path), config_type=pipeline.configuration),
            use_cache=options.use_cache,
            all_bytes=options.all_bytes,
            trigger=recorded.trigger,
            like=recorded,
            resumed=recorded.run_id,
        )
        resolved = settings.resolve(request.settings, like=recorded.configuration)
        record_holder(recorded.run_id)
        # The events of the run itself contain its own note already.
        notes += [Note(text, warning=True) for run_id, text in killed_runs.items() if run_id != recorded.run_id]
        return _run(recorded.run_id, request, resolved, root, store, notes, display)


def _has_store(root: Root) -> bool:
    found = root_store.of(root)
    return found.exists() or bool(found.backups())


def _repair(root: Root) -> tuple[Store, list[Note], dict[str, str]]:
    """Repair the root under its lock; return its open store, notes for the user, and a text for each killed run.

    The store is checked here, before slow imports.
    """
    notes = []
    root_store.of(root).check()
    if copy := rewrite_moved_uris(root):
        notes.append(Note(f"the root was moved: ML Metadata now names its new place; a copy from before is {copy}"))
    store = open_store(root)
    execution_ids.reserve(root, store)
    notes += [Note(f"recorded again in ML Metadata: {one}") for one in journal.reconcile(root, store)]
    if problem := superseded.rebuild(root, store):
        notes.append(Note(f"{problem}; it was rebuilt from the decisions in ML Metadata", warning=True))
    killed_runs = recovery.close_killed_runs(root, store)
    checkpoints.sweep(root, store)
    return store, notes, killed_runs


def _run(
    run_id: str,
    request: RunRequest,
    resolved: settings.Settings,
    root: Root,
    store: Store,
    notes: Sequence[Note],
    display: Display,
) -> Summary:
    ignored = process_setup.set_environment(root, resolved.config.engine)
    if notice := numeric_variables.notice(ignored):
        notes = [*notes, Note(notice, warning=True)]
    log = root.logs / f"{run_id}.log"
    listeners: list[Listener] = []

    def tell(event: Event) -> None:
        for listener in listeners:
            listener(event)

    try:
        with (
            process_setup.output_to(log) as (_, terminal),
            _logging(log, tell),
            contextlib.closing(event_log.Journal(root.path, run_id)) as journal,
            display(terminal) as shown,
        ):
            listeners += [shown, journal]
            for note in notes:
                tell(note)
            return RunSession(request, resolved, root, store, run_id, tell, terminal).execute()
    finally:
        process_setup.clear_temporary(root)


def _new_run_id(root: Root, suffix: str = "") -> str:
    """Return the UTC time to the second, with a number if it is taken: `20261123-143005`, `20261123-143005-2`.

    With a suffix: `20261123-143005-w1`, `20261123-143005-w1-2`.
    """
    base = f"{stamp()}-{suffix}" if suffix else stamp()
    taken = {path.stem for path in root.logs.glob(f"{base}*.log")}
    return base if base not in taken else next(name for n in range(2, 1000) if (name := f"{base}-{n}") not in taken)


class _EventHandler(logging.Handler):
    """Turns log records into events: records marked with `note`, losses of epochs, jobs, and waits for the store."""

    def __init__(self, listener: Listener) -> None:
        super().__init__()
        self._listener = listener

    def emit(self, record: logging.LogRecord) -> None:
        warning = record.levelno >= logging.WARNING
        if getattr(record, "note", False) or (warning and record.name == waiting_logger.name):
            self._listener(Note(record.getMessage(), warning))
        if isinstance(job := getattr(record, "job", None), JobProgress):
            self._listener(job)
        losses = getattr(record, "losses", None)
        if losses is not None:
            epochs: int = record.epochs  # type: ignore[attr-defined]
            reconstruction = getattr(losses, "val_reconstruction", None)  # another pipeline's losses may lack it
            self._listener(EpochEnded(losses.epoch, epochs, losses.loss, losses.val_loss, reconstruction))


def _writes_to_output(handler: logging.Handler) -> bool:
    """Return whether a handler, as libraries add one, writes to standard output or error: they go to the log."""
    try:
        return handler.stream.fileno() in (1, 2)  # type: ignore[attr-defined]
    except (AttributeError, OSError, ValueError):
        return False


@contextlib.contextmanager
def _logging(log: pathlib.Path, listener: Listener) -> Iterator[None]:
    """Write all log records to the run's log, once, and turn some into events.

    Records that cannot be written are lost, as on a full disk: the run ends as it would have without them.
    """
    file = logging.FileHandler(log, encoding="utf-8")
    file.setFormatter(logging.Formatter("%(asctime)s %(levelname)s %(name)s: %(message)s"))
    handlers = (file, _EventHandler(listener))
    logger = logging.getLogger()
    level, before = logger.level, list(logger.handlers)
    logger.setLevel(logging.INFO)
    logger.handlers = [one for one in before if not _writes_to_output(one)]
    for handler in handlers:
        logger.addHandler(handler)
    try:
        yield
    finally:
        logger.handlers = before
        logger.setLevel(level)
        with contextlib.suppress(OSError):  # its last records: this error would hide that of the run, or its success
            file.close()
