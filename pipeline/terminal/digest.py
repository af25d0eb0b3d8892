"""Digests, short enough for a line."""

from __future__ import annotations

_SHOWN = 12  # digits; enough to tell two apart, and to find an artifact by


def short(content: str) -> str:
    """`model-1:0123456789ab` for the digest of an artifact's content; empty where there is none."""
    form, colon, digits = content.rpartition(":")
    return f"{form}{colon}{digits[:_SHOWN]}"
