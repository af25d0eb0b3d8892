"""The steps of one run: find the data set, then record every node as cached without TFX, or run the nodes."""

from __future__ import annotations

import contextlib
import dataclasses
import functools
import time
from typing import Any, TextIO

from pipeline.core import garbage_collector, settings
from pipeline.core.errors import UsageError
from pipeline.core.events import Listener, Note
from pipeline.core.pipeline_root import Root
from pipeline.definition.spec import ConfiguredPipeline, FoundDataset
from pipeline.metadata import root_store
from pipeline.metadata.store import Store, open_store
from pipeline.metadata.writer import MetadataWriter
from pipeline.orchestration import cancellation, imports, last_words, replay
from pipeline.orchestration import partial_run as part_of_run
from pipeline.orchestration.cache import CacheVerdict, NodeCache
from pipeline.orchestration.recorder import RunRecorder
from pipeline.orchestration.request import RunRequest
from pipeline.orchestration.summary import Summary
from pipeline.provenance import cache_key, manifest, remembered, source_code


@dataclasses.dataclass(frozen=True)
class RunSession:
    """One run."""

    request: RunRequest  # its options
    resolved: settings.Settings  # its settings
    root: Root  # the pipeline root, whose lock this process holds
    store: Store  # the root's store, open for writing
    run_id: str  # the id of the run
    tell: Listener  # receives its events
    terminal: TextIO  # the original standard error
    begun: float = dataclasses.field(default_factory=time.monotonic)  # when it began, before imports

    @functools.cached_property
    def _recorder(self) -> RunRecorder:
        return RunRecorder(self.request, self.root, self.run_id, self.tell, self.begun)

    def execute(self) -> Summary:
        """Run to the end; signals are handled from the first import on."""
        with (
            cancellation.cancellable(self._record_cancelled),
            remembered.in_file(self.root.answers, write=True),
            # The keys are of the code as it is before it is imported: an edit during the run does not change what runs.
            source_code.read_once(),
        ):
            return self._execute()

    def _record_cancelled(self) -> None:
        """Close the running node and the run. May be called from another thread, so it opens the store again."""
        begun = self._recorder.unended
        if root_store.of(self.root).exists():
            for node in MetadataWriter(self.root).close_unfinished(self.run_id, "the run was interrupted"):
                self.tell(Note(f"{node} cancelled; its unfinished output was removed", warning=True))
            self._recorder.end_early(open_store(self.root), "cancelled")
        recorded = begun or self.request.resumed
        next_step = self._next_step if recorded else "nothing was recorded"
        self.tell(Note(f"run {self.run_id} was interrupted; {next_step}"))

    @property
    def _next_step(self) -> str:
        """Return the command to continue this run if it is interrupted."""
        return self.request.options.next_step(self.run_id, manifest.path_of(self.root.path, self.run_id))

    def _execute(self) -> Summary:
        try:
            configured = self._recall_dataset()
            if configured and (replayed := self._replay(configured)):
                return replayed
            log, run = self.root.logs / f"{self.run_id}.log", f"run {self.run_id}"
            with last_words.shown(log, self.terminal, run, self._next_step):
                return self._run_nodes(configured)
        except Exception as error:  # not of a node: errors of nodes are part of the result
            self._recorder.end_early(self.store, "failed", str(error).partition("\n")[0] or type(error).__name__)
            raise

    def _recall_dataset(self) -> ConfiguredPipeline | None:
        """Return the pipeline with its data set if that is known without TensorFlow."""
        if self.request.recorded_data(self.resolved) is not None:
            return None
        found = self.request.pipeline.data.recall(self.root, self.request.settings, self.resolved)
        return self._configure(found) if found and found.exact else None

    def _replay(self, configured: ConfiguredPipeline) -> Summary | None:
        """Record all nodes to run as cached, without TensorFlow and TFX; return None if one must be executed."""
        request = self.request
        if request.from_node or not request.use_cache:
            return None
        to_run, _ = part_of_run.nodes_of(request.pipeline, "", request.to_node)
        decisions = self._cache(configured).decide_all(to_run)
        if any(decision.verdict != CacheVerdict.CACHED for decision in decisions):
            return None
        writer = self._recorder.begin(self.store, configured)
        result = replay.replay(request.pipeline, decisions, writer, self.run_id, self.tell)
        return self._recorder.end(self.store, result, configured)

    def _run_nodes(self, configured: ConfiguredPipeline | None) -> Summary:
        from pipeline.orchestration.portable import checks  # a run in which every node is cached needs no cluster

        checks.require(self.resolved.config.engine, self.request.pipeline, self.root, write=True)
        self.tell(Note("loading TensorFlow and TFX"))
        cache_key.code_of_nodes(self.request.pipeline.nodes)  # read before it is imported
        with imports.heavy_imports():
            from pipeline.definition.pipeline import create_pipeline
            from pipeline.orchestration.tfx import local_runner, partial_run

        self.root.claim_pipeline(self.request.pipeline.location)
        configured = configured or self._configure(self._find_dataset())
        self.root.claim_dataset(configured.dataset.name)
        with imports.heavy_imports():  # the components import the rest of TFX
            pipeline = create_pipeline(configured, self.root.artifacts, root_store.of(self.root).connection_config())
        cache = self._cache(configured)
        part = partial_run.options(self.request, cache, self.tell)
        self._recorder.begin(self.store, configured)
        runner = local_runner.LocalRunner(self.root, self.run_id, cache, self.tell)
        with garbage_collector.seldom():
            result = runner.run(pipeline, run_options=part)
        return self._recorder.end(self.store, result, configured)

    def _find_dataset(self) -> FoundDataset:
        """Find the data set: that of the run to rerun or to resume, if it has still the same content."""
        request, data = self.request, self.request.pipeline.data
        recorded = request.recorded_data(self.resolved)
        if recorded is not None:
            found = data.prepare(recorded, self.root)
            if found.fingerprint == recorded.fingerprint:
                return FoundDataset(self.resolved, found)
            text = f"{recorded.name} {recorded.version} has other content now than in the run of --like"
            self.tell(Note(f"{text}: the data that is there is read, so results differ", warning=True))
        return data.find(self.root, request.settings, self.resolved, self._download)

    def _configure(self, found: FoundDataset) -> ConfiguredPipeline:
        if self.request.like and found.settings is not self.resolved:
            raise UsageError(
                f"the run would use {found.dataset.name} with the profile {found.settings.profile}, which replaces the "
                "settings of --like: prepare the data set that the settings name, or leave --like out"
            )
        return ConfiguredPipeline(self.request.pipeline, found.settings, found.dataset, self.root.serving)

    def _cache(self, configured: ConfiguredPipeline) -> NodeCache:
        request = self.request
        return NodeCache(self.root, self.store, configured, use_cache=request.use_cache, all_bytes=request.all_bytes)

    def _download(self, builder: Any) -> None:
        """Prepare a TFDS data set, with its own progress bars on the terminal."""
        self.tell(Note(f"downloading {builder.info.full_name} to {builder.data_dir}"))
        with contextlib.redirect_stderr(self.terminal):
            builder.download_and_prepare()
