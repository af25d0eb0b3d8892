"""What is noted of an artifact whose bytes `sae gc` deleted, and how that is said. Everything else of it stays."""

from __future__ import annotations

import datetime
from collections.abc import Mapping

# Custom property of an artifact in ML Metadata: when, as `2026-11-24T03:00:05Z`.
DELETED = "deleted_by_gc"


def now() -> str:
    """The time, as such marks note it."""
    return datetime.datetime.now(datetime.timezone.utc).strftime("%Y-%m-%dT%H:%M:%SZ")


def advice(artifact_id: int) -> str:
    """How to get the bytes back."""
    return f"`sae restore {artifact_id}` makes it again"


def words(state: str, properties: Mapping[str, object]) -> str:
    """`deleted by gc on 2026-11-24 03:00 UTC, digest kept`; empty for an artifact that was not, or was restored.

    Args:
      state: ML Metadata's name of its state, in any case.
      properties: of the artifact.
    """
    when = str(properties.get(DELETED, "")) if state.upper() == "DELETED" else ""
    return f"deleted by gc on {when[:10]} {when[11:16]} UTC, digest kept" if when else ""
