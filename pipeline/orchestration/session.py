"""One run in its steps, once it has its id, its log and its root: the quick way without TFX, or the nodes."""

from __future__ import annotations

import contextlib
import logging
import pathlib
from typing import Any, TextIO

from pipeline.core import settings
from pipeline.core.events import Listener, Note
from pipeline.core.pipeline_root import Root
from pipeline.definition.spec import ConfiguredPipeline, FoundDataset
from pipeline.metadata.store import Store, open_store
from pipeline.metadata.writer import MetadataWriter
from pipeline.orchestration import cancellation, process_setup, replay
from pipeline.orchestration.cache import CacheVerdict, NodeCache
from pipeline.orchestration.recorder import RunRecorder
from pipeline.orchestration.request import RunRequest
from pipeline.orchestration.summary import Summary


class RunSession:
    """One run, in its steps."""

    def __init__(
        self,
        request: RunRequest,
        resolved: settings.Settings,
        root: Root,
        store: Store,
        run_id: str,
        log: pathlib.Path,
        listener: Listener,
        terminal: TextIO,
    ) -> None:
        self._request = request
        self._resolved = resolved
        self._root = root
        self._store = store
        self._run_id = run_id
        self._tell = listener
        self._terminal = terminal
        self._record = RunRecorder(request, root, run_id, log, listener)

    def execute(self) -> Summary:
        """Runs to the end; a signal is answered from the first import on."""
        with cancellation.cancellable(self._record_cancelled):
            return self._run()

    def _record_cancelled(self) -> None:
        """Closes what was running. May be called from another thread, so it opens the store anew."""
        begun = self._record.unended
        if self._root.metadata.exists():
            closed = MetadataWriter(self._root).close_unfinished(self._run_id, "the run was interrupted")
            for node in closed:
                self._tell(Note(f"{node} cancelled; its unfinished output was removed", warning=True))
            self._record.broke_off(open_store(self._root), "cancelled")
        resumable = begun or self._request.resumed
        way_on = self._request.asked.next_step(self._run_id) if resumable else "there is nothing to go on with"
        self._tell(Note(f"run {self._run_id} was interrupted; {way_on}"))

    def _run(self) -> Summary:
        try:
            configured = self._known_dataset()
            return (self._replay(configured) if configured else None) or self._execute(configured)
        except Exception as error:  # around the nodes: what fails in one of them is part of the result
            self._record.broke_off(self._store, "failed", str(error).partition("\n")[0] or type(error).__name__)
            raise

    def _known_dataset(self) -> ConfiguredPipeline | None:
        """The pipeline with its data set, where that can be told without TensorFlow; None otherwise."""
        request = self._request
        if request.like:  # also of a run that is resumed
            return None
        found = request.pipeline.data.recall(self._root, request.settings, self._resolved)
        return self._configure(found) if found and found.exact else None

    def _replay(self, configured: ConfiguredPipeline) -> Summary | None:
        """Record all nodes as cached, without TensorFlow and TFX; None where a node must run."""
        request = self._request
        if request.from_node or request.to_node or not request.use_cache:
            return None
        decisions = self._cache(configured).decide_all()
        if any(decision.verdict != CacheVerdict.CACHED for decision in decisions):
            return None
        recorder = self._record.begin(self._store, configured)
        result = replay.replay(request.pipeline, decisions, recorder, self._run_id, self._tell)
        return self._record.end(self._store, result, configured)

    def _execute(self, configured: ConfiguredPipeline | None) -> Summary:
        self._tell(Note("loading TensorFlow and TFX"))
        with process_setup.heavy_imports():
            from pipeline.definition.pipeline import create_pipeline
            from pipeline.orchestration.tfx import local_runner, partial_run

        request, data = self._request, self._request.pipeline.data
        self._root.claim_pipeline(request.pipeline.location)
        if configured is None:
            found = (
                FoundDataset(self._resolved, data.prepare(request.like.data, self._root))
                if request.like
                else data.find(self._root, request.settings, self._resolved, self._download)
            )
            configured = self._configure(found)
        self._root.claim_dataset(configured.dataset.name)
        pipeline = create_pipeline(configured, self._root.artifacts, self._root.metadata)
        cache = self._cache(configured)
        part = partial_run.options(request, self._root, self._store, cache, self._tell)
        self._record.begin(self._store, configured)
        handler = local_runner.EpochHandler(self._tell)
        logging.getLogger("components").addHandler(handler)
        local = local_runner.LocalRunner(self._root, self._run_id, cache, self._tell)
        try:
            result = local.run(pipeline, run_options=part)
        finally:
            logging.getLogger("components").removeHandler(handler)
        return self._record.end(self._store, result, configured)

    def _configure(self, found: FoundDataset) -> ConfiguredPipeline:
        return ConfiguredPipeline(self._request.pipeline, found.settings, found.dataset, self._root.serving)

    def _cache(self, configured: ConfiguredPipeline) -> NodeCache:
        request = self._request
        return NodeCache(self._root, self._store, configured, use_cache=request.use_cache, all_bytes=request.all_bytes)

    def _download(self, builder: Any) -> None:
        """TFDS's own progress bars, on the terminal."""
        self._tell(Note(f"downloading {builder.info.full_name} to {builder.data_dir}"))
        with contextlib.redirect_stderr(self._terminal):
            builder.download_and_prepare()
