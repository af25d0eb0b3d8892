"""Beam worker processes that end with the run, and whose death fails the job.

One process imports the libraries, and forks the workers (`beam_worker`).

Beam's FnApiRunner waits for ever for the answer of a worker process that died. Here a thread per worker waits for the
end of its process, and then fails everything that waits for it.

Importing this module imports Beam.
"""

from __future__ import annotations

import contextlib
import json
import os
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from typing import Any

import grpc
from apache_beam.portability import python_urns
from apache_beam.portability.api import beam_fn_api_pb2_grpc, endpoints_pb2
from apache_beam.runners.portability import local_job_service
from apache_beam.runners.portability.fn_api_runner import worker_handlers
from apache_beam.utils import thread_pool_executor
from google.protobuf import json_format, text_format

from components.errors import cause_text
from pipeline.core import parent_process
from pipeline.core.errors import SaeError
from pipeline.core.text import signal_name
from pipeline.orchestration.tfx import beam_worker

_REPEAT_SECONDS = 0.2
# Of a worker, and of what this process starts for it: the sample's jobs take up to 40.
_THREADS_PER_WORKER = 40
_MOST_TRIED = 1000
_HOST = "localhost"  # by which Beam's workers ask for its servers
# What takes long to import. A worker imports the rest when it needs it.
_LIBRARIES = {
    "tensorflow",
    "tensorflow_datasets",
    "tensorflow_data_validation",
    "tensorflow_transform",
    "tensorflow_model_analysis",
}


class WorkerDiedError(SaeError):
    """A Beam worker process ended before the job did."""


class NoRoomError(SaeError):
    """The system does not allow as many processes and threads as a job needs."""


class _Parent:
    """The process that forks workers. It ends with the thread that starts it."""

    def __init__(self) -> None:
        self._requests, theirs = socket.socketpair()
        command = [sys.executable, "-m", beam_worker.__name__]
        with theirs:
            self._process = subprocess.Popen(command, stdin=theirs.fileno(), env=parent_process.environment(os.environ))
        self._lock = threading.Lock()

    def run_worker(self, variables: dict[str, str]) -> int:
        """Start a worker with these variables beside those of this process; return its exit code when it ends."""
        # In the order in which they were imported. A list, because other threads may import meanwhile.
        modules = [name for name in list(sys.modules) if name in _LIBRARIES]
        request = json.dumps({"modules": modules, "environment": {**os.environ, **variables}}).encode()
        reader, writer = os.pipe()
        with os.fdopen(reader, "rb") as ended:
            try:
                with self._lock:
                    socket.send_fds(self._requests, [beam_worker.LENGTH.pack(len(request))], [writer])
                    self._requests.sendall(request)
            except ConnectionError:
                return self._process.wait()
            finally:
                os.close(writer)
            code = ended.read()
        return int(code) if code else self._process.wait()  # workers die with it

    def kill(self) -> None:
        """Kill the process, and with it its workers."""
        self._process.kill()

    def close(self) -> None:
        """End the process."""
        self.kill()
        self._process.wait()
        self._requests.close()

    def is_alive(self) -> bool:
        """Whether it can fork workers."""
        return self._process.poll() is None


_parent: _Parent | None = None
_is_shared = False
_deaths: list[WorkerDiedError] = []  # in the current job; one job runs at a time
_job_ended = threading.Event()


@contextlib.contextmanager
def shared() -> Iterator[None]:
    """Let all jobs in this context, and in this thread, fork their workers from one process."""
    global _is_shared
    _is_shared = True
    try:
        yield
    finally:
        _is_shared = False
        _close()


@contextlib.contextmanager
def supervised(count: int) -> Iterator[None]:
    """Run a job in `count` worker processes in this context.

    Raise `WorkerDiedError` in place of any other error if a worker process died during the job.

    Raises:
      NoRoomError: before anything is started.
    """
    global _parent
    _check_room(count)
    _deaths.clear()
    _job_ended.clear()
    if _parent is not None and not _parent.is_alive():
        _close()
    _parent = _parent or _Parent()
    try:
        yield
    except Exception as error:
        if _deaths:
            raise _deaths[0] from error
        raise
    finally:
        _job_ended.set()
        if not _is_shared:
            _close()


def _check_room(count: int) -> None:
    """Raise `NoRoomError` if not as many threads can be started as a job needs. Linux counts them as processes.

    Beam and gRPC start threads in many places, and in some wait for ever for one that could not be started.
    """
    end = threading.Event()
    started: list[threading.Thread] = []
    wanted = min(count * _THREADS_PER_WORKER, _MOST_TRIED)
    try:
        for _ in range(wanted):
            thread = threading.Thread(name="room", target=end.wait)
            thread.start()
            started.append(thread)
    except RuntimeError as error:
        raise NoRoomError(
            f"{count} Beam workers need some {wanted} processes and threads, and the system allows {len(started)} "
            "more: raise the limit (`ulimit -u`, or that of the container), then `sae resume` repeats the node; a new "
            "run with --set engine.beam_workers=1 needs none of them"
        ) from error
    finally:
        end.set()
        for thread in started:
            thread.join()


