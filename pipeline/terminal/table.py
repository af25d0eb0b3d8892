"""Text for terminals and pipes: aligned tables, colours for states, control characters escaped.

On a terminal a table fits the width: it drops its least important columns and cuts long texts, which then end in an
ellipsis. In a pipe it has no limit and no colours; `NO_COLOR` turns colours off on a terminal too.
"""

from __future__ import annotations

import dataclasses
import os
import shutil
import unicodedata
from collections.abc import Iterable, Mapping, Sequence
from typing import TextIO

from pipeline.core.text import LONG_DIGEST, escaped, escaped_lines

GAP = "  "
_NARROWEST = 20  # columns; smaller terminals are not believed
_CODES = {"bold": "1", "dim": "2", "red": "31", "green": "32", "yellow": "33", "cyan": "36"}
STATES: Mapping[str, str] = {
    "succeeded": "green",
    "executed": "green",
    "complete": "green",
    "served": "green",
    "cached": "cyan",
    "pruned": "cyan",
    "running": "bold",
    "failed": "red",
    "cancelled": "yellow",
    "unfinished": "yellow",
    "skipped": "dim",
    "waiting": "dim",
    "not run": "dim",
    "deleted": "dim",
    "active": "green",
    "paused": "yellow",
    "interrupted": "yellow",
    "missed": "yellow",
    "stopping": "yellow",
    "stopped": "yellow",
    "silent": "red",
    "yes": "green",
    "no": "yellow",
}  # styles by state of runs, nodes, blessings, models, sweeps, schedules, ticks and the daemon
_BARS = " ▁▂▃▄▅▆▇█"
_PLAIN_BARS = " .:-=+*#@"
_MOST_BARS = 60  # of a curve


def width_of(text: str) -> int:
    """Return the number of terminal columns of a text."""
    if text.isascii():
        return len(text)
    wide = sum(unicodedata.east_asian_width(character) in "WF" for character in text)
    return len(text) + wide - sum(unicodedata.combining(character) != 0 for character in text)


@dataclasses.dataclass(frozen=True)
class Column:
    """A column of a table.

    Attributes:
      title: its heading.
      right: whether to align it to the right, as for numbers.
      min_width: minimum width that it may be cut to; 0: never cut.
      drop: on a narrow terminal, columns with the highest number are dropped first; 0: never.
    """

    title: str
    right: bool = False
    min_width: int = 0
    drop: int = 0


@dataclasses.dataclass(frozen=True)
class Cell:
    """A text in a table, with its style, such as `red`; empty: none."""

    text: str
    style: str = ""


def state_cell(state: str, text: str = "") -> Cell:
    """Return a cell with a state, or with a text about it, in the colour of the state."""
    return Cell(text or state, STATES.get(state, ""))


