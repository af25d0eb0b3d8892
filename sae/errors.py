"""Word errors of the command for Python: with arguments in place of its options."""

from __future__ import annotations

import contextlib
import re
from collections.abc import Iterator

from pipeline.core.errors import SaeError
from pipeline.core.suggestions import Selection

_OPTION = re.compile(r"--set ([\w.]+)=([^\s;,)]*)|--profile (\w+)|--(set|profile|root|seed|pipeline)\b")
_NUMBER = re.compile(r"-?[\d.]+(e[+-]?\d+)?")


@contextlib.contextmanager
def worded(selection: Selection) -> Iterator[None]:
    """Complete the commands that errors suggest, so that they select the same root, and word the errors for Python."""
    try:
        yield
    except SaeError as error:
        error.args = (text(selection, str(error)),)
        raise


def text(selection: Selection, recorded: str) -> str:
    """Return a text of the command, such as why a run failed, as `worded` words errors."""
    return in_python(selection.completed(recorded))


def in_python(text: str) -> str:
    """Return an error with `profile="sample"` for `--profile sample` and the like; commands between backticks stay."""
    parts = text.split("`")
    parts[::2] = [_OPTION.sub(_argument, part) for part in parts[::2]]
    return "`".join(parts)


def _argument(option: re.Match[str]) -> str:
    setting, value, profile, name = option.groups()
    if setting:
        shown = value if _NUMBER.fullmatch(value) else f'"{value}"'
        return f'settings={{"{setting}": {shown}}}'
    return f'profile="{profile}"' if profile else "settings=" if name == "set" else f"{name}="
