"""Beam worker processes that end with the run, and whose death fails the job.

Beam's FnApiRunner waits for ever for the answer of a worker process that died. Here a thread per worker waits for the
end of its process, and then fails everything that waits for it.

Importing this module imports Beam.
"""

from __future__ import annotations

import contextlib
import os
import re
import shlex
import signal
import sys
import threading
from collections.abc import Iterator
from typing import Any

import psutil
from apache_beam.portability import python_urns
from apache_beam.runners.portability import local_job_service
from apache_beam.runners.portability.fn_api_runner import worker_handlers

from pipeline.core import parent_process
from pipeline.core.errors import SaeError
from pipeline.core.text import signal_name

_PROGRAM = "pipeline.orchestration.tfx.beam_worker"
_RETURN_CODE = re.compile(r"return code (-?\d+)")  # in the error that Beam raises
_REPEAT_SECONDS = 0.2


class WorkerDiedError(SaeError):
    """A Beam worker process ended before the job did."""


_deaths: list[WorkerDiedError] = []  # in the current job; one job runs at a time
_job_ended = threading.Event()


@contextlib.contextmanager
def supervised() -> Iterator[None]:
    """Raise `WorkerDiedError` in place of any other error if a worker process died during the job in this context."""
    _deaths.clear()
    _job_ended.clear()
    try:
        yield
    except Exception as error:
        if _deaths:
            raise _deaths[0] from error
        raise
    finally:
        _job_ended.set()


def register() -> None:
    """Let Beam start its worker processes through this module."""
    worker_handlers.WorkerHandler.register_environment(python_urns.SUBPROCESS_SDK, bytes)(_WorkerProcess)


def death_text(worker: str, reason: str) -> str:
    """Return the message for a worker that ended, from Beam's own text: it contains the return code."""
    found = _RETURN_CODE.search(reason)
    if found is None:
        how = f"ended early ({reason or 'without an error'})"
    elif (code := int(found[1])) >= 0:
        how = f"ended with exit code {code}"
    else:
        how = f"was killed by {signal_name(-code)}"
        if -code == signal.SIGKILL:
            how += " (when memory runs out, the system does that)"
    return (
        f"Beam's process {worker} {how}; the log may have more; `sae resume` repeats the node, and a new run with "
        "--set engine.beam_workers=1 needs less memory"
    )


def _kill_workers() -> None:
    for child in psutil.Process().children():
        with contextlib.suppress(psutil.Error):  # it ended meanwhile
            if any(_PROGRAM in word for word in child.cmdline()):
                child.kill()


class _WorkerProcess(worker_handlers.SubprocessSdkWorkerHandler):
    """A worker process, and the thread that waits for its end."""

    def __init__(self, worker_command_line: bytes, *arguments: Any) -> None:
        # `exec`, because Beam starts a shell, and the program ends with its parent process.
        command = f"{parent_process.VARIABLE}={os.getpid()} exec {shlex.quote(sys.executable)} -m {_PROGRAM}"
        super().__init__(command.encode(), *arguments)
        self._closing = threading.Event()

    def start_worker(self) -> None:
        self.worker = local_job_service.SubprocessSdkWorker(
            self._worker_command_line, self.control_address, self.provision_info, self.worker_id
        )
        self.worker_thread = threading.Thread(name=f"{self.worker_id} process", target=self._wait)
        self.worker_thread.start()

    def close(self) -> None:
        self._closing.set()
        super().close()

    def stop_worker(self) -> None:
        # A worker that was still starting when another one died never learns that the job is over.
        while _deaths and self.worker_thread.is_alive():
            _kill_workers()
            self.worker_thread.join(_REPEAT_SECONDS)
        super().stop_worker()

    def _wait(self) -> None:
        reason = ""
        try:
            self.worker.run()
        except Exception as error:
            reason = str(error)
        if self._closing.is_set():
            return
        died = WorkerDiedError(death_text(self.worker_id, reason))
        _deaths.append(died)
        _kill_workers()  # the job has failed, and would wait for what the others never get
        threading.Thread(name=f"{self.worker_id} failure", target=self._fail, args=(died,), daemon=True).start()

    def _fail(self, died: WorkerDiedError) -> None:
        """Fail what waits for the worker, until the job has ended: it may ask for more until it notices."""
        while not _job_ended.wait(_REPEAT_SECONDS):
            self.data_conn._exception = died
            with contextlib.suppress(RuntimeError):  # a request was added meanwhile
                self.control_conn.abort(died)
