"""One run in its steps, once it has its id, its log and its root: the quick way without TFX, or the nodes."""

from __future__ import annotations

import contextlib
import logging
import pathlib
from typing import Any, TextIO

from pipeline.core import settings
from pipeline.core.events import Listener, Note
from pipeline.core.pipeline_root import Root
from pipeline.definition import dataset_cache
from pipeline.definition.dataset import Source
from pipeline.metadata.store import Store, open_store
from pipeline.metadata.writer import MetadataWriter
from pipeline.orchestration import cancellation, process_setup, replay
from pipeline.orchestration.cache import Decider, Verdict
from pipeline.orchestration.recorder import RunRecord
from pipeline.orchestration.request import RunRequest
from pipeline.orchestration.summary import Summary
from pipeline_config import PipelineConfig


class Run:
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
        self._record = RunRecord(request, root, run_id, log, listener)

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
            return self._replay() or self._execute()
        except Exception as error:  # around the nodes: what fails in one of them is part of the result
            self._record.broke_off(self._store, "failed", str(error).partition("\n")[0] or type(error).__name__)
            raise

    def _replay(self) -> Summary | None:
        """The quick way, without TensorFlow and TFX; None when a node must run, or that cannot be told without them."""
        request = self._request
        if request.from_node or request.to_node or request.like or not request.use_cache:
            return None
        recalled = dataset_cache.recall(self._root, self._resolved)
        if recalled is None or not recalled.exact:
            return None
        resolved = dataset_cache.with_profile(request.settings, self._resolved, recalled.profile)
        decider = self._decider(resolved.config, recalled.source)
        decisions = decider.decide_all()
        if any(decision.verdict != Verdict.CACHED for decision in decisions):
            return None
        recorder = self._record.begin(self._store, resolved, recalled.source)
        result = replay.replay(decisions, recorder, self._run_id, self._tell)
        return self._record.end(self._store, result, resolved, recalled.source)

    def _execute(self) -> Summary:
        self._tell(Note("loading TensorFlow and TFX"))
        with process_setup.heavy_imports():
            from pipeline.definition import dataset_resolver
            from pipeline.definition import pipeline as definition
            from pipeline.orchestration.tfx import local_runner, reused_part

        if self._request.like:  # also of a run that is gone on with
            found = dataset_resolver.again(self._resolved, self._request.like.data, self._root)
        else:
            found = dataset_resolver.find(self._request.settings, self._root, self._download)
        config, source = found.settings.config, found.source
        self._root.claim_dataset(source.name)
        if not self._request.like:
            dataset_cache.remember(self._root, self._resolved, found.settings.profile, source)
        pipeline = definition.create_pipeline(
            config, source, self._root.artifacts, self._root.metadata, self._root.serving
        )
        decider = self._decider(config, source)
        part = reused_part.options(self._request, self._root, self._store, decider, self._tell)
        self._record.begin(self._store, found.settings, source)
        handler = local_runner.EpochHandler(self._tell)
        logging.getLogger("components").addHandler(handler)
        local = local_runner.LocalRunner(self._root, self._run_id, decider, config.engine, self._tell)
        try:
            result = local.run(pipeline, run_options=part)
        finally:
            logging.getLogger("components").removeHandler(handler)
        return self._record.end(self._store, result, found.settings, source)

    def _decider(self, config: PipelineConfig, source: Source) -> Decider:
        request = self._request
        return Decider(
            self._root, self._store, config, source, use_cache=request.use_cache, all_bytes=request.all_bytes
        )

    def _download(self, builder: Any) -> None:
        """TFDS's own progress bars, on the terminal."""
        self._tell(Note(f"downloading {builder.info.full_name} to {builder.data_dir}"))
        with contextlib.redirect_stderr(self._terminal):
            builder.download_and_prepare()
