"""A year of looks at the data, and what the file of schedules takes then.

`.venv/bin/python -m benchmarks.schedule_history` plans and decides every tick as the daemon does, on a clock that is
set by hand: first without tidying, which it is measured before and after, then with it on the way. No run is started:
about every ten days the data changed, and the tick is recorded as failed or missed.
"""

from __future__ import annotations

import argparse
import datetime
import pathlib
import tempfile
import time

import pipeline_config
from pipeline.scheduler import compaction, schema, times
from pipeline.scheduler.store import Book
from pipeline.scheduler.tick_decisions import Deciding
from pipeline.scheduler.types import CatchUp, Decision, Kind, Overlap, Policies, Schedule, Timing, Work

_STEP = 21_600.0  # seconds between looks of the daemon here: those of six hours are found at once
_CHANGE = 41  # of these steps: after so many the data changed, about every ten days


class Hand:
    """A clock that shows what it is set to."""

    def __init__(self, time: datetime.datetime) -> None:
        self.time = time

    def now(self) -> datetime.datetime:
        return self.time


class History:
    """A book, whose ticks are planned and decided day after day.

    Attributes:
      planned: how many ticks there were.
      spent: seconds that tidying took.
    """

    def __init__(self, folder: pathlib.Path) -> None:
        self.planned = 0
        self.spent = 0.0
        self._config = pipeline_config.SchedulingConfig()
        self._clock = Hand(datetime.datetime(2026, 1, 1, tzinfo=datetime.timezone.utc))
        self._book = Book.open(folder, self._clock)
        self._file = folder / schema.NAME
        policies = Policies(Overlap.QUEUE, CatchUp.ALL, 1_000, _STEP, 0.0, 2, 60.0, 0.0)
        looks = Timing(Kind.DATA_CHANGE, every=self._config.data_every)
        self._book.connection.execute("PRAGMA synchronous = OFF")  # a simulation may be lost
        self._book.add(Schedule("fresh", looks, Work("mnist"), policies, times.as_text(self._clock.time)))
        self._deciding = Deciding(self._book)

    def live(self, days: int, tidy: bool) -> None:
        """Lets days pass."""
        for step in range(int(days * 86_400 / _STEP)):
            self._clock.time += datetime.timedelta(seconds=_STEP)
            self._deciding.look("")
            waiting = [
                row["id"] for row in self._book.connection.execute("SELECT id FROM ticks WHERE decision IS NULL")
            ]
            self.planned += len(waiting)
            for number, tick in enumerate(waiting):
                if number or step % _CHANGE:
                    self._deciding.skip(tick, "the data did not change")
                else:
                    self._decide(tick, missed=step % 2 == 1)
            if tidy:
                self.tidy()

    def _decide(self, tick: int, missed: bool) -> None:
        decision, state = (Decision.MISSED, "missed") if missed else (Decision.STARTED, "failed")
        self._book.connection.execute(
            "UPDATE ticks SET decision = ?, state = ?, decided = ? WHERE id = ?",
            (decision.value, state, self._book.now(), tick),
        )

    def tidy(self) -> None:
        """What the daemon does every hour."""
        began = time.perf_counter()
        compaction.tidy(
            self._book.connection, self._clock.time - datetime.timedelta(seconds=self._config.whole_history)
        )
        self.spent += time.perf_counter() - began

    def measure(self) -> str:
        """Rows, and bytes of the file, with what SQLite's log has yet to write into it."""
        self._book.connection.execute("PRAGMA wal_checkpoint (TRUNCATE)")
        [rows] = self._book.connection.execute("SELECT count(*) FROM ticks").fetchone()
        return f"{self.planned:,} ticks in {rows:,} rows, {self._file.stat().st_size / 1e6:.2f} MB"

    def close(self) -> None:
        self._book.close()


def main() -> None:
    """Prints both."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--days", type=int, default=365, help="how long the history is (default: %(default)s)")
    days = parser.parse_args().days
    for tidy in (False, True):
        with tempfile.TemporaryDirectory(prefix="sae-history-") as folder:
            history = History(pathlib.Path(folder))
            history.live(days, tidy)
            if tidy:
                print(f"{days} days, tidied on the way in {history.spent:.2f} s together: {history.measure()}")
            else:
                print(f"{days} days, never tidied: {history.measure()}")
                history.tidy()
                print(f"the same, tidied at once in {history.spent:.2f} s: {history.measure()}")
            history.close()


if __name__ == "__main__":
    main()
