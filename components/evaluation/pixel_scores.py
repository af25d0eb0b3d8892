"""The artifact type that PixelProbe writes and Probe reads; other types' module is in the cache keys of most nodes."""

from __future__ import annotations

from tfx.types import artifact


class PixelScores(artifact.Artifact):
    """The accuracies that the PixelProbe measured: `scores.json`, as of `ProbeScores`, without codes and PCA."""

    TYPE_NAME = "PixelScores"
