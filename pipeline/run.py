"""`sae run`: from a request to a finished run and its summary."""

from __future__ import annotations

import contextlib
import dataclasses
import datetime
import logging
import pathlib
import time
from collections.abc import Callable, Iterator, Sequence
from typing import Any, TextIO

import pipeline_config
from pipeline import (
    attempts,
    cancellation,
    checkpoints,
    digests,
    headline,
    keys,
    manifest,
    metadata,
    metadata_copies,
    nodes,
    parts,
    process,
    progress,
    records,
    recovery,
    replay,
    resuming,
    settings,
    sources,
    summary,
    whole_file,
)
from pipeline.asked import Asked
from pipeline.decisions import Decider, Verdict
from pipeline.display import display
from pipeline.errors import ExitCode, SaeError, UnavailableError
from pipeline.events import Event, Listener, NodeEnded, Note
from pipeline.headline import Headline
from pipeline.outcome import RunResult
from pipeline.root import Root
from pipeline.source import Source
from pipeline.summary import Summary
from pipeline_config import PipelineConfig

logger = logging.getLogger(__name__)


@dataclasses.dataclass(frozen=True)
class RunRequest:
    """What `sae run` was asked for.

    Attributes:
      settings: profile, file, assignments.
      from_node, to_node: the part to run; empty for the whole.
      base_run: the run that stands in for the rest; empty for the newest that fits.
      use_cache: False runs every node.
      all_bytes: True reads all files of what is reused, False those whose time changed.
      command: the command line, as typed.
      trigger: what started the run.
      run_id_file: its id is written there, as soon as it has one; None: nowhere.
      like: the manifest of a run to make again: its configuration and data, with the settings that were given here.
      resumed: the run to go on with, under its id; `like` is its manifest.
    """

    settings: settings.Request
    from_node: str = ""
    to_node: str = ""
    base_run: str = ""
    use_cache: bool = True
    all_bytes: bool = False
    command: tuple[str, ...] = ()
    trigger: str = "manual"
    run_id_file: pathlib.Path | None = None
    like: manifest.Manifest | None = None
    resumed: str = ""


def run(request: RunRequest) -> Summary:
    """Runs the pipeline and returns its summary; shows progress on standard error.

    Raises:
      SaeError: it could not start: usage, a locked root, no data. Nothing was recorded then.
      KeyboardInterrupt: it was interrupted; what had ended is kept.
    """
    resolved = settings.resolve(request.settings, like=request.like.configuration if request.like else None)
    parts.check(request.from_node, request.to_node, request.base_run)
    root = Root(pathlib.Path(resolved.config.paths.root).resolve())
    root.create()
    with root.lock() as note_holder:
        notes, broken_off = _put_in_order(root)
        notes += [Note(str(one), warning=True) for one in broken_off]
        run_id = _new_run_id(root)
        if request.run_id_file is not None:
            whole_file.write(request.run_id_file, f"{run_id}\n")
        return _run_as(run_id, request, resolved, root, note_holder, notes)


def resume(root: Root, wanted: str) -> Summary:
    """Goes on with a run that failed or broke off, under its id; shows progress on standard error.

    Args:
      root: where it is.
      wanted: a run id, the beginning of one, or `latest`; empty for the newest that failed or broke off.

    Raises:
      SaeError: it cannot be gone on with, see `resuming.find`; or a locked root. Nothing of it changed then.
      KeyboardInterrupt: it was interrupted once more.
    """
    if not root.metadata.is_file() and not metadata_copies.copies(root):
        metadata.open_store(root, read_only=True)  # says that there is none
    root.create()
    with root.lock() as note_holder:
        notes, broken_off = _put_in_order(root)
        found = resuming.find(root, metadata.open_store(root), wanted)
        recorded = found.recorded
        request = RunRequest(
            settings.Request(recorded.profile, root=str(root.path)),
            use_cache=found.asked.use_cache,
            all_bytes=found.asked.all_bytes,
            trigger=recorded.trigger,
            like=recorded,
            resumed=found.run_id,
        )
        resolved = settings.resolve(request.settings, like=recorded.configuration)
        # Of the run itself it is in its events by now.
        notes += [Note(str(one), warning=True) for one in broken_off if one.run_id != found.run_id]
        return _run_as(found.run_id, request, resolved, root, note_holder, notes)


