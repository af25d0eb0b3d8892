"""Call ML Metadata in child processes, because its C++ ends its process at a row that it does not expect.

A value of another type or a property without its artifact is enough: `Check failed`, SIGABRT. So each client that reads
has a process of its own, and a death there is an exception here (`ReaderDiedError`).

    this process ──forks once──> parent of the workers ──forks, in a few ms──> worker of one client
         └─────────────────── a socket: calls and answers ────────────────────────┘

The parent of the workers is forked before a client exists, and starts no threads, so it can always be forked. All
stores share it, because forking this process takes longer the more it has imported: 25 ms with TensorFlow. It also
removes temporary folders when this process ends without having done so, for instance by `kill -9`. If it is killed
itself, as the kernel does when memory is short, the next client gets another one.
"""

from __future__ import annotations

import contextlib
import faulthandler
import fcntl
import gc
import os
import pathlib
import pickle
import re
import shutil
import signal
import socket
import struct
import tempfile
import threading
import warnings
import weakref
from collections.abc import Callable, Sequence
from multiprocessing.connection import Connection
from typing import Any, NoReturn, TypeVar

import ml_metadata as mlmd
from google.protobuf.message import DecodeError
from ml_metadata import errors as mlmd_errors
from ml_metadata.proto import metadata_store_service_pb2

from pipeline.core.errors import SaeError
from pipeline.metadata.client import BusyStoreError
from pipeline.metadata.sqlite import BusyError

T = TypeVar("T")

_START, _FOLDER, _END = b"w", b"f", b"e"  # messages to the parent of the workers
_LENGTH = struct.Struct("!I")  # of the path after `_FOLDER`
_CHECK = re.compile(rb"\] (Check failed: .*)")  # in what ML Metadata logs before it ends its process
_BAD_TEXT = b"invalid UTF-8"
_STDERR = 2  # in a worker, its log
_LOG_BYTES = 64 * 1024  # of ML Metadata's log that are searched
_HIGHEST_FILE = 2**20  # larger than any number of an open file


class ReaderDiedError(Exception):
    """The process of a client has ended; the message contains ML Metadata's reason. Without one, it was killed."""


class UnreadableError(Exception):
    """ML Metadata, or the conversion of its answer, failed for a reason other than a status of its own."""


def processes() -> Processes:
    """Return the processes of all clients of this process. Threads may call this at the same time."""
    pid = os.getpid()
    for other in set(_by_process) - {pid}:  # this process was forked from it
        _by_process.pop(other, None)
    # Without a lock, which another thread might hold at a fork.
    return _by_process.get(pid) or _by_process.setdefault(pid, Processes())


class Processes:
    """The processes of clients. They last as long as this object or a client."""

    def __init__(self) -> None:
        self._lock = threading.Lock()  # guards what is sent
        self._folders: set[bytes] = set()  # for the next parent of the workers
        self._fork()

    def _fork(self) -> None:
        self._control, theirs = socket.socketpair()
        with theirs, warnings.catch_warnings():  # closed also if there is no fork: an answer would be waited for
            warnings.simplefilter("ignore", DeprecationWarning)  # of forks beside threads: see `_reset_process`
            pid = os.fork()
            if pid == 0:
                _fork_workers(theirs)
        self._end = weakref.finalize(self, _end, os.getpid(), pid, self._control)

    def client(
        self, connect: Callable[..., mlmd.MetadataStore], *arguments: Any, patience: float | None = None
    ) -> Worker:
        """Return a worker that has opened a client with `connect`.

        Raises:
          BusyError: that took longer than `patience`, in seconds.
          Exception: the one that `connect` raised.
        """
        return self._ask_new_worker(None, connect, arguments, patience=patience)[0]

    def run(self, function: Callable[..., T], *arguments: Any) -> T:
        """Call a function of a module in a worker and return its result. Raises what it raises."""
        found: T = self._ask_new_worker("", function, arguments)[1]
        return found

    def _ask_new_worker(self, *message: Any, patience: float | None = None) -> tuple[Worker, Any]:
        """Return a new worker and its first answer."""
        worker = Worker(self)
        try:
            return worker, worker.ask(*message, patience=patience)
        except ReaderDiedError as error:
            if str(error):
                raise
        # The parent of the workers may have been killed after it was asked for this one. Asking again starts another.
        worker = Worker(self)
        return worker, worker.ask(*message, patience=patience)

    def start(self, log: int) -> Connection:
        """Start a worker, whose standard error is the file `log`, and return the connection to it."""
        ours, theirs = socket.socketpair()
        with ours, theirs:
            self._send(_START, [theirs.fileno(), log])
            return Connection(ours.detach())

    def temporary_folder(self) -> pathlib.Path:
        """Return a new folder that only this user may enter; it is removed at the latest when this process ends."""
        folder = tempfile.mkdtemp(prefix="sae-store-")
        self._send(_message_about(os.fsencode(folder)))
        self._folders.add(os.fsencode(folder))
        return pathlib.Path(folder)

    def remove_folder(self, folder: pathlib.Path) -> None:
        """Remove a folder of `temporary_folder`."""
        shutil.rmtree(folder, ignore_errors=True)
        self._send(_message_about(os.fsencode(folder)))
        self._folders.discard(os.fsencode(folder))

    def _send(self, message: bytes, files: Sequence[int] = ()) -> None:
        with self._lock:
            try:
                socket.send_fds(self._control, [message], files)
            except OSError:  # the parent of the workers was killed
                self._end()
                self._fork()
                for folder in list(self._folders):
                    self._control.sendall(_message_about(folder))
                socket.send_fds(self._control, [message], files)


