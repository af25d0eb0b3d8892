"""A run in progress: what happened, event by event, in `progress/<run>.jsonl` under the root.

ML Metadata learns of a node when it starts and when it ends; this file tells of what lies between, and of what never
became an execution. One JSON object a line, appended as it happens. Kept after the run: small, and pages show its
notes. A line that is half-written or unknown is passed over.
"""

from __future__ import annotations

import contextlib
import dataclasses
import datetime
import json
import logging
import os
import pathlib
from collections.abc import Iterable, Iterator
from typing import BinaryIO

from pipeline.core import serialization
from pipeline.core.events import EpochEnded, Event, NodeEnded, NodeStarted, Note, RunStarted

logger = logging.getLogger(__name__)

_KINDS: dict[str, type[Event]] = {
    kind.__name__: kind for kind in (Note, RunStarted, NodeStarted, NodeEnded, EpochEnded)
}
_LARGEST = 16 * 1024 * 1024  # bytes read; 100,000 epochs take about as many


@dataclasses.dataclass(frozen=True)
class Stamped:
    """An event, and when it happened, in UTC."""

    when: datetime.datetime
    event: Event


def path_of(root: pathlib.Path, run_id: str) -> pathlib.Path:
    """Where the events of a run are."""
    return root / "progress" / f"{run_id}.jsonl"


class Journal:
    """Writes the events of one run; itself a listener.

    A run does not fail for want of it: where it cannot be written, the log has the reason once, and the run goes on.
    """

    def __init__(self, root: pathlib.Path, run_id: str) -> None:
        self._path = path_of(root, run_id)
        self._file: BinaryIO | None = None
        try:
            self._path.parent.mkdir(parents=True, exist_ok=True)
            # Without a buffer: a line is in the file at once and whole, and a full disk leaves nothing for later.
            self._file = open(self._path, "ab", buffering=0)  # noqa: SIM115 (closed by `close`)
        except OSError as error:
            self._give_up(error)

    def __call__(self, event: Event) -> None:
        if self._file is None:
            return
        when = datetime.datetime.now(datetime.timezone.utc).isoformat(timespec="milliseconds")
        values = {"when": when, "event": type(event).__name__, **dataclasses.asdict(event)}
        try:
            self._file.write(json.dumps(values).encode() + b"\n")
        except OSError as error:
            self._give_up(error)

    def _give_up(self, error: OSError) -> None:
        logger.warning("events are not written to %s any more: %s", self._path, error)
        self.close()

    def close(self) -> None:
        """Writes no more."""
        file, self._file = self._file, None
        if file is not None:
            file.close()


def append(root: pathlib.Path, run_id: str, event: Event) -> None:
    """Adds an event to those of a run that is not in progress. A line that a kill cut off is ended first."""
    path = path_of(root, run_id)
    with contextlib.suppress(OSError), open(path, "r+b") as file:
        file.seek(-1, os.SEEK_END)
        if file.read(1) != b"\n":
            file.write(b"\n")
    with contextlib.closing(Journal(root, run_id)) as journal:
        journal(event)


def read(root: pathlib.Path, run_id: str) -> list[Stamped]:
    """The events of a run, in order; empty where none were written."""
    path = path_of(root, run_id)
    if path.parent != root / "progress":  # a run of another store may be called `../x`
        return []
    try:
        with open(path, encoding="utf-8", errors="replace") as file:
            return list(_events(file.read(_LARGEST)))
    except OSError:
        return []


def epochs(told: Iterable[Event]) -> tuple[EpochEnded, ...]:
    """The epochs among the events of a run, in order; one that was trained again, after a resume, in its last form."""
    found: list[EpochEnded] = []
    for event in told:
        if isinstance(event, EpochEnded):
            found = [*(one for one in found if one.epoch < event.epoch), event]
    return tuple(found)


def _events(text: str) -> Iterator[Stamped]:
    for line in text.splitlines():
        try:
            values = json.loads(line)
            when = datetime.datetime.fromisoformat(values["when"]).astimezone(datetime.timezone.utc)
            yield Stamped(when, serialization.build(_KINDS[values["event"]], values))
        except (ValueError, KeyError, TypeError, RecursionError):
            continue
