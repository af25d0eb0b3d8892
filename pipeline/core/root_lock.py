"""Lock files. One process holds such a file, which names it; a root and the daemon have one each."""

from __future__ import annotations

import contextlib
import dataclasses
import datetime
import fcntl
import os
import pathlib
import re
from collections.abc import Callable, Iterator

from pipeline.core.errors import LockedError

_HELD = re.compile(r"process (\d+) since (\S+ [^\s,]+)(?:, run (\S+))?")


@dataclasses.dataclass(frozen=True)
class Holder:
    """The process that holds a lock.

    Attributes:
      since: when it took the lock, in UTC.
      run: the run that it works on; empty before it has one.
    """

    since: datetime.datetime
    run: str


@contextlib.contextmanager
def hold(path: pathlib.Path, taken: str, advice: str) -> Iterator[Callable[[str], None]]:
    """Hold a lock. The kernel frees it when the process ends, however it ends.

    Yields a function that records the run that the lock is held for.

    Args:
      path: the lock file; created if missing.
      taken: begins the error message when another process holds the lock: `another run holds ROOT`.
      advice: ends that message.

    Raises:
      LockedError: another process holds the lock; the message names it and since when.
      OSError: the file cannot be written.
    """
    with open(path, "a+", encoding="utf-8") as file:
        try:
            # flock needs no clean-up after a kill. Lock libraries add polling and timeouts, which are of no use here.
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            file.seek(0)
            holder = file.read().strip() or "its holder is just starting"
            raise LockedError(f"{taken}: {holder}; {advice}") from error
        since = datetime.datetime.now(datetime.timezone.utc).isoformat(sep=" ", timespec="seconds")

        def record(run: str) -> None:
            file.truncate(0)
            file.write(f"process {os.getpid()} since {since}" + (f", run {run}" if run else "") + "\n")
            file.flush()

        record("")
        try:
            yield record
        finally:
            file.truncate(0)


def holder(path: pathlib.Path) -> Holder | None:
    """Return the process that holds a lock; None if no process does.

    It reads the file only: trying the lock would hold it for a moment and make a run fail that starts just then.
    """
    import psutil  # 15 ms, needed only for a run without a recorded end

    try:
        match = _HELD.match(path.read_text(encoding="utf-8"))
        if match is None:
            return None
        since = datetime.datetime.fromisoformat(match.group(2))
        begun = psutil.Process(int(match.group(1))).create_time()
    except (OSError, ValueError, psutil.Error):
        return None
    # The number may belong to a later process by now. Both times are cut to whole seconds.
    return Holder(since, match.group(3) or "") if begun < since.timestamp() + 1 else None