_by_process: dict[int, Processes] = {}


class Worker:
    """A process with a client of ML Metadata. It ends when this object is no longer used."""

    def __init__(self, processes: Processes) -> None:
        self._processes = processes
        self._log = os.memfd_create("ml-metadata") if hasattr(os, "memfd_create") else _temporary_file()
        weakref.finalize(self, os.close, self._log)
        fcntl.fcntl(self._log, fcntl.F_SETFL, os.O_APPEND)
        self._connection = processes.start(self._log)

    def ask(self, *message: Any, patience: float | None = None) -> Any:
        """Return the worker's answer.

        Raises:
          BusyError: there was none for `patience` seconds; the worker cannot be asked again.
          ReaderDiedError: the worker has ended.
          Exception: the one that the call raised.
        """
        try:
            self._connection.send(message)
            if not self._connection.poll(patience):
                raise BusyError
            done, answer = self._connection.recv()
        except BusyError:
            self._connection.close()
            raise
        except (EOFError, OSError) as error:
            self._connection.close()
            raise ReaderDiedError(self._reason()) from error
        except BaseException:  # an interrupt: the answer would be taken for that to the next call
            self._connection.close()
            raise
        if not done:
            raise answer
        return answer

    def _reason(self) -> str:
        """Return the last failed check that ML Metadata logged; empty if there is none."""
        size = os.fstat(self._log).st_size
        found = _CHECK.findall(os.pread(self._log, _LOG_BYTES, max(0, size - _LOG_BYTES)))
        return " ".join(found[-1].decode(errors="replace").split()) if found else ""


class IsolatedClient(mlmd.MetadataStore):
    """ML Metadata's client whose calls are made by a worker."""

    def __init__(self, worker: Worker, replace: Callable[[Exception, bool], Worker]) -> None:
        """Make a client.

        Args:
          worker: makes the calls.
          replace: returns another worker, which reads a copy, after this one met a row that ML Metadata cannot read, or
            a writer for too long; or raises the error that reports it. It is given that error, and whether it replaced
            one before for such a reason.
        """
        self._worker = worker
        self._replace = replace
        self._replaced: set[bool] = set()  # whether the reason was a writer

    def _call(self, method_name: str, request: Any, response: Any, extra_options: Any = None) -> None:
        del extra_options
        message = (method_name, type(request).__name__, request.SerializeToString())
        while True:
            try:
                response.ParseFromString(self._worker.ask(*message))
                return
            except (ReaderDiedError, UnreadableError, DecodeError, BusyStoreError) as error:
                is_busy = isinstance(error, BusyStoreError)
                self._worker = self._replace(error, is_busy in self._replaced)
                self._replaced.add(is_busy)


def _temporary_file() -> int:
    with tempfile.TemporaryFile() as file:
        return os.dup(file.fileno())


def _message_about(folder: bytes) -> bytes:
    return _FOLDER + _LENGTH.pack(len(folder)) + folder


