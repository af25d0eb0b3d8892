"""Words for people, shared by the nodes and by what runs outside them."""

from __future__ import annotations


def counted(count: int, noun: str, plural: str = "") -> str:
    """Write `1 run`, `2 runs`, `1,000 runs`."""
    return f"{count:,} {noun if count == 1 else plural or noun + 's'}"
