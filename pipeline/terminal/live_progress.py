"""Progress of a run as a table on a terminal, redrawn in place."""

from __future__ import annotations

import time
from typing import TextIO

from rich.console import Console
from rich.live import Live
from rich.markup import escape
from rich.table import Table

from pipeline.core.events import EpochEnded, Event, JobProgress, NodeEnded, NodeStarted, NodeState, Note, RunStarted
from pipeline.core.text import escaped
from pipeline.terminal.progress import epoch_text, plain_line, reasons_text

_REFRESH = 4  # times a second
_STYLES = {
    NodeState.EXECUTED: ("green", "✓"),
    NodeState.CACHED: ("cyan", "="),
    NodeState.SKIPPED: ("dim", "-"),
    NodeState.FAILED: ("bold red", "✗"),
    NodeState.CANCELLED: ("yellow", "■"),
}


def view_on(stream: TextIO) -> LiveView | None:
    """Return a view on a terminal; None if it cannot redraw lines."""
    console = Console(file=stream, highlight=False)
    return LiveView(console) if console.is_terminal and not console.is_dumb_terminal else None


class LiveView:
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
