"""Progress of a run: a live table on a terminal, elsewhere one plain line per event."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from typing import TextIO

from pipeline.core.events import (
    EpochEnded,
    Event,
    JobProgress,
    Listener,
    NodeStarted,
    NodeState,
    Note,
    RunStarted,
)
from pipeline.core.text import escaped


@contextlib.contextmanager
def display(stream: TextIO) -> Iterator[Listener]:
    """Yield a listener that shows events on `stream` until the context ends."""
    # Rich takes any stream for a terminal if FORCE_COLOR or TTY_COMPATIBLE is set.
    if stream.isatty():
        from pipeline.terminal import live_progress  # Rich takes 25 ms

        if (view := live_progress.view_on(stream)) is not None:
            with view.live:
                yield view
            return
    yield _PlainView(stream)


class _PlainView:
    """One line per event, without colour or wrapping."""

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream
        self._node = ""
        self._job = ("", "")  # address and state of the job that was shown last

    def __call__(self, event: Event) -> None:
        if isinstance(event, NodeStarted):
            self._node = event.node
        if isinstance(event, JobProgress):
            if (shown := (event.link, event.state)) == self._job:  # one line for each state, not for each task
                return
            self._job = shown
        if text := plain_line(event, self._node):
            self._stream.write(text + "\n")
            self._stream.flush()


def plain_line(event: Event, node: str = "") -> str:
    """Return the line for an event, in the node that runs now: `Trainer executed in 31.2 s`; unsafe text is escaped."""
    return escaped(_line(event, node))


def _line(event: Event, node: str) -> str:
    if isinstance(event, Note):
        return f"warning: {event.text}" if event.warning else event.text
    if isinstance(event, RunStarted):
        return f"run {event.run_id}"
    if isinstance(event, NodeStarted):
        return f"{event.node} started" + (f" ({reasons_text(event)})" if event.reasons else "")
    if isinstance(event, EpochEnded):
        return f"{node} {epoch_text(event)}"
    if isinstance(event, JobProgress):
        return f"{node} {event.text}: {event.link}"
    ran = event.state in (NodeState.EXECUTED, NodeState.FAILED)
    # An earlier attempt has no time.
    time_text = f" in {event.seconds:.1f} s" if ran and event.seconds else ""
    return f"{event.node} {event.state.value}{time_text}" + (f": {event.reason}" if event.reason else "")


def reasons_text(event: NodeStarted) -> str:
    """Return the first reason why a node runs, and how many more there are."""
    more = len(event.reasons) - 1
    return event.reasons[0] + (f", and {more} more" if more else "")


def epoch_text(event: EpochEnded) -> str:
    """Return `epoch 3/50  with penalty: loss 0.1550, validation 0.1510`; losses in the summary are without it."""
    losses = f"loss {event.loss:.4f}, validation {event.val_loss:.4f}"
    return f"epoch {event.epoch}/{event.epochs}  with penalty: {losses}"
