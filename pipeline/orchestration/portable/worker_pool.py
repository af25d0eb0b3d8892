"""`sae worker`: a pool of Beam worker processes beside each task manager of a cluster.

It implements Beam's service for EXTERNAL environments. Beam's own pool starts whatever `python` is first on PATH,
reports no process that dies while it starts, and confuses the workers of two task managers, which have the same ids.

Importing this module imports Beam.
"""

from __future__ import annotations

import concurrent.futures
import contextlib
import logging
import os
import pathlib
import select
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import traceback
from collections.abc import Callable, Iterator
from typing import Any

import grpc
from apache_beam.portability.api import beam_fn_api_pb2, beam_fn_api_pb2_grpc

from components.errors import cause_text
from pipeline.core import parent_process
from pipeline.core.errors import SaeError
from pipeline.core.text import last_line, signal_name
from pipeline.definition.spec import Pipeline
from pipeline.orchestration import cancellation, process_setup
from pipeline.orchestration.portable import worker_address, worker_identity
from pipeline.orchestration.portable.worker_identity import REFUSED, JobParameters
from pipeline.provenance import numeric_variables

logger = logging.getLogger(__name__)

_PROGRAM = "pipeline.orchestration.portable.worker_process"
_START_SECONDS = 300.0  # for a process to import Beam; a few on a free machine
_END_SECONDS = 10.0  # for a process to end by itself
_THREADS = 16


class _RefusedError(SaeError):
    """A worker does not take a job."""


def serve(pipeline: Pipeline, host: str, port: int, tell: Callable[[str], None]) -> None:
    """Serve until SIGTERM, Ctrl-C or SIGHUP (unless ignored: `nohup`), then end all worker processes.

    Args:
      pipeline: the pipeline whose jobs run here.
      host: address to listen on; unless it is one of this machine alone, 127.0.0.1 is added to it.
      port: port to listen on; 0: any free one.
      tell: is called with lines for the user.

    Raises:
      UnavailableError: the port is in use, or the address is none of this machine.
    """
    ended = threading.Event()
    with cancellation.handled(lambda *_: ended.set()), running(pipeline, host, port) as bound:
        name = socket.gethostname()
        tell(f"worker of host {name} listens on {host}:{bound}; whoever reaches this port can run code as this user")
        ended.wait()
        tell("ending the worker processes")


@contextlib.contextmanager
def running(pipeline: Pipeline, host: str, port: int) -> Iterator[int]:
    """Serve while the context lasts; yield the port. The arguments and errors are those of `serve`."""
    with WorkerPool(pipeline) as pool:
        # Two pools on one port would each get some of the requests.
        options = [
            ("grpc.so_reuseport", 0),
            ("grpc.http2.max_pings_without_data", 0),
            ("grpc.http2.max_ping_strikes", 0),
        ]
        server = grpc.server(concurrent.futures.ThreadPoolExecutor(_THREADS), options=options)
        beam_fn_api_pb2_grpc.add_BeamFnExternalWorkerPoolServicer_to_server(pool, server)
        handler = grpc.unary_unary_rpc_method_handler(lambda request, _: worker_identity.describe(pipeline, request))
        service = grpc.method_handlers_generic_handler(worker_identity.SERVICE, {worker_identity.METHOD: handler})
        server.add_generic_rpc_handlers((service,))
        for address in worker_address.listened(host):
            try:
                port = server.add_insecure_port(f"[{address}]:{port}" if ":" in address else f"{address}:{port}")
            except RuntimeError as error:
                reason = "the port is in use, or the address is none of this machine"
                raise worker_address.refusal(address, port, reason) from error
        server.start()
        try:
            yield port
        finally:
            server.stop(0).wait()


class WorkerPool(beam_fn_api_pb2_grpc.BeamFnExternalWorkerPoolServicer):
    """Starts and ends worker processes for the jobs of a runner."""

    def __init__(self, pipeline: Pipeline) -> None:
        self._pipeline = pipeline
        self._lock = threading.Lock()
        self._workers: dict[str, list[_Worker]] = {}  # by id; each task manager counts from 1
        self._starting: set[_Worker] = set()
        # On Linux a child ends with the thread that started it, and those of a gRPC server come and go.
        self._starter = concurrent.futures.ThreadPoolExecutor(1, "starter")
        self._folder = pathlib.Path(tempfile.mkdtemp(prefix="sae-worker-"))

    def __enter__(self) -> WorkerPool:
        return self

    def __exit__(self, *_: object) -> None:
        with self._lock:
            workers = [*self._starting, *(one for found in self._workers.values() for one in found)]
            self._workers.clear()
        for worker in workers:
            worker.process.terminate()
        for worker in workers:
            worker.end(_END_SECONDS / 2)
        self._starter.shutdown()
        shutil.rmtree(self._folder, ignore_errors=True)

    def StartWorker(self, request: Any, context: Any) -> Any:
        """Start a process, and answer when it is about to connect, or with the reason why it did not start."""
        del context
        try:
            worker = self._start(request)
        except SaeError as error:
            logger.warning("%s", error)
            return beam_fn_api_pb2.StartWorkerResponse(error=str(error))
        except Exception:
            logger.exception("worker %s did not start", request.worker_id)
            return beam_fn_api_pb2.StartWorkerResponse(error=traceback.format_exc())
        with self._lock:
            alive = [one for one in self._workers.get(request.worker_id, []) if one.process.poll() is None]
            self._workers[request.worker_id] = [*alive, worker]
        return beam_fn_api_pb2.StartWorkerResponse()

    def StopWorker(self, request: Any, context: Any) -> Any:
        """Let a process end, which it does when its runner closes the connection; end it if it does not.

        The request has no more than an id, which another task manager on this host may use as well.
        """
        del context
        with self._lock:
            workers = [one for one in self._workers.get(request.worker_id, []) if one.process.poll() is None]
            if len(workers) == 1:
                del self._workers[request.worker_id]
        if len(workers) == 1:
            threading.Thread(target=workers[0].end, args=[_END_SECONDS], name=f"end {request.worker_id}").start()
        return beam_fn_api_pb2.StopWorkerResponse()

    def _start(self, request: Any) -> _Worker:
        text = request.params.get(worker_identity.PARAMETER, "")
        job = JobParameters.from_text(text) if text else None
        if job is not None:
            here = worker_identity.here(self._pipeline)
            if different := worker_identity.differences(job.identity, here):
                raise _RefusedError(
                    f"{REFUSED}: host {socket.gethostname()} differs from where `sae run` runs: {different}; "
                    "install the same code and lock there, and restart `sae worker`"
                )
        worker = self._starter.submit(_Worker, request, job, self._folder).result()
        with self._lock:
            self._starting.add(worker)
        try:
            worker.wait_until_ready()
        finally:
            with self._lock:
                self._starting.discard(worker)
        return worker


