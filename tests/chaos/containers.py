"""A disk of fixed size in a mount namespace, and containers (PID namespaces) that share it; needs root on Linux."""

from __future__ import annotations

import os
import pathlib
import random
import shutil
import signal
import subprocess
import sys
import time

import psutil
import pytest

from tests import PROJECT

# The kernel ends these when the thread that started them ends: only the main thread may start a disk or a container.
_END_WITH_TEST = ("setpriv", "--pdeathsig", "KILL")
_WAIT = 30.0  # seconds for a namespace to appear
# Process 1 that waits for the processes it inherits, as the shell does between its own commands.
_INIT = ("/bin/sh", "-c", "while :; do sleep 1; done")


class Disk:
    """A tmpfs of fixed size at a folder, visible only in a mount namespace of its own.

    Attributes:
      seen: the folder, as other mount namespaces can reach it.
    """

    def __init__(self, folder: pathlib.Path, mib: int) -> None:
        """Mount it; skip the test where that is not allowed."""
        if sys.platform != "linux" or any(shutil.which(one) is None for one in ("unshare", "nsenter", "setpriv")):
            pytest.skip("needs the namespaces of Linux")
        mount = f"mount -t tmpfs -o size={mib}m tmpfs {folder} && touch {folder}/ready && exec sleep infinity"
        self._holder = subprocess.Popen([*_END_WITH_TEST, "unshare", "--mount", "sh", "-c", mount])
        self.enter = ["nsenter", f"--mount=/proc/{self._holder.pid}/ns/mnt", f"--wd={PROJECT}"]
        self.seen = pathlib.Path(f"/proc/{self._holder.pid}/root{folder}")
        self._filler = self.seen / "filler"
        end = time.monotonic() + _WAIT
        while not (self.seen / "ready").exists():
            if self._holder.poll() is not None or time.monotonic() > end:
                self.close()
                pytest.skip("this user cannot mount")
            time.sleep(0.05)

    def fill(self, leave: int) -> None:
        """Fill it, except for some bytes."""
        found = os.statvfs(self.seen)
        size = max(0, found.f_bavail * found.f_frsize - leave)
        with open(self._filler, "wb") as file:
            os.posix_fallocate(file.fileno(), 0, max(1, size))

    def free(self) -> None:
        """Remove what `fill` wrote."""
        self._filler.unlink(missing_ok=True)

    def close(self) -> None:
        """Unmount it, once no process uses it."""
        self._holder.kill()
        self._holder.wait()


class Container:
    """A PID namespace on a disk.

    Attributes:
      enter: begins a command line that runs a command in it.
    """

    def __init__(self, disk: Disk, *command: str, log: pathlib.Path) -> None:
        """Start it with a command as process 1; without one, with a process that only waits for its children."""
        new = ("unshare", "--pid", "--fork", "--kill-child", "--mount-proc")
        with open(log, "ab") as file:
            self.outer = subprocess.Popen(
                [*_END_WITH_TEST, *disk.enter, *new, *(command or _INIT)], stdout=file, stderr=file
            )
        self.first = _only_child(self.outer)
        self.enter = ["nsenter", f"--target={self.first.pid}", "--mount", "--pid", f"--wd={PROJECT}"]

    def start(self, *command: str, log: pathlib.Path) -> tuple[subprocess.Popen[bytes], psutil.Process]:
        """Start a command in it; return the process that waits for it, and its own."""
        with open(log, "ab") as file:
            waiting = subprocess.Popen([*self.enter, *command], stdout=file, stderr=file)
        return waiting, _only_child(waiting)

    def close(self) -> None:
        """Kill all its processes, by killing process 1."""
        if self.outer.poll() is None:
            self.first.send_signal(signal.SIGKILL)
            self.outer.wait()


def _only_child(parent: subprocess.Popen[bytes]) -> psutil.Process:
    """Return the process that `unshare` or `nsenter` started."""
    end = time.monotonic() + _WAIT
    while time.monotonic() < end and parent.poll() is None:
        for child in psutil.Process(parent.pid).children():
            if child.name() not in ("nsenter", "unshare", "setpriv", "mount"):
                return child
        time.sleep(0.02)
    raise RuntimeError(f"{parent.args} ended with {parent.poll()} or started nothing")


def draw(chance: random.Random, weights: dict[str, int]) -> str:
    """Return one of some names, by weight."""
    return chance.choices([*weights], [*weights.values()])[0]
