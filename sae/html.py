"""Small tables as HTML for notebooks; all text is escaped."""

from __future__ import annotations

import html
from collections.abc import Iterable, Sequence


def element(name: str, text: object) -> str:
    """Return an element that contains a text."""
    return f"<{name}>{html.escape(str(text))}</{name}>"


def table(columns: Sequence[str], rows: Iterable[Sequence[object]]) -> str:
    """Return a table with a heading for each column; None becomes an empty cell."""
    head = "".join(element("th", column) for column in columns)
    body = "".join(f"<tr>{''.join(element('td', '' if cell is None else cell) for cell in row)}</tr>" for row in rows)
    return f"<table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>"
