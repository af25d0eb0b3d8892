"""The events of each run in `progress/<run>.jsonl` under the root: one JSON object per line, appended as they happen.

The file has what ML Metadata has not: epochs, messages, and nodes without an execution. It stays after the run, because
pages show its messages. Reading skips a line that is incomplete or unknown.
"""

from __future__ import annotations

import contextlib
import dataclasses
import datetime
import json
import logging
import os
import pathlib
import typing
from collections.abc import Iterator
from typing import BinaryIO

from components import json_text
from pipeline.core import regular_file, serialization
from pipeline.core.events import Event

logger = logging.getLogger(__name__)

_KINDS: dict[str, type[Event]] = {kind.__name__: kind for kind in typing.get_args(Event)}
_MAX_BYTES = 16 * 1024 * 1024  # that are read: about 100,000 epochs


@dataclasses.dataclass(frozen=True)
class TimedEvent:
    """An event with its time, in UTC."""

    when: datetime.datetime
    event: Event


def path_of(root: pathlib.Path, run_id: str) -> pathlib.Path:
    """Return the file with the events of a run."""
    return root / "progress" / f"{run_id}.jsonl"


class Journal:
    """A listener that appends the events of one run to its file.

    If it cannot write, it logs the reason once and stops; the run continues.
    """

    def __init__(self, root: pathlib.Path, run_id: str) -> None:
        self._path = path_of(root, run_id)
        self._file: BinaryIO | None = None
        try:
            self._path.parent.mkdir(exist_ok=True)
            # Unbuffered: each line is written at once and in one piece, and a full disk leaves nothing for later.
            self._file = regular_file.opened_to_append(self._path)
        except OSError as error:
            self._stop(error)

    def __call__(self, event: Event) -> None:
        if self._file is None:
            return
        when = datetime.datetime.now(datetime.timezone.utc).isoformat(timespec="milliseconds")
        values = {"when": when, "event": type(event).__name__, **dataclasses.asdict(event)}
        try:
            self._file.write(json.dumps(values).encode() + b"\n")
        except OSError as error:
            self._stop(error)

    def _stop(self, error: OSError) -> None:
        logger.warning("events are not written to %s any more: %s", self._path, error)
        self.close()

    def close(self) -> None:
        """Close the file; later events are dropped."""
        file, self._file = self._file, None
        if file is not None:
            file.close()


def append(root: pathlib.Path, run_id: str, event: Event) -> None:
    """Append an event to those of a run that is not in progress; first end a line that a kill left incomplete."""
    path = path_of(root, run_id)
    with contextlib.suppress(OSError), regular_file.opened(path) as file:
        file.seek(-1, os.SEEK_END)
        if file.read(1) != b"\n":
            with regular_file.opened_to_append(path) as end:
                end.write(b"\n")
    with contextlib.closing(Journal(root, run_id)) as journal:
        journal(event)


def read(root: pathlib.Path, run_id: str) -> list[TimedEvent]:
    """Return the events of a run, in order; empty if there are none."""
    path = path_of(root, run_id)
    if path.parent != root / "progress":  # the id of a run in another store may be `../x`
        return []
    try:
        return list(_events(regular_file.text(path, "replace", _MAX_BYTES)))
    except OSError:
        return []


def _events(text: str) -> Iterator[TimedEvent]:
    for line in text.splitlines():
        try:
            values = json_text.parse(line)
            when = datetime.datetime.fromisoformat(values["when"]).astimezone(datetime.timezone.utc)
            yield TimedEvent(when, serialization.build(_KINDS[values["event"]], values))
        except (ValueError, KeyError, TypeError, RecursionError):
            continue
