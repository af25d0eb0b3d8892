"""Format values for people, escape unsafe characters, and suggest the known name closest to a mistyped one."""

from __future__ import annotations

import datetime
import math
import re
import signal
from collections.abc import Sequence

from components.text import counted as counted  # also for the nodes

# Control characters, direction marks, line separators and lone surrogates: they move, hide or reverse text.
UNSAFE = re.compile(r"[\x00-\x1f\x7f-\x9f\u061c\u200b-\u200f\u2028-\u202e\u2060-\u206f\ufeff\ud800-\udfff]")
_KEPT_IN_LINES = re.compile(r"(\n|\t|\x1b\[[0-9;]*m)")
_UNSAFE_IN_LINES = re.compile(rf"(?![\n\t]){UNSAFE.pattern}")

_TRACEBACK = "Traceback (most recent call last):"  # the first line of Python's

_DIGITS = 12  # of a digest: enough to identify an artifact
LONG_DIGEST = re.compile(rf"\b([0-9a-f]{{{_DIGITS}}})[0-9a-f]{{28,}}\b")
_LONGEST_WORD = 300  # characters in a message; most paths are shorter
_NAMED = {"\n": "\\n", "\r": "\\r", "\t": "\\t"}


def escaped(text: object) -> str:
    r"""Escape what would move, colour or reverse text on a terminal: ESC becomes `\x1b`, a line end `\n`."""

    def code(match: re.Match[str]) -> str:
        character = match.group()
        number = ord(character)
        return _NAMED.get(character) or (f"\\x{number:02x}" if number < 0x100 else f"\\u{number:04x}")

    return UNSAFE.sub(code, str(text))


def escaped_lines(text: str) -> str:
    """Escape the same in a text of several lines: line ends, tabs and the codes of colours stay."""
    if not _UNSAFE_IN_LINES.search(text):
        return text
    parts = _KEPT_IN_LINES.split(text)
    return "".join(part if number % 2 else escaped(part) for number, part in enumerate(parts))


def shortened(text: str) -> str:
    """Cut the middle out of each word of more than 300 characters, such as a number of 5,000 digits in an argument."""

    def cut(match: re.Match[str]) -> str:
        word = match.group()
        return f"{word[:60]}...{word[-20:]} ({len(word):,} characters)"

    return re.sub(rf"\S{{{_LONGEST_WORD + 1},}}", cut, text)


def beginning(text: str, most: int) -> str:
    """Return the first characters of a text, at most this number, and `...` in place of the rest."""
    return text if len(text) <= most else f"{text[:most]}..."


def error_line(error: str) -> str:
    """Return the line of Python's traceback that names the exception; any other text as it is."""
    if _TRACEBACK not in error:
        return error
    *_, after = error.split(_TRACEBACK)
    lines = [line for line in after.splitlines()[1:] if line.strip()]  # TFX puts an empty line below each
    return next((line for line in lines if not line.startswith(" ")), error)


def last_line(text: str, ignored: tuple[str, ...] = ()) -> str:
    """Return the last line that is not blank and does not begin with one of `ignored`; empty if there is none."""
    lines = (line.strip() for line in reversed(text.splitlines()))
    return next((line for line in lines if line and not line.startswith(ignored)), "")


def when_text(when: datetime.datetime | None) -> str:
    """Write `2026-11-23 14:30:05`, in UTC as the ids of runs are; empty if unknown."""
    return when.astimezone(datetime.timezone.utc).strftime("%Y-%m-%d %H:%M:%S") if when else ""


def seconds_text(seconds: float | None) -> str:
    """Write `12.3 s`, `2 min 05 s`, `3 h 07 min`; empty if unknown, zero if negative (a clock was set back)."""
    if seconds is None or not math.isfinite(seconds):
        return ""
    seconds = max(0.0, seconds)
    if seconds < 99.95:
        return f"{seconds:.1f} s"
    minutes, rest = divmod(round(seconds), 60)
    if minutes < 100:
        return f"{minutes} min {rest:02} s"
    return f"{minutes // 60} h {minutes % 60:02} min"


def bytes_text(size: int) -> str:
    """Write `512 B`, `1.4 kB`, `3.2 MB`."""
    if size < 1000:
        return f"{size} B"
    amount = float(size)
    for unit in ("kB", "MB", "GB", "TB"):
        amount /= 1000
        if amount < 999.95 or unit == "TB":
            break
    return f"{amount:.1f} {unit}"


def number_text(value: float | None) -> str:
    """Write a metric with enough digits to distinguish two results; `-` if it is missing."""
    if value is None:
        return "-"
    if not math.isfinite(value):
        return str(value)
    if value == int(value) and abs(value) < 1e15:
        return f"{value:,.0f}"
    return f"{value:.5f}" if 0.0001 <= abs(value) < 1000 else f"{value:.5g}"


def short_digest(digest: str, with_type: bool = False) -> str:
    """Write the first digits of a digest: `0123456789ab`; with the type of a content digest `model-1:0123456789ab`."""
    form, colon, digits = digest.rpartition(":")
    return (form + colon if with_type else "") + digits[:_DIGITS]


def first_of(words: Sequence[str], most: int, separator: str = ", ") -> str:
    """Write the first of many words: `a, b and 3 more`."""
    more = f" and {len(words) - most} more" if len(words) > most else ""
    return separator.join(words[:most]) + more


def closest(word: str, known: Sequence[str], similarity: float = 0.5) -> str:
    """Write `; did you mean X?` for the known word closest to `word`, ignoring case; empty if none is close.

    Args:
      similarity: of a close word, at least: 1 for the same word, 0 for one without a common letter.
    """
    import difflib  # 2 ms, which only an error needs

    by_lower = {name.lower(): name for name in known}
    near = difflib.get_close_matches(word.lower(), list(by_lower), n=1, cutoff=similarity)
    return f"; did you mean {by_lower[near[0]]}?" if near else ""


def signal_name(number: int) -> str:
    """Write `SIGKILL` for 9; `signal 99` for a number without a name."""
    try:
        return signal.Signals(number).name
    except ValueError:
        return f"signal {number}"
