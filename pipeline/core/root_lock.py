"""Lock files. One process holds such a file, which names it; a root and the daemon have one each.

The number of a process says nothing in another PID namespace (a container) or on another host. So a holder has two
locks of the file: `flock`, which excludes other holders, and on Linux a lock of its open file description. Readers ask
the kernel for the second with `F_OFD_GETLK`, which takes no lock and answers for all processes of this host.

A file can be removed while it is locked, and another process would then lock a new one. So a holder locks a folder
first, and makes its file again when it was removed. If the root itself is renamed or removed, the holder ends at once:
libraries would create a new root at the old path.
"""

from __future__ import annotations

import contextlib
import dataclasses
import datetime
import errno
import fcntl
import io
import os
import pathlib
import platform
import re
import struct
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from typing import TextIO

from components.errors import cause_text
from pipeline.core import file_system, parent_process, regular_file, shell
from pipeline.core.errors import ExitCode, LockedError, UnavailableError
from pipeline.core.text import escaped, seconds_text, when_text

HEARTBEAT = 10.0  # seconds between two times of change that a holder gives its lock file
FILE_CHECK = 0.1  # seconds between two checks of a holder whether its lock file or root was removed
SILENCE = 60.0  # seconds without a heartbeat until a holder that cannot be checked counts as dead

_HELD = re.compile(r"process (\d+) since (\S+ [^\s,]+)(?:, run ([^\s,]+))?")
# The second line. Earlier versions did not write it, and read the first line only.
_PLACE = re.compile(r"^host (\S*), boot (\S*), lock (file description|flock)$", re.MULTILINE)
_REFUSED = (errno.EWOULDBLOCK, errno.EAGAIN, errno.EACCES)  # another process has the lock
_FLOCK = struct.Struct("hhqqi4x")  # `struct flock` of 64-bit Linux
# The byte that is locked is behind the text: some file systems do not let others read a locked byte.
_BYTE_LOCK = _FLOCK.pack(fcntl.F_WRLCK, os.SEEK_SET, 1 << 30, 1, 0)


@dataclasses.dataclass(frozen=True)
class Holder:
    """The process that holds a lock.

    Attributes:
      process: its number, in its own PID namespace.
      host: the name of its host or container; empty if an earlier version took the lock.
      since: when it took the lock, in UTC.
      run: the run that it works on; empty before it has one.
      silence: seconds since its last heartbeat, if it cannot be checked from here; None if it certainly holds the lock.
    """

    process: int
    host: str
    since: datetime.datetime
    run: str
    silence: float | None = None

    @property
    def is_alive(self) -> bool:
        """Return whether it holds the lock, as far as that can be known here."""
        return self.silence is None or self.silence < SILENCE

    def __str__(self) -> str:
        """Write `process 12 on host-b since 2026-11-24 03:00:00 UTC, run 20261124-030000`."""
        return self.text()

    def text(self, what: str = "run") -> str:
        """Write the holder. `what`: what the lock is held for, such as a `sweep`."""
        place = f" on {self.host}" if self.host not in ("", _host()) else ""
        run = f", {what} {self.run}" if self.run else ""
        text = f"process {self.process}{place} since {when_text(self.since)} UTC{run}"
        if self.silence is None:
            return text
        return f"{text}, which cannot be checked from here: last heartbeat {seconds_text(self.silence)} ago"


_held: list[_Place] = []  # by this process


@contextlib.contextmanager
def hold(
    path: pathlib.Path, taken: str, advice: str, folder: pathlib.Path | None = None, what: str = "run"
) -> Iterator[Callable[[str], None]]:
    """Hold a lock. The kernel frees it when the process ends, however it ends.

    Yields a function that records the run that the lock is held for.

    Args:
      path: the lock file; created if missing.
      taken: begins the error message when another process holds the lock: `another run holds ROOT`.
      advice: ends that message.
      folder: locked too; two lock files may not have the same. None: the folder of the lock file.
      what: what the lock is held for, in that message.

    The process ends with exit code 6 and one line if the folder of the lock file is renamed or removed meanwhile.

    Raises:
      LockedError: another process holds the lock; the message names it and since when.
      UnavailableError: the file system has no locks.
      OSError: the file cannot be written.
    """
    with contextlib.ExitStack() as stack:
        try:
            locked = stack.enter_context(contextlib.closing(_LockedFolder(folder or path.parent)))
            file = stack.enter_context(contextlib.closing(_LockFile(path)))
            place = stack.enter_context(contextlib.closing(_Place(path)))
        except _RefusedError as error:
            raise LockedError(f"{taken}: {_described(path, what)}; {advice}") from error
        with contextlib.suppress(OSError):  # on a full disk the lock still excludes others, and `sae gc` frees space
            file.record("")
        _held.append(place)
        try:
            with _heartbeat(file, locked, place):
                yield file.record
        finally:
            end_if_lost()  # whatever failed because of it
            _held.remove(place)


