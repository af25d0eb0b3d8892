"""Record a run in ML Metadata: its manifest, headline and options at its start, its state at its end."""

from __future__ import annotations

import dataclasses
import datetime
import logging
import time

from pipeline.core import file_digests
from pipeline.core.errors import ExitCode, SaeError
from pipeline.core.events import Listener, NodeEnded, Note
from pipeline.core.pipeline_root import Root
from pipeline.definition.spec import ConfiguredPipeline
from pipeline.metadata import root_store, run_properties
from pipeline.metadata.properties import MANIFEST_DIGEST
from pipeline.metadata.run_properties import Headline, attempts_of, seconds_before, with_next_attempt
from pipeline.metadata.store import Store
from pipeline.metadata.writer import MetadataWriter
from pipeline.orchestration import summary
from pipeline.orchestration.request import RunRequest
from pipeline.orchestration.summary import RunResult, Summary
from pipeline.provenance import cache_key, manifest

logger = logging.getLogger(__name__)


class RunRecorder:
    """Records one run. Its duration counts from `begun`, a time of the monotonic clock."""

    def __init__(self, request: RunRequest, root: Root, run_id: str, listener: Listener, begun: float) -> None:
        self._request = request
        self._root = root
        self._run_id = run_id
        self._tell = listener
        self._begun = begun
        self._seconds_before = 0.0  # duration of earlier attempts
        self._writer: MetadataWriter | None = None  # of the start
        self._unended: ConfiguredPipeline | None = None  # set while ML Metadata contains the run without an end

    @property
    def unended(self) -> bool:
        """Whether ML Metadata contains the run, without an end."""
        return self._unended is not None

    @property
    def _began(self) -> datetime.datetime:
        """When the run, or this attempt at it, began: before TensorFlow was loaded, as its duration counts."""
        return datetime.datetime.now(datetime.timezone.utc) - datetime.timedelta(seconds=time.monotonic() - self._begun)

    def begin(self, store: Store, configured: ConfiguredPipeline) -> MetadataWriter:
        """Write the manifest, record the start on the run's context, and show the notice of the data set and hints."""
        request, resolved, dataset = self._request, configured.settings, configured.dataset
        if dataset.notice:
            self._tell(Note(dataset.notice, warning=True))
        if not self._request.reruns(resolved):
            for hint in configured.pipeline.data.hints(resolved, True):
                self._tell(Note(hint, warning=True))
        self._writer = writer = MetadataWriter(self._root)
        if request.resumed:
            self._begin_attempt(store, writer)
        else:
            recorded = manifest.collect(
                run_id=self._run_id,
                command=request.command,
                profile=resolved.profile,
                configuration=resolved.config.recorded(),
                data=dataset,
                code=cache_key.code_of_nodes(configured.pipeline.nodes),
                pipeline=configured.pipeline,
                trigger=request.trigger,
            )
            started = Headline(
                dataset=f"{dataset.name} {dataset.version}", profile=resolved.profile, trigger=request.trigger
            )
            properties = {
                MANIFEST_DIGEST: file_digests.of_file(manifest.write(self._root.path, recorded)),
                **run_properties.headline_properties(started),
                **run_properties.began_properties(self._began),
                **run_properties.settings_properties(resolved.config.affecting_results()),
                **request.options.properties(),
            }
            writer.begin_run(configured.pipeline.name, self._run_id, properties)
        self._unended = configured
        return writer

    def _begin_attempt(self, store: Store, writer: MetadataWriter) -> None:
        """Record a new attempt on the run's context, and remove what the last one left unpublished."""
        properties, began = store.run_properties(self._run_id), self._began
        writer.begin_attempt(self._run_id, with_next_attempt(properties, store.run_began(self._run_id) or began, began))
        writer.remove_unsuccessful_outputs(self._run_id)
        properties = store.run_properties(self._run_id)
        self._seconds_before = seconds_before(properties)
        *_, last, _ = attempts = attempts_of(properties)
        reason = last.error or last.state
        self._tell(Note(f"resuming run {self._run_id}, attempt {len(attempts)}; the previous one ended: {reason}"))

    def end(self, store: Store, result: RunResult, configured: ConfiguredPipeline) -> Summary:
        """Record the end of a run, and copy the store if the run succeeded."""
        summed_up = self._sum_up(store, result, configured)
        self._record_end(summed_up, configured, self._writer)
        if result.exit_code == ExitCode.DONE:
            self._copy_metadata(configured.config.paths.metadata_copies)
        return summed_up

    def end_early(self, store: Store, state: str, error: str = "") -> None:
        """Record the end of a run that did not run all its nodes; do nothing if no start or an end is recorded."""
        if self._unended is None:
            return
        executions = store.executions(self._run_id).items()
        ended = tuple(NodeEnded(node, one.state, 0.0) for node, one in executions if one.state is not None)
        result = RunResult(self._run_id, ended, ExitCode.INTERRUPTED, error)
        self._record_end(self._sum_up(store, result, self._unended), self._unended, None, state)

    def _copy_metadata(self, keep: int) -> None:
        """Copy the store. A failure is shown and does not fail the run."""
        begun = time.monotonic()
        try:
            root_store.of(self._root).back_up(self._run_id, keep)
        except (SaeError, OSError) as error:
            self._tell(Note(str(error), warning=True))
        else:
            logger.info("ML Metadata's store copied and checked in %.3f s", time.monotonic() - begun)

    def _sum_up(self, store: Store, result: RunResult, configured: ConfiguredPipeline) -> Summary:
        seconds = self._seconds_before + time.monotonic() - self._begun
        request = self._request
        summed_up = summary.of_run(store, result, configured, self._root, seconds, request.options.part)
        return dataclasses.replace(summed_up, hints=()) if request.reruns(configured.settings) else summed_up

    def _record_end(
        self, summed_up: Summary, configured: ConfiguredPipeline, writer: MetadataWriter | None, state: str = ""
    ) -> None:
        """Record the headline on the run's context. A failure is logged and does not fail the run.

        Args:
          summed_up, configured, state: of the run.
          writer: that of the start; None: open the store again, because that one failed or is used in another thread.
        """
        headline = summary.headline_of(summed_up, configured.pipeline, self._request.trigger, state)
        try:
            writer = writer or MetadataWriter(self._root)
            writer.end_run(self._run_id, run_properties.headline_properties(headline))
        except Exception as error:  # a full disk, a damaged store: ML Metadata raises several types
            logger.warning("the end of the run is not recorded on its context: %s", error)
        self._unended = None
