"""Whether a root's lock is held by a process that lives: what tells a run in progress from one that was killed."""

from __future__ import annotations

import dataclasses
import datetime
import re

from pipeline.core.pipeline_root import Root

_HELD = re.compile(r"process (\d+) since (\S+ [^\s,]+)(?:, run (\S+))?")


@dataclasses.dataclass(frozen=True)
class Holder:
    """The process that holds a root.

    Attributes:
      since: when it took the lock, in UTC.
      run: the run that it is for; empty where it has not said so (yet).
    """

    since: datetime.datetime
    run: str


def held_since(root: Root) -> datetime.datetime | None:
    """Since when the root is held; None where it is not."""
    found = holder(root)
    return found.since if found else None


def holder(root: Root) -> Holder | None:
    """The process that holds the root; None where none does.

    The lock itself is not tried: for a moment that would hold it, and a run that starts then would be refused.
    """
    import psutil  # 15 ms: only when a run without an end is looked at

    try:
        match = _HELD.match((root.path / "lock").read_text(encoding="utf-8"))
        if match is None:
            return None
        since = datetime.datetime.fromisoformat(match.group(2))
        begun = psutil.Process(int(match.group(1))).create_time()
    except (OSError, ValueError, psutil.Error):
        return None
    # A later process may have been given the number of one that is gone. Both times are cut to whole seconds.
    return Holder(since, match.group(3) or "") if begun < since.timestamp() + 1 else None