class _Worker:
    """A worker process."""

    def __init__(self, request: Any, job: JobParameters | None, folder: pathlib.Path) -> None:
        self._name = request.worker_id
        self._node = job.node if job else "none"
        self._log = _log_of(job, request.worker_id, folder)
        self._temporary = pathlib.Path(tempfile.mkdtemp(dir=folder))
        # The process writes when it is about to connect; if it dies before, the pipe is at its end.
        self._reader, writer = os.pipe()
        try:
            with self._log.open("ab") as output:
                self.process = subprocess.Popen(
                    [sys.executable, "-m", _PROGRAM, request.control_endpoint.url, request.worker_id, str(writer)],
                    stdin=subprocess.DEVNULL,
                    stdout=output,
                    stderr=output,
                    env=_environment(job, self._temporary),
                    pass_fds=[writer],
                )
        except BaseException:
            os.close(self._reader)
            raise
        finally:
            os.close(writer)

    def wait_until_ready(self) -> None:
        """Wait until the process is about to connect. Raises `_RefusedError` if it dies before."""
        try:
            in_time = bool(select.select([self._reader], [], [], _START_SECONDS)[0])
            ready = in_time and os.read(self._reader, 1)
        finally:
            os.close(self._reader)
        if not ready:
            code = self.end(0 if not in_time else _END_SECONDS)
            how = f"was killed by {signal_name(-code)}" if code < 0 else f"ended with exit code {code}"
            how = how if in_time else f"was not ready after {_START_SECONDS:.0f} s"
            raise _RefusedError(
                f"{REFUSED}: on host {socket.gethostname()} the worker process {how} while it started: "
                f"{last_line(self._log.read_text('utf-8', 'replace')) or 'it wrote nothing'} (its log: {self._log})"
            )
        logger.info("worker %s is process %d, for node %s", self._name, self.process.pid, self._node)
        threading.Thread(target=self._watch, name="watch", daemon=True).start()

    def end(self, seconds: float) -> int:
        """End the process if it does not end by itself within a time; return its exit code."""
        for number in (0, signal.SIGTERM, signal.SIGKILL):  # 0 does nothing
            self.process.send_signal(number)
            with contextlib.suppress(subprocess.TimeoutExpired):
                self.process.wait(seconds)
                break
        code = self.process.wait()
        shutil.rmtree(self._temporary, ignore_errors=True)
        return code

    def _watch(self) -> None:
        logger.info("worker %s, process %d, ended with %d", self._name, self.process.pid, self.process.wait())
        shutil.rmtree(self._temporary, ignore_errors=True)


def _log_of(job: JobParameters | None, worker_id: str, folder: pathlib.Path) -> pathlib.Path:
    """Return the log file of a new process: in the root of the run, else in the folder of the pool."""
    name = f"{socket.gethostname()}-{os.getpid()}-{worker_id}.log"
    if job is None or not job.logs:
        return folder / name
    place = pathlib.Path(job.logs) / job.node
    try:
        place.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise _RefusedError(
            f"{REFUSED}: host {socket.gethostname()} cannot write {place} ({cause_text(error)}): the pipeline "
            "root must be a folder that all hosts share"
        ) from error
    return place / name


def _environment(job: JobParameters | None, temporary: pathlib.Path) -> dict[str, str]:
    """Return the environment of a process: that of the run, where results depend on it."""
    variables = dict(os.environ)
    variables.setdefault(*process_setup.LOG_LEVEL)
    if job is not None:
        for name in numeric_variables.affecting(os.environ):
            del variables[name]
        variables.update(job.variables)
    folders = {name: str(temporary) for name in ("TMPDIR", "KERAS_HOME", "MPLCONFIGDIR")}
    return parent_process.environment({**variables, **folders})
