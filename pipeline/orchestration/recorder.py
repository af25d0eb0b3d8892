"""What is noted of a run while it is in progress: what it is made from, beside it and on its context, and its end."""

from __future__ import annotations

import datetime
import logging
import pathlib
import time

from pipeline.core import file_digests
from pipeline.core.errors import ExitCode, SaeError
from pipeline.core.events import Listener, NodeEnded, Note
from pipeline.core.pipeline_root import Root
from pipeline.definition.spec import ConfiguredPipeline
from pipeline.metadata import backup, run_properties
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
    """The record of one run. Its time counts from when this is made."""

    def __init__(self, request: RunRequest, root: Root, run_id: str, log: pathlib.Path, listener: Listener) -> None:
        self._request = request
        self._root = root
        self._run_id = run_id
        self._log = log
        self._tell = listener
        self._begun = time.monotonic()
        self._seconds_before = 0.0  # of earlier attempts
        # What the run is made from, from when ML Metadata knows of it until its end is noted there.
        self._unended: ConfiguredPipeline | None = None

    @property
    def unended(self) -> bool:
        """Whether ML Metadata knows of the run, and of no end of it."""
        return self._unended is not None

    def begin(self, store: Store, configured: ConfiguredPipeline) -> MetadataWriter:
        """Notes what the run is made from, beside it and on its context; shows the notice."""
        resolved, dataset = configured.settings, configured.dataset
        started = Headline(
            dataset=f"{dataset.name} {dataset.version}", profile=resolved.profile, trigger=self._request.trigger
        )
        if dataset.notice:
            self._tell(Note(dataset.notice, warning=True))
        recorder = MetadataWriter(self._root)
        if self._request.resumed:
            self._begin_attempt(store, recorder)
            self._unended = configured
            return recorder
        noted = manifest.collect(
            run_id=self._run_id,
            command=self._request.command,
            profile=resolved.profile,
            configuration=resolved.config.recorded(),
            data=dataset,
            code=cache_key.code_of_nodes(configured.pipeline.nodes),
            pipeline=configured.pipeline,
            trigger=self._request.trigger,
        )
        path = manifest.write(self._root.path, noted)
        properties = {
            MANIFEST_DIGEST: file_digests.of_file(path),
            **run_properties.headline_properties(started),
            **self._request.asked.properties(),
        }
        recorder.begin_run(configured.pipeline.name, self._run_id, properties)
        self._unended = configured
        return recorder

    def _begin_attempt(self, store: Store, recorder: MetadataWriter) -> None:
        """Notes on the run's context that it is gone on with; what its last attempt left unpublished is removed."""
        now = datetime.datetime.now(datetime.timezone.utc)
        properties = store.run_properties(self._run_id)
        # It began before TensorFlow was loaded: its seconds count from there as well.
        began = now - datetime.timedelta(seconds=time.monotonic() - self._begun)
        noted = with_next_attempt(properties, store.run_began(self._run_id) or now, began)
        recorder.begin_attempt(self._run_id, noted)
        recorder.remove_unsuccessful_outputs(self._run_id)
        made = attempts_of(store.run_properties(self._run_id))
        self._seconds_before = seconds_before(store.run_properties(self._run_id))
        why = made[-2].error or made[-2].state
        self._tell(Note(f"run {self._run_id} goes on, attempt {len(made)}; the one before ended: {why}"))

    def end(self, store: Store, result: RunResult, configured: ConfiguredPipeline) -> Summary:
        """Notes the end of a run that came to one, and copies the store where it succeeded."""
        summed_up = self._sum_up(store, result, configured)
        self._note_end(summary.headline_of(summed_up, self._request.trigger))
        if result.exit_code == ExitCode.DONE:
            self._copy_metadata(configured.config.paths.metadata_copies)
        return summed_up

    def broke_off(self, store: Store, state: str, error: str = "") -> None:
        """Notes how far a run came that did not get to its end."""
        if self._unended is None:
            return
        executions = store.executions(self._run_id).items()
        ended = tuple(NodeEnded(node, one.state, 0.0) for node, one in executions if one.state is not None)
        result = RunResult(self._run_id, ended, ExitCode.INTERRUPTED, error)
        self._note_end(summary.headline_of(self._sum_up(store, result, self._unended), self._request.trigger, state))

    def _copy_metadata(self, keep: int) -> None:
        """A run does not fail for want of a copy: that is said, and the earlier copies stay."""
        begun = time.monotonic()
        try:
            backup.make(self._root, self._run_id, keep)
        except (SaeError, OSError) as error:
            self._tell(Note(str(error), warning=True))
        else:
            logger.info("ML Metadata's store copied and checked in %.3f s", time.monotonic() - begun)

    def _sum_up(self, store: Store, result: RunResult, configured: ConfiguredPipeline) -> Summary:
        seconds = self._seconds_before + time.monotonic() - self._begun
        return summary.of_run(store, result, configured, self._root, self._log, seconds)

    def _note_end(self, ended: Headline) -> None:
        """Notes the end on the run's context. It is there to look at: a run does not fail for want of it."""
        try:
            MetadataWriter(self._root).end_run(self._run_id, run_properties.headline_properties(ended))
        except Exception as error:  # a full disk, a damaged store: ML Metadata has several kinds
            logger.warning("the end of the run is not noted on its context: %s", error)
        self._unended = None
