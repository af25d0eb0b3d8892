"""How much of an image the probes see. Free of NumPy, so that the pipeline's declaration is read quickly."""

from __future__ import annotations

MAX_PIXELS = 2_048  # of an image


def largest_representation(units: int, pixels: int) -> int:
    """Return the size of the largest representation of an example: of its code, or of the probed ones of its pixels."""
    return max(units, min(pixels, MAX_PIXELS))
