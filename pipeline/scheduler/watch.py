"""A run's process under a time limit: interrupted when that is over, and killed when it does not end then."""

from __future__ import annotations

import time

from pipeline.scheduler import run_process, times
from pipeline.scheduler.run_process import Process
from pipeline_config import SchedulingConfig

_GRACE = SchedulingConfig().interrupt_grace


class Watch:
    """Looks after one process. Counts by a clock that nobody sets."""

    def __init__(self, process: Process, timeout: float, since: float) -> None:
        """Begins to watch.

        Args:
          process: of the run.
          timeout: seconds that it may take; 0 for any number.
          since: seconds that it has been running, as far as is known.
        """
        self.process = process
        self.interrupted = ""
        self._timeout = timeout
        self._until = time.monotonic() + min(timeout, max(0.0, timeout - since)) if timeout else None
        self._kill: float | None = None

    def ended(self) -> bool:
        """Whether it ended; does what is due when it did not."""
        if self.process.ended():
            return True
        now = time.monotonic()
        if self._until is not None and now > self._until:
            self.interrupt(f"interrupted after its timeout of {times.in_words(self._timeout)}")
        if self._kill is not None and now > self._kill:
            run_process.kill(self.process)
        return False

    def interrupt(self, why: str) -> None:
        """Interrupts it as Ctrl-C does, once."""
        if self._kill is None:
            self.interrupted = why
            run_process.interrupt(self.process)
            self._kill = time.monotonic() + _GRACE
