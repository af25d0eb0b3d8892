"""The program of Beam worker processes: it imports the libraries once, and forks a worker for each request of the run.

`beam_workers` starts it, with a socket as standard input. A request is a JSON object after its length in 8 bytes, with
a descriptor to which the exit code of the worker is written:

- `modules`: names of what to import first, because the run has imported it;
- `environment`: all variables of the worker, those of Beam among them.

On the import of TensorFlow, a worker spent five seconds of the processor; a fork takes 30 ms. No module may start
threads or gRPC when it is imported, because they would not work in a fork.
"""

from __future__ import annotations

import atexit
import contextlib
import importlib
import json
import os
import select
import signal
import socket
import struct
import sys
import traceback
import warnings
from typing import NoReturn

from pipeline.core import parent_process
from pipeline.orchestration import imports

LENGTH = struct.Struct(">Q")


def main() -> None:
    """Fork workers until the run closes the socket, and end with them."""
    parent_process.end_with_parent()  # before the slow import
    requests = socket.socket(fileno=os.dup(0))
    with open(os.devnull, "rb") as nothing:
        os.dup2(nothing.fileno(), 0)
    reader, writer = os.pipe()
    os.set_blocking(writer, False)
    signal.set_wakeup_fd(writer, warn_on_full_buffer=False)
    signal.signal(signal.SIGCHLD, lambda *_: None)  # its number is written to the pipe
    with imports.heavy_imports():
        import apache_beam.runners.worker.sdk_worker_main  # noqa: F401
    waited: list[socket.socket | int] = [requests, reader]
    ended: dict[int, int] = {}  # by process, the descriptor for its exit code
    while True:
        ready, *_ = select.select(waited, [], [])
        if reader in ready:
            os.read(reader, 4096)
            _tell_ended(ended)
        if requests in ready:
            head, descriptors, *_ = socket.recv_fds(requests, LENGTH.size, 1)
            if not head:
                return
            request = json.loads(_read(requests, *LENGTH.unpack(head)))
            with imports.heavy_imports(), contextlib.suppress(Exception):  # the worker raises it
                for name in request["modules"]:
                    importlib.import_module(name)
            with warnings.catch_warnings():
                warnings.simplefilter("ignore", DeprecationWarning)  # one thread is there: of pyarrow's allocator
                process = os.fork()
            if process == 0:
                signal.set_wakeup_fd(-1)
                signal.signal(signal.SIGCHLD, signal.SIG_DFL)
                for descriptor in (reader, writer, *descriptors, *ended.values()):
                    os.close(descriptor)
                requests.close()
                _work(request["environment"])
            ended[process] = descriptors[0]


def _read(connection: socket.socket, size: int) -> bytes:
    """Read `size` bytes."""
    data = b""
    while len(data) < size:
        if not (part := connection.recv(size - len(data))):
            raise SystemExit("the run ended within a request")
        data += part
    return data


def _tell_ended(workers: dict[int, int]) -> None:
    """Write the exit codes of workers that ended to their descriptors, and forget them."""
    for process in list(workers):
        found, status = os.waitpid(process, os.WNOHANG)
        if found:
            descriptor = workers.pop(process)
            with contextlib.suppress(BrokenPipeError):
                os.write(descriptor, str(os.waitstatus_to_exitcode(status)).encode())
            os.close(descriptor)


def _work(environment: dict[str, str]) -> NoReturn:
    """Be a worker until the run closes the connection; end without freeing memory that is shared with other workers."""
    code = 1
    try:
        os.environ.clear()
        os.environ.update(environment, **{parent_process.VARIABLE: str(os.getppid())})
        parent_process.end_with_parent()
        if numpy := sys.modules.get("numpy"):
            numpy.random.seed()  # else all workers would draw the same numbers
        from apache_beam.runners.worker import sdk_worker_main

        sdk_worker_main.main(sys.argv)
        code = 0
    except BaseException:
        traceback.print_exc()
    finally:
        try:
            atexit._run_exitfuncs()
            sys.stdout.flush()
            sys.stderr.flush()
        finally:  # also if nobody reads the output any more: this function must not return to the loop of `main`
            os._exit(code)


if __name__ == "__main__":
    main()