@dataclasses.dataclass(frozen=True)
class Screen:
    """The terminal or pipe that text is made for.

    Attributes:
      width: in columns; None in a pipe: no limit.
      color: whether to use colours.
      unicode: whether it can show Unicode lines and bars.
    """

    width: int | None = None
    color: bool = False
    unicode: bool = True

    @staticmethod
    def of(stream: TextIO, environ: Mapping[str, str] = os.environ) -> Screen:
        """Return the screen of a stream."""
        terminal = stream.isatty()
        color = terminal and not environ.get("NO_COLOR") and environ.get("TERM") != "dumb"
        width = max(shutil.get_terminal_size().columns, _NARROWEST) if terminal else None
        return Screen(width, color, _encodes(stream, "…├└│─" + _BARS))

    @property
    def ellipsis(self) -> str:
        """The end of a text that was cut."""
        return "…" if self.unicode else "..."

    def styled(self, text: str, style: str) -> str:
        """Return an escaped text in this style, where colours are used."""
        return f"\x1b[{_CODES[style]}m{text}\x1b[0m" if self.color and style and text else text

    def heading(self, text: str) -> str:
        """Return the heading of a section."""
        return self.styled(escaped(text), "bold")

    def cut(self, text: str, width: int) -> str:
        """Return a text cut to at most this many columns."""
        if width_of(text) <= width:
            return text
        end = self.ellipsis[:width]
        while text and width_of(text) + len(end) > width:
            text = text[:-1]
        return text.rstrip() + end

    def paragraph(self, text: str, first: str = "", style: str = "") -> list[str]:
        """Return the lines of a text, wrapped at spaces on a terminal; words are never broken.

        Args:
          text: of any length; it is escaped.
          first: prefix of the first line; the others have as many spaces.
          style: of the text.
        """
        indent = " " * width_of(first)
        text = escaped(text)
        room = self.width - len(indent) if self.width else 0
        lines = [text]
        if self.width and width_of(text) > room:
            import textwrap  # few lines are that long

            text = LONG_DIGEST.sub(rf"\1{self.ellipsis}", text)
            lines = textwrap.wrap(text, max(room, _NARROWEST), break_long_words=False, break_on_hyphens=False) or [""]
        return [
            ((first if number == 0 else indent) + self.styled(line, style)).rstrip()
            for number, line in enumerate(lines)
        ]

    def pairs(self, pairs: Iterable[tuple[str, str | Cell]], indent: str = "") -> list[str]:
        """Return aligned names and values; empty values are left out."""
        found = [(name, value if isinstance(value, Cell) else Cell(value)) for name, value in pairs]
        found = [(escaped(name), value) for name, value in found if value.text]
        width = max((width_of(name) for name, _ in found), default=0)
        lines = []
        for name, value in found:
            space = " " * (width - width_of(name))
            first = f"{indent}{self.styled(name, 'dim')}{space}{GAP}"
            rest = " " * (len(indent) + width + len(GAP))
            start, *others = self.paragraph(value.text, rest, value.style)
            lines += [first + start[len(rest) :], *others]
        return lines

    def table(self, columns: Sequence[Column], rows: Sequence[Sequence[Cell | str]], indent: str = "") -> list[str]:
        """Return the rows below their titles; empty columns are left out, and the titles if all are empty."""
        columns = [dataclasses.replace(column, title=escaped(column.title)) for column in columns]
        cells = [[cell if isinstance(cell, Cell) else Cell(cell) for cell in row] for row in rows]
        cells = [[Cell(escaped(cell.text), cell.style) for cell in row] for row in cells]
        shown = [number for number in range(len(columns)) if any(row[number].text for row in cells)]
        natural = {
            number: max(width_of(text) for text in (columns[number].title, *(row[number].text for row in cells)))
            for number in shown
        }
        widths = self._fit(columns, natural, len(indent))
        titles = [Cell(column.title, "dim") for column in columns]
        head = [titles] if any(columns[number].title for number in widths) else []
        return [indent + self._row(columns, row, widths) for row in (*head, *cells)]

    def _fit(self, columns: Sequence[Column], natural: Mapping[int, int], indent: int) -> dict[int, int]:
        """Return the widths of the shown columns."""
        widths = dict(natural)
        while self.width:
            over = indent + sum(widths.values()) + len(GAP) * (len(widths) - 1) - self.width
            if over <= 0:
                break
            # Cut columns if that is enough; else drop a column and restore the width of the others.
            least = {number: columns[number].min_width for number in widths}
            room = {number: width - least[number] for number, width in widths.items() if 0 < least[number] < width}
            droppable = [number for number in widths if columns[number].drop]
            if sum(room.values()) >= over or not droppable:
                self._shrink(widths, room, over)
                break
            del widths[max(droppable, key=lambda number: columns[number].drop)]
        return widths

    def _shrink(self, widths: dict[int, int], room: dict[int, int], over: int) -> None:
        """Cut widths by `over` columns if there is room, always the widest."""
        for _ in range(min(over, sum(room.values()))):
            widest = max((number for number in room if room[number]), key=widths.__getitem__)
            widths[widest] -= 1
            room[widest] -= 1

    def _row(self, columns: Sequence[Column], cells: Sequence[Cell], widths: Mapping[int, int]) -> str:
        parts = []
        for number, width in widths.items():
            text = self.cut(cells[number].text, width)
            space = " " * (width - width_of(text))
            styled = self.styled(text, cells[number].style)
            parts.append(space + styled if columns[number].right else styled + space)
        return GAP.join(parts).rstrip()

    def sparkline(self, values: Sequence[float]) -> str:
        """Return a bar for each value, between 0 or the minimum and the maximum."""
        bars = _BARS if self.unicode else _PLAIN_BARS
        low, high = min([0.0, *values]), max(values, default=0.0)
        if high <= low:
            return bars[0 if high == 0 else 1] * len(values)
        steps = len(bars) - 1
        # Any value above the minimum shows.
        return "".join(
            bars[max(round((value - low) / (high - low) * steps), 1 if value > low else 0)] for value in values
        )


def thinned(values: Sequence[float]) -> list[float]:
    """Return at most as many evenly spaced values as a sparkline has room for, with the first and the last."""
    last, count = len(values) - 1, min(len(values), _MOST_BARS)
    return [float(values[round(place * last / (count - 1)) if count > 1 else 0]) for place in range(count)]


def _encodes(stream: TextIO, text: str) -> bool:
    try:
        text.encode(stream.encoding or "ascii")
    except (UnicodeEncodeError, LookupError):
        return False
    return True


def printable(stream: TextIO, text: str) -> str:
    r"""Return a text that a stream can show: other characters become `\xe9`, and unsafe ones are escaped."""
    encoding = stream.encoding or "ascii"
    return escaped_lines(text).encode(encoding, "backslashreplace").decode(encoding)


def yes_no(value: bool | None) -> str:
    """Write `yes` or `no`; empty for None."""
    return "" if value is None else "yes" if value else "no"
