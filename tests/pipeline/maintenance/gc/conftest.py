"""The fixtures of roots with a history."""

from __future__ import annotations

from tests.builders.histories import four, made_once, sae

__all__ = ["four", "made_once", "sae"]