def _close() -> None:
    global _parent
    if _parent is not None:
        _parent.close()
        _parent = None


class _LocalGrpc:
    """gRPC with servers for this machine only. Those of Beam listen at all addresses, and ask for no password."""

    def __getattr__(self, name: str) -> Any:
        return getattr(grpc, name)

    def server(self, *arguments: Any, **options: Any) -> grpc.Server:
        server = grpc.server(*arguments, **options)
        add_port = server.add_insecure_port
        server.add_insecure_port = lambda address: add_port(address.replace("[::]", _HOST))
        return server


def register() -> None:
    """Let Beam start its worker processes through this module, and listen to this machine only."""
    worker_handlers.grpc = _LocalGrpc()
    worker_handlers.WorkerHandler.register_environment(python_urns.SUBPROCESS_SDK, bytes)(_WorkerProcess)


def death_text(worker: str, code: int | Exception) -> str:
    """Return the message for a worker that ended with an exit code; a negative one is that of a signal.

    An exception: why it was not started.
    """
    if isinstance(code, Exception):
        how = f"was not started ({cause_text(code)})"
    elif code >= 0:
        how = f"ended with exit code {code}" if code else "ended early (without an error)"
    else:
        how = f"was killed by {signal_name(-code)}"
        if -code == signal.SIGKILL:
            how += " (when memory runs out, the system does that)"
    return (
        f"Beam's process {worker} {how}; the log may have more; `sae resume` repeats the node, and a new run with "
        "--set engine.beam_workers=1 needs less memory"
    )


class _WorkerProcess(worker_handlers.SubprocessSdkWorkerHandler):
    """A worker process, and the thread that waits for its end."""

    def __init__(self, *arguments: Any) -> None:
        super().__init__(*arguments)
        self._closing = threading.Event()
        assert _parent is not None
        self._parent = _parent

    def start_worker(self) -> None:
        self.worker_thread = threading.Thread(name=f"{self.worker_id} process", target=self._wait)
        self.worker_thread.start()

    def close(self) -> None:
        self._closing.set()
        super().close()

    def stop_worker(self) -> None:
        # A worker that was still starting when another one died never learns that the job is over.
        while _deaths and self.worker_thread.is_alive():
            self._parent.kill()
            self.worker_thread.join(_REPEAT_SECONDS)
        super().stop_worker()

    def _wait(self) -> None:
        code: int | Exception
        try:
            code = self._run()
        except Exception as error:  # such as too many open files; the job would wait for ever
            code = error
        if self._closing.is_set():
            return
        died = WorkerDiedError(death_text(self.worker_id, code))
        _deaths.append(died)
        self._parent.kill()  # the job has failed, and would wait for what the others never get
        threading.Thread(name=f"{self.worker_id} failure", target=self._fail, args=(died,), daemon=True).start()

    def _run(self) -> int:
        """Run the process to its end, with a server for its log, as Beam does; return its exit code."""
        server = grpc.server(
            thread_pool_executor.shared_unbounded_instance(),
            options=[("grpc.http2.max_pings_without_data", 0), ("grpc.http2.max_ping_strikes", 0)],
        )
        port = server.add_insecure_port(f"{_HOST}:0")
        beam_fn_api_pb2_grpc.add_BeamFnLoggingServicer_to_server(local_job_service.BeamFnLoggingServicer(), server)
        server.start()
        try:
            return self._parent.run_worker(
                {
                    "CONTROL_API_SERVICE_DESCRIPTOR": _descriptor(self.control_address),
                    "LOGGING_API_SERVICE_DESCRIPTOR": _descriptor(f"{_HOST}:{port}"),
                    "PIPELINE_OPTIONS": json_format.MessageToJson(self.provision_info.provision_info.pipeline_options),
                    "WORKER_ID": self.worker_id,
                }
            )
        finally:
            server.stop(0)

    def _fail(self, died: WorkerDiedError) -> None:
        """Fail what waits for the worker, until the job has ended: it may ask for more until it notices."""
        while not _job_ended.wait(_REPEAT_SECONDS):
            self.data_conn._exception = died
            with contextlib.suppress(RuntimeError):  # a request was added meanwhile
                self.control_conn.abort(died)


def _descriptor(address: str) -> str:
    return str(text_format.MessageToString(endpoints_pb2.ApiServiceDescriptor(url=address)))