def _put_in_order(root: Root) -> tuple[list[Note], list[recovery.BrokenOff]]:
    """Mends, under the lock, what happened to the root since the last run. Returns what there is to say of it."""
    notes = []
    metadata_copies.check(root)
    if copy := records.mend_moved_root(root):
        notes.append(Note(f"the root was moved: its metadata now says where it lies; a copy from before is {copy}"))
    store = metadata.open_store(root)
    broken_off = recovery.close_broken_off(root, store)
    checkpoints.sweep(root, store)
    return notes, broken_off


def _run_as(
    run_id: str,
    request: RunRequest,
    resolved: settings.Settings,
    root: Root,
    note_holder: Callable[[str], None],
    notes: Sequence[Note],
) -> Summary:
    """Runs under the root's lock, with a log and a display; first tells `notes`."""
    note_holder(run_id)
    process.set_environment(root, resolved.config.engine)
    log = root.logs / f"{run_id}.log"
    try:
        with (
            process.output_to(log) as (_, terminal),
            _logging(log),
            contextlib.closing(progress.Journal(root.path, run_id)) as journal,
            display(terminal) as shown,
        ):
            listener = _both(shown, journal)
            for note in notes:
                listener(note)
            return _Run(request, resolved, root, run_id, log, listener, terminal).execute()
    finally:
        process.clear_temporary(root)


def _new_run_id(root: Root) -> str:
    """UTC time to the second, with a number where that is taken: `20261123-143005`, `20261123-143005-2`."""
    base = datetime.datetime.now(datetime.timezone.utc).strftime("%Y%m%d-%H%M%S")
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


def _both(one: Listener, other: Listener) -> Listener:
    def tell(event: Event) -> None:
        one(event)
        other(event)

    return tell


