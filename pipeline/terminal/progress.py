"""Progress of a run: a live table on a terminal, elsewhere one plain line per event."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Iterator
from typing import TextIO

from rich.console import Console
from rich.live import Live
from rich.markup import escape
from rich.table import Table

from pipeline.core.events import (
    EpochEnded,
    Event,
    JobProgress,
    Listener,
    NodeEnded,
    NodeStarted,
    NodeState,
    Note,
    RunStarted,
)
from pipeline.core.text import escaped

_REFRESH = 4  # times a second
_STYLES = {
    NodeState.EXECUTED: ("green", "✓"),
    NodeState.CACHED: ("cyan", "="),
    NodeState.SKIPPED: ("dim", "-"),
    NodeState.FAILED: ("bold red", "✗"),
    NodeState.CANCELLED: ("yellow", "■"),
}


@contextlib.contextmanager
def display(stream: TextIO) -> Iterator[Listener]:
    """Yield a listener that shows events on `stream` until the context ends."""
    # Rich takes any stream for a terminal if FORCE_COLOR or TTY_COMPATIBLE is set.
    console = Console(file=stream, highlight=False)
    if stream.isatty() and console.is_terminal and not console.is_dumb_terminal:
        view = _LiveView(console)
        with view.live:
            yield view
    else:
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
    """Return `epoch 3/50  loss 0.1550  validation 0.1510`."""
    return f"epoch {event.epoch}/{event.epochs}  loss {event.loss:.4f}  validation {event.val_loss:.4f}"


class _LiveView:
    """A row per node, redrawn in place."""

    def __init__(self, console: Console) -> None:
        self._nodes: tuple[str, ...] = ()
        self._started: dict[str, float] = {}
        self._details: dict[str, str] = {}
        self._current = ""
        self._ended: dict[str, NodeEnded] = {}
        self._run_id = ""
        self._console = console
        self.live = Live(
            console=console,
            get_renderable=self._render,
            refresh_per_second=_REFRESH,
            redirect_stdout=False,
            redirect_stderr=False,
        )

    def __call__(self, event: Event) -> None:
        if isinstance(event, Note):
            style = "yellow" if event.warning else ""
            self._console.print(escape(plain_line(event)), style=style, soft_wrap=True)
        elif isinstance(event, RunStarted):
            self._run_id, self._nodes = event.run_id, event.nodes
        elif isinstance(event, NodeStarted):
            self._started[event.node] = time.monotonic()
            self._details[event.node] = reasons_text(event) if event.reasons else ""
            self._current = event.node
        elif isinstance(event, EpochEnded):
            self._details[self._current] = epoch_text(event)
        elif isinstance(event, JobProgress):
            self._details[self._current] = f"{event.text}: {event.link}"
        else:
            self._ended[event.node] = event
        self.live.refresh()

    def _render(self) -> Table:
        table = Table(box=None, pad_edge=False, show_header=False)
        table.add_column(width=1)
        table.add_column(min_width=18)
        table.add_column(min_width=9)
        table.add_column(min_width=8, justify="right")
        table.add_column(overflow="fold")
        for node in self._nodes:
            table.add_row(*self._row(node))
        return table

    def _row(self, node: str) -> tuple[str, str, str, str, str]:
        detail = escape(escaped(self._details.get(node, "")))
        if ended := self._ended.get(node):
            style, mark = _STYLES[ended.state]
            seconds = f"{ended.seconds:.1f} s" if ended.seconds else ""
            reason = escape(escaped(ended.reason)) or detail
            return f"[{style}]{mark}[/]", node, f"[{style}]{ended.state.value}[/]", seconds, reason
        if node in self._started:
            return (
                "[bold]▸[/]",
                f"[bold]{node}[/]",
                "running",
                f"{time.monotonic() - self._started[node]:.0f} s",
                detail,
            )
        return "[dim]·[/]", f"[dim]{node}[/]", "[dim]waiting[/]", "", ""
