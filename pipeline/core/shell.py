"""Quote words of the commands that messages suggest, so that they are safe to show and work when they are pasted."""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterable

from pipeline.core.text import UNSAFE

_NAMED = {"\n": r"\n", "\t": r"\t", "\r": r"\r", "\\": r"\\", "'": r"\'"}
# Inside $'...': the backtick too, because it ends a command in a message.
_ESCAPED = re.compile(rf"[\\'`]|{UNSAFE.pattern}")
_NEEDS_ESCAPES = re.compile(rf"`|{UNSAFE.pattern}")


def quoted(word: str) -> str:
    r"""Quote a word for bash, zsh and ksh.

    Characters that would move, colour or reverse text on a terminal become escapes: `$'line\nend'`. They stand for the
    bytes of the name, so the result does not depend on the language of the shell.
    """
    if not _NEEDS_ESCAPES.search(word):
        return shlex.quote(word)
    return f"$'{_ESCAPED.sub(_code, word)}'"


def joined(words: Iterable[str]) -> str:
    """Quote the words of a command and join them."""
    return " ".join(map(quoted, words))


def _code(match: re.Match[str]) -> str:
    character = match.group()
    if character in _NAMED:
        return _NAMED[character]
    try:
        content = character.encode(errors="surrogateescape")  # a byte of a name that is not UTF-8
    except UnicodeEncodeError:
        content = character.encode(errors="surrogatepass")
    return "".join(f"\\x{byte:02x}" for byte in content)