def end_if_lost() -> None:
    """End this process if it has locked a root that was renamed or removed. Call it before and after long steps."""
    for place in tuple(_held):
        if place.is_lost:
            place.end_process()


class _RefusedError(Exception):
    """Another process has the lock."""


class _LockedFolder:
    """A folder that this process has locked. Not all file systems can lock a folder, such as NFS."""

    def __init__(self, path: pathlib.Path) -> None:
        self._path = path
        self._number: int | None = None
        with contextlib.suppress(OSError):
            self._number = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        if self._number is None:
            return
        try:
            fcntl.flock(self._number, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            os.close(self._number)
            raise _RefusedError from error
        except OSError:  # the lock of the file suffices, as long as nobody removes it
            pass

    def close(self) -> None:
        if self._number is not None:
            os.close(self._number)

    @property
    def is_in_place(self) -> bool:
        """Return whether its path still names it."""
        try:
            return self._number is not None and os.path.samestat(os.stat(self._path), os.fstat(self._number))
        except OSError:
            return False


class _Place:
    """The folder of a lock file, opened, with the standard error of the holder, which a run redirects to its log."""

    def __init__(self, lock_file: pathlib.Path) -> None:
        self._path = lock_file.parent
        self._number: int | None = None
        self._errors: int | None = None
        with contextlib.suppress(OSError):
            self._number = os.open(self._path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
            self._errors = os.dup(2)

    def close(self) -> None:
        for number in (self._number, self._errors):
            if number is not None:
                os.close(number)

    @property
    def is_lost(self) -> bool:
        """Return whether its path names another folder, or nothing; False where that is not certain."""
        if self._number is None:
            return False
        try:
            return not os.path.samestat(os.stat(self._path), os.fstat(self._number))
        except (FileNotFoundError, NotADirectoryError):
            return True
        except OSError:
            return False

    def end_process(self) -> None:
        """End this process with one line on standard error, and its children with it."""
        parent_process.kill_children()
        line_end = ""
        if self._errors is not None:
            line_end = "\n" if os.isatty(self._errors) else ""  # after a line of progress
            with contextlib.suppress(OSError):
                os.write(self._errors, f"{line_end}error: {self._lost_text()}\n".encode(errors="replace"))
        for folder, _, _ in os.walk(self._path, topdown=False):  # what a library just created; never a file
            with contextlib.suppress(OSError):
                os.rmdir(folder)
        os._exit(int(ExitCode.ENVIRONMENT))

    def _lost_text(self) -> str:
        new = ""
        with contextlib.suppress(OSError):  # of Linux
            new = os.readlink(f"/proc/self/fd/{self._number}")
        if not os.path.isdir(new):
            return f"{escaped(self._path)} was removed, so this process was ended, which worked in it: call it again"
        return (
            f"{escaped(self._path)} was renamed to {escaped(new)}, so this process was ended, which worked in it: "
            f"call it again with --root {escaped(shell.quoted(new))}; `sae resume` continues an unfinished run"
        )


class _LockFile:
    """A lock file that this process holds."""

    def __init__(self, path: pathlib.Path) -> None:
        self._path = path
        self._since = datetime.datetime.now(datetime.timezone.utc).isoformat(sep=" ", timespec="seconds")
        self._run = ""
        self._writing = threading.Lock()
        self._file, self._kind = self._opened()

    def close(self) -> None:
        with self._file:
            self._file.truncate(0)

    def record(self, run: str) -> None:
        """Write that this process holds the lock for a run."""
        with self._writing:
            self._run = run
            self._write()

    def restore(self) -> None:
        """Make the file again if it was removed or replaced.

        Raises:
          OSError: it cannot be written.
        """
        with self._writing:
            with contextlib.suppress(FileNotFoundError):
                if os.path.samestat(os.stat(self._path), os.fstat(self._file.fileno())):
                    return
            try:
                opened, self._kind = self._opened()
            except (_RefusedError, UnavailableError):  # by an earlier version, which does not lock the folder
                return
            self._file.close()
            self._file = opened
            self._write()

    def touch(self) -> None:
        """Give the file a new time of change, which hosts that cannot ask for the lock read."""
        with self._writing:
            os.utime(self._file.fileno())

    def _write(self) -> None:
        self._file.truncate(0)
        holds = f"process {os.getpid()} since {self._since}" + (f", run {self._run}" if self._run else "")
        os.write(self._file.fileno(), f"{holds}\nhost {_host()}, boot {_boot()}, lock {self._kind}\n".encode())

    def _opened(self) -> tuple[TextIO, str]:
        """Open and lock the file, twice if the system can; return it and the kind of its locks."""
        file = open(self._path, "a+", encoding="utf-8")  # noqa: SIM115 - it stays open
        try:
            # Neither lock needs a clean-up after a kill. Lock libraries add polling and timeouts, of no use here.
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            return file, "file description" if _lock_description(file) else "flock"
        except OSError as error:
            file.close()
            if error.errno in _REFUSED:
                raise _RefusedError from error
            raise UnavailableError(_no_locks(self._path, error)) from error


def _described(path: pathlib.Path, what: str) -> str:
    """Describe the holder of a lock from its file. `what`: what it is held for."""
    text = ""
    with contextlib.suppress(OSError):
        text = regular_file.text(path, "replace")
    unnamed = "a process that is just starting, or whose lock file was removed"
    found = _parse(text)
    return found.text(what) if found else text.strip() or unnamed


def check(folder: pathlib.Path) -> None:
    """Check that the file system of a folder has locks, on a file without a name.

    Raises:
      UnavailableError: it has none.
    """
    with tempfile.TemporaryFile(dir=folder) as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            raise UnavailableError(_no_locks(folder, error)) from error


def _no_locks(path: pathlib.Path, error: OSError) -> str:
    return (
        f"cannot lock {path}: its file system, {file_system.type_of(path)}, has no locks (flock: {cause_text(error)}); "
        "mount it with locks, or choose another root with --root"
    )


def holder(path: pathlib.Path) -> Holder | None:
    """Return the process that holds a lock; None if no process does.

    Takes no lock, not even for a moment: a run that starts just then would fail.
    """
    found = last_holder(path)
    return found if found is not None and found.is_alive else None


def last_holder(path: pathlib.Path) -> Holder | None:
    """Return the holder of a lock, also one that cannot be checked from here and has no heartbeat any more."""
    try:
        with io.TextIOWrapper(regular_file.opened(path), encoding="utf-8") as file:
            text = file.read()
            is_locked = _is_description_locked(file)
            heard = os.fstat(file.fileno()).st_mtime
    except (OSError, ValueError):
        return None
    found = _parse(text)
    place = _PLACE.search(text)
    if found is None or is_locked:
        return found
    if place is None or (place[1] == _host() and place[3] == "flock"):  # an earlier version, or macOS
        return found if _is_process(found) else None
    if is_locked is not None and place[3] != "flock" and (place[2] == _boot() or not _is_shared(path)):
        return None
    return dataclasses.replace(found, silence=time.time() - heard)


def _parse(text: str) -> Holder | None:
    match = _HELD.match(text)
    place = _PLACE.search(text)
    try:
        since = datetime.datetime.fromisoformat(match[2]) if match else None
    except ValueError:
        return None
    if match is None or since is None or since.tzinfo is None:
        return None
    return Holder(int(match[1]), place[1] if place else "", since, match[3] or "")


def _is_process(found: Holder) -> bool:
    """Return whether the process with the holder's number is the one that took the lock."""
    import psutil  # 15 ms

    try:
        begun = psutil.Process(found.process).create_time()
    except (ValueError, OverflowError, psutil.Error):
        return False
    # The number may belong to a later process by now. Both times are cut to whole seconds.
    return bool(begun < found.since.timestamp() + 1)


def _is_shared(path: pathlib.Path) -> bool:
    return file_system.is_shared(file_system.type_of(path))


def _host() -> str:
    return platform.node().replace(" ", "-")


def _boot() -> str:
    """Return the id of this host's boot, equal in all its containers; empty where there is none (macOS)."""
    with contextlib.suppress(OSError):
        return pathlib.Path("/proc/sys/kernel/random/boot_id").read_text(encoding="ascii").strip()
    return ""


def _lock_description(file: TextIO) -> bool:
    """Lock a byte for the open file description. Returns False where the system has no such locks."""
    if sys.platform != "linux":
        return False
    try:
        fcntl.fcntl(file, fcntl.F_OFD_SETLK, _BYTE_LOCK)
    except OSError as error:
        if error.errno in _REFUSED:  # `flock` may be local to a host where this lock is not
            raise
        return False
    return True


def _is_description_locked(file: TextIO) -> bool | None:
    """Return whether another open file description has that byte locked; None if the system does not say."""
    if sys.platform != "linux":
        return None
    try:
        answer = fcntl.fcntl(file, fcntl.F_OFD_GETLK, _BYTE_LOCK)
    except OSError:
        return None
    return bool(_FLOCK.unpack(answer)[0] != fcntl.F_UNLCK)


@contextlib.contextmanager
def _heartbeat(file: _LockFile, folder: _LockedFolder, place: _Place) -> Iterator[None]:
    """Keep the file where it is, show at an interval that its holder lives, and end the process without its root."""
    ended = threading.Event()

    def beat() -> None:
        touched = time.monotonic()
        while not ended.wait(min(FILE_CHECK, HEARTBEAT)):
            if place.is_lost and not ended.is_set():
                place.end_process()
            with contextlib.suppress(OSError):
                if folder.is_in_place:
                    file.restore()
                if time.monotonic() - touched >= HEARTBEAT:
                    file.touch()
                    touched = time.monotonic()

    thread = threading.Thread(target=beat, name="heartbeat of a lock", daemon=True)
    thread.start()
    try:
        yield
    finally:
        ended.set()
        thread.join()