class _Run:
    """One run, in its steps."""

    def __init__(
        self,
        request: RunRequest,
        resolved: settings.Settings,
        root: Root,
        run_id: str,
        log: pathlib.Path,
        listener: Listener,
        terminal: TextIO,
    ) -> None:
        self._request = request
        self._resolved = resolved
        self._root = root
        self._run_id = run_id
        self._log = log
        self._tell = listener
        self._terminal = terminal
        self._begun = time.monotonic()
        self._seconds_before = 0.0  # of earlier attempts
        # What the run is made from, from when ML Metadata knows of it until its end is noted there.
        self._unended: tuple[settings.Settings, Source] | None = None

    def execute(self) -> Summary:
        """Runs to the end; a signal is answered from the first import on."""
        with cancellation.cancellable(self._record_cancelled):
            return self._run()

    def _record_cancelled(self) -> None:
        """Closes what was running. May be called from another thread, so it opens the store anew."""
        begun = self._unended is not None
        if self._root.metadata.exists():
            store = metadata.Store(self._root.metadata)
            closed = store.close_unfinished(self._run_id, self._root, "the run was interrupted")
            for node in closed:
                self._tell(Note(f"{node} cancelled; its unfinished output was removed", warning=True))
            self._note_broken_off(store, "cancelled")
        way_on = (
            self._asked().way_on(self._run_id) if begun or self._request.resumed else "there is nothing to go on with"
        )
        self._tell(Note(f"run {self._run_id} was interrupted; {way_on}"))

    def _run(self) -> Summary:
        self._store = metadata.open_store(self._root)  # it opens, so it is not damaged: found out before slow imports
        try:
            return self._replay() or self._execute()
        except Exception as error:  # around the nodes: what fails in one of them is part of the result
            self._note_broken_off(self._store, "failed", str(error).partition("\n")[0] or type(error).__name__)
            raise

    def _replay(self) -> Summary | None:
        """The quick way, without TensorFlow and TFX; None when a node must run, or that cannot be told without them."""
        request = self._request
        if request.from_node or request.to_node or request.like or not request.use_cache:
            return None
        recalled = sources.recall(self._root, self._resolved)
        if recalled is None or not recalled.exact:
            return None
        resolved = sources.with_profile(request.settings, self._resolved, recalled.profile)
        decider = self._decider(resolved.config, recalled.source)
        decisions = decider.decide_all()
        if any(decision.verdict != Verdict.CACHED for decision in decisions):
            return None
        recorder = self._begin(resolved, recalled.source)
        result = replay.replay(decisions, recorder, self._run_id, self._tell)
        return self._summary(result, resolved, recalled.source)

    def _execute(self) -> Summary:
        self._tell(Note("loading TensorFlow and TFX"))
        with process.heavy_imports():
            from pipeline import data_source, definition, runner

        if self._request.like:  # also of a run that is gone on with
            found = data_source.again(self._resolved, self._request.like.data, self._root)
        else:
            found = data_source.find(self._request.settings, self._root, self._download)
        config, source = found.settings.config, found.source
        self._root.claim_dataset(source.name)
        if not self._request.like:
            sources.remember(self._root, self._resolved, found.settings.profile, source)
        pipeline = definition.create_pipeline(
            config, source, self._root.artifacts, self._root.metadata, self._root.serving
        )
        decider = self._decider(config, source)
        part = self._part(decider)
        self._begin(found.settings, source)
        handler = runner.EpochHandler(self._tell)
        logging.getLogger("components").addHandler(handler)
        local = runner.LocalRunner(self._root, self._run_id, decider, config.engine, self._tell)
        try:
            result = local.run(pipeline, run_options=part)
        finally:
            logging.getLogger("components").removeHandler(handler)
        return self._summary(result, found.settings, source)

    def _decider(self, config: PipelineConfig, source: Source) -> Decider:
        request = self._request
        return Decider(
            self._root, self._store, config, source, use_cache=request.use_cache, all_bytes=request.all_bytes
        )

    def _begin(self, resolved: settings.Settings, source: Source) -> records.Recorder:
        """Notes what the run is made from, beside it and on its context; shows the notice."""
        started = Headline(
            dataset=f"{source.name} {source.version}", profile=resolved.profile, trigger=self._request.trigger
        )
        if source.notice:
            self._tell(Note(source.notice, warning=True))
        recorder = records.Recorder(self._root)
        if self._request.resumed:
            self._begin_attempt(recorder)
            self._unended = resolved, source
            return recorder
        noted = manifest.collect(
            run_id=self._run_id,
            command=self._request.command,
            profile=resolved.profile,
            configuration=pipeline_config.of_run(resolved.config),
            data=source,
            code=keys.code_of_nodes(),
            trigger=self._request.trigger,
        )
        path = manifest.write(self._root.path, noted)
        properties = {
            manifest.PROPERTY: digests.of_file(path),
            **headline.to_properties(started),
            **self._asked().properties(),
        }
        recorder.begin_run(nodes.PIPELINE_NAME, self._run_id, properties)
        self._unended = resolved, source
        return recorder

    def _begin_attempt(self, recorder: records.Recorder) -> None:
        """Notes on the run's context that it is gone on with; what its last attempt left unpublished is removed."""
        now = datetime.datetime.now(datetime.timezone.utc)
        properties = self._store.run_properties(self._run_id)
        noted = attempts.with_next(properties, self._store.run_began(self._run_id) or now, now)
        recorder.begin_attempt(self._run_id, noted)
        self._store.remove_unsuccessful_outputs(self._run_id, self._root)
        made = attempts.of_run(self._store.run_properties(self._run_id))
        self._seconds_before = attempts.seconds_before(self._store.run_properties(self._run_id))
        why = made[-2].error or made[-2].state
        self._tell(Note(f"run {self._run_id} goes on, attempt {len(made)}; the one before ended: {why}"))

    def _asked(self) -> Asked:
        request = self._request
        named = (("--from-node", request.from_node), ("--to-node", request.to_node), ("--base", request.base_run))
        part = " ".join(f"{option} {value}" for option, value in named if value)
        return Asked(part, request.use_cache, request.all_bytes)

    def _download(self, builder: Any) -> None:
        """TFDS's own progress bars, on the terminal."""
        self._tell(Note(f"downloading {builder.info.full_name} to {builder.data_dir}"))
        with contextlib.redirect_stderr(self._terminal):
            builder.download_and_prepare()

    def _part(self, decider: Decider) -> Any:
        """TFX's options for the part that was asked for; None for the whole pipeline."""
        from tfx.orchestration.pipeline import RunOptions

        from pipeline import partial_run

        request = self._request
        if not (request.from_node or request.to_node):
            return None
        _, needed = parts.nodes_of(request.from_node, request.to_node)
        base_run = None
        if needed:
            base_run = parts.base_run(self._store, self._root, request.base_run, needed)
            self._check_bytes(decider, base_run, needed)
            self._tell(Note(f"reusing {', '.join(needed)} of run {base_run}"))
            for notice in partial_run.check_models(self._store, base_run, needed):
                self._tell(Note(notice, warning=True))
        return RunOptions(
            from_nodes=[request.from_node] if request.from_node else [],
            to_nodes=[request.to_node] if request.to_node else [],
            base_pipeline_run_id=base_run,
        )

    def _check_bytes(self, decider: Decider, run_id: str, needed: Sequence[str]) -> None:
        """Raises `UnavailableError` where what is to be reused is damaged, and takes that out of use."""
        executions = self._store.executions(run_id)
        for name in needed:
            for key, output in self._store.outputs(executions[name].id).items():
                if reason := decider.damage(output):
                    records.Recorder(self._root).take_out_of_use(output.id, reason)
                    raise UnavailableError(
                        f"{name}'s {key} of run {run_id} is damaged and out of use: {reason}; make it again with "
                        f"--from-node {name}"
                    )

    def _summary(self, result: RunResult, resolved: settings.Settings, source: Source) -> Summary:
        summed_up = self._sum_up(self._store, result, resolved, source)
        self._note_end(summary.headline_of(summed_up, self._request.trigger))
        if result.exit_code == ExitCode.DONE:
            self._copy_metadata(resolved.config.paths.metadata_copies)
        return summed_up

    def _copy_metadata(self, keep: int) -> None:
        """A run does not fail for want of a copy: that is said, and the earlier copies stay."""
        begun = time.monotonic()
        try:
            metadata_copies.make(self._root, self._run_id, keep)
        except (SaeError, OSError) as error:
            self._tell(Note(str(error), warning=True))
        else:
            logger.info("ML Metadata's store copied and checked in %.3f s", time.monotonic() - begun)

    def _sum_up(self, store: metadata.Store, result: RunResult, resolved: settings.Settings, source: Source) -> Summary:
        seconds = self._seconds_before + time.monotonic() - self._begun
        return summary.of_run(store, result, resolved, source, self._root, self._log, seconds)

    def _note_broken_off(self, store: metadata.Store, state: str, error: str = "") -> None:
        """Notes how far a run came that did not get to its end."""
        if self._unended is None:
            return
        executions = store.executions(self._run_id).values()
        ended = tuple(NodeEnded(one.node, one.state, 0.0) for one in executions if one.state is not None)
        result = RunResult(self._run_id, ended, ExitCode.INTERRUPTED, error)
        self._note_end(summary.headline_of(self._sum_up(store, result, *self._unended), self._request.trigger, state))

    def _note_end(self, ended: Headline) -> None:
        """Notes the end on the run's context. It is there to look at: a run does not fail for want of it."""
        try:
            records.Recorder(self._root).end_run(self._run_id, headline.to_properties(ended))
        except Exception as error:  # a full disk, a damaged store: ML Metadata has several kinds
            logger.warning("the end of the run is not noted on its context: %s", error)
        self._unended = None
