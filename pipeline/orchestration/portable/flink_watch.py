"""Watch a job through Flink's REST API: its progress, and whether it can go on."""

from __future__ import annotations

import logging
import time

from pipeline.core.errors import SaeError, UnavailableError
from pipeline.core.events import JobProgress
from pipeline.orchestration.portable.cluster_job import ClusterJob
from pipeline.orchestration.portable.flink import FlinkError, FlinkMaster, Job
from pipeline.orchestration.portable.worker_identity import REFUSED

logger = logging.getLogger(__name__)

_LOST_SECONDS = 60.0  # without an answer of the job manager
_NO_SLOT_SECONDS = 60.0  # with tasks that wait for a slot, while none runs
_REASON_SECONDS = 5.0  # between requests for the reason of a restart


class JobFailedError(SaeError):
    """A job on a cluster failed, or cannot go on."""


class FlinkWatch:
    """Watches one job."""

    def __init__(self, job: ClusterJob) -> None:
        self._name = job.name
        self._master = FlinkMaster(job.engine.flink_master)
        self._id = ""
        self._shown: JobProgress | None = None
        self._answered = self._had_slots = self._seen = time.monotonic()
        self._is_known = False
        self._asked = 0.0

    def check(self) -> None:
        """Show the progress. Raises `JobFailedError` if the job cannot go on."""
        try:
            job = self._find()
        except FlinkError:  # it forgot the job, such as after its own restart
            self._id = ""
            job = None
        except UnavailableError as error:
            if time.monotonic() - self._answered > _LOST_SECONDS:
                raise JobFailedError(f"{error} for {_LOST_SECONDS:.0f} s; start it again, then `sae resume`") from error
            return
        self._answered = time.monotonic()
        if job is None:
            if self._is_known and self._answered - self._seen > _LOST_SECONDS:
                raise JobFailedError(
                    f"Flink's job manager at {self._master.url} does not know the job any more, as after its own "
                    "restart; `sae resume` repeats the node"
                )
            return
        self._is_known, self._seen = True, self._answered
        self._show(job)
        if time.monotonic() - self._asked > _REASON_SECONDS:
            self._asked = time.monotonic()
            if REFUSED in (text := self.reason()):
                start = text.index(REFUSED)
                raise JobFailedError(f"a {text[start:].splitlines()[0]}; `sae resume` repeats the node")
        if not job.scheduled or job.running:
            self._had_slots = time.monotonic()
        elif time.monotonic() - self._had_slots > _NO_SLOT_SECONDS:
            overview = self._master.overview()
            raise JobFailedError(
                f"Flink at {self._master.url} gave the job no slot for {_NO_SLOT_SECONDS:.0f} s: "
                f"{overview.free_slots} of {overview.slots} slots on {overview.task_managers} task managers are free; "
                "wait for other jobs or add task managers, then `sae resume`"
            )

    def reason(self) -> str:
        """Return why the job failed or restarted last; empty if that is not known."""
        try:
            return self._master.reason(self._id) if self._find() else ""
        except SaeError:
            return ""

    def cancel(self) -> None:
        """Cancel the job."""
        job = self._find()
        if job is not None and not job.ended:
            self._master.cancel(job.id)

    def _find(self) -> Job | None:
        self._id = self._id or self._master.find_job(self._name) or ""
        return self._master.job(self._id) if self._id else None

    def _show(self, job: Job) -> None:
        progress = JobProgress("Flink", job.state.lower(), job.done, job.tasks, self._master.page(job.id))
        if progress != self._shown:
            self._shown = progress
            logger.info("%s: %s", progress.text, progress.link, extra={"job": progress})
