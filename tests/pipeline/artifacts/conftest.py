"""The small model that the components' tests train."""

from tests.components.conftest import trained

__all__ = ["trained"]
