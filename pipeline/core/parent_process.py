"""End child processes: with the process that started them, also if that one is killed, or at once."""

from __future__ import annotations

import contextlib
import os
import signal
import sys
import threading
import time
from collections.abc import Mapping

# Id of the process that a child ends with. The child removes it, so its own children do not see it.
VARIABLE = "SAE_PARENT"
_PR_SET_PDEATHSIG = 1  # of Linux's <sys/prctl.h>
_POLL_SECONDS = 0.5


def environment(base: Mapping[str, str]) -> dict[str, str]:
    """Return the environment of a child that calls `end_with_parent` and is to end with this process.

    On Linux the child ends already when the thread ends that started it.
    """
    return {**base, VARIABLE: str(os.getpid())}


def end_with_parent() -> None:
    """Arrange that this process is killed when its parent ends, if its environment was made by `environment`.

    Raises:
      SystemExit: the parent has ended already.
    """
    text = os.environ.pop(VARIABLE, "")
    if not text.isdecimal():
        return
    parent = int(text)
    if sys.platform.startswith("linux"):
        import ctypes  # only children need it

        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)
    else:
        threading.Thread(target=_watch, args=[parent], name="parent", daemon=True).start()
    if os.getppid() != parent:
        raise SystemExit(f"process {parent}, which started this one, has ended ({VARIABLE})")


def kill_children() -> None:
    """Kill all child processes of this one, and theirs."""
    import psutil  # 15 ms

    for child in psutil.Process().children(recursive=True):
        with contextlib.suppress(psutil.NoSuchProcess):
            child.kill()


def _watch(parent: int) -> None:
    while os.getppid() == parent:
        time.sleep(_POLL_SECONDS)
    os.kill(os.getpid(), signal.SIGKILL)