def _end(owner: int, pid: int, control: socket.socket) -> None:
    if os.getpid() != owner:  # a child process inherited the object
        return
    with contextlib.suppress(OSError):
        control.send(_END)
    control.close()
    with contextlib.suppress(ChildProcessError):
        os.waitpid(pid, 0)


def _fork_workers(control: socket.socket) -> NoReturn:
    """Fork a worker for each message, until the process at the other end of `control` has ended."""
    folders: set[str] = set()
    try:
        _reset_process(control.fileno())
        while True:
            message, files, _, _ = socket.recv_fds(control, 1, 2)
            if message == _START:
                try:
                    pid = os.fork()
                except OSError:  # no more processes are allowed: the connection ends without an answer
                    pid = -1
                if pid == 0:
                    control.close()
                    os.dup2(files[1], _STDERR)
                    _work(Connection(files[0]))
                for number in files:
                    os.close(number)
            elif message == _FOLDER:
                [length] = _LENGTH.unpack(control.recv(_LENGTH.size, socket.MSG_WAITALL))
                folders ^= {os.fsdecode(control.recv(length, socket.MSG_WAITALL))}  # the second message: it is removed
            else:
                break
    finally:
        for folder in folders:
            shutil.rmtree(folder, ignore_errors=True)
        os.killpg(0, signal.SIGKILL)  # also workers that wait for a database server
        os._exit(1)


def _reset_process(control: int) -> None:
    """Let go of all that the forked process had: its signals, its terminal, its files and their locks."""
    signal.set_wakeup_fd(-1)
    for name in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(name, signal.SIG_DFL)
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)  # ended workers leave nothing to wait for
    os.setsid()
    faulthandler.disable()  # it would write into the file that has the number of its own now
    gc.disable()  # finalizers of the other process
    # Each number stays taken: pyarrow and others close files of their own at a fork, by number, and that may not be the
    # number of a worker's connection. Reading fails, so that a thread that waits for such a file ends.
    null = os.open(os.devnull, os.O_WRONLY)
    for number in _open_files():
        if number not in (control, null):
            os.dup2(null, number)


def _open_files() -> list[int]:
    try:
        return [int(name) for name in os.listdir("/dev/fd")]
    except OSError:  # without /proc
        return [number for number in range(min(os.sysconf("SC_OPEN_MAX"), _HIGHEST_FILE)) if _is_open(number)]


def _is_open(number: int) -> bool:
    try:
        os.fstat(number)
    except OSError:
        return False
    return True


def _work(connection: Connection) -> NoReturn:
    """Answer calls until the connection is closed."""
    client: mlmd.MetadataStore | None = None
    try:
        while True:
            method, *rest = connection.recv()
            try:
                if method is None:
                    connect, arguments = rest
                    client, answer = connect(*arguments), None
                elif not method:
                    function, arguments = rest
                    answer = function(*arguments)
                else:
                    answer = _answer(client, method, *rest)
                connection.send((True, answer))
            except Exception as error:
                connection.send((False, _portable(error)))
    finally:
        os._exit(0)


class _Unparsed:
    """Stands for a response in a worker: its bytes are parsed in the process that asked for them."""

    content = b""

    def ParseFromString(self, content: bytes) -> None:
        self.content = content


def _answer(client: Any, method: str, request_name: str, content: bytes) -> bytes:
    request, response = getattr(metadata_store_service_pb2, request_name)(), _Unparsed()
    request.ParseFromString(content)
    logged = os.fstat(_STDERR).st_size
    try:
        client._call(method, request, response)
        if _BAD_TEXT in os.pread(_STDERR, _LOG_BYTES, logged):  # protobuf logs it, and may go on
            raise UnreadableError("text that is not UTF-8")
    except (UnreadableError, SaeError, mlmd_errors.StatusError):
        raise
    except Exception as error:  # such as text that is not UTF-8
        raise UnreadableError(str(error)) from error
    return response.content


def _portable(error: Exception) -> Exception:
    """Return the error, or one with its text if it cannot be sent."""
    try:
        copied = pickle.loads(pickle.dumps(error))
        return error if isinstance(copied, type(error)) else RuntimeError(str(error))
    except Exception:
        return RuntimeError(str(error))
