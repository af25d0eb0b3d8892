"""How much memory fitting PCA takes, without NumPy: `sae plan` and `sae run` compare it with the machine's."""

from __future__ import annotations

EXACT_INPUTS = 2_048  # more would need a covariance of 32 MB or more, and a time that grows with the cube
OVERSAMPLING = 32  # components that a randomised fit computes besides those that are wanted


def of_fit(pixels: int, units: int) -> int:
    """Return about how many bytes `baselines.fit` takes besides a batch: a few covariances, or as many components."""
    columns = pixels if pixels <= EXACT_INPUTS else min(units + OVERSAMPLING, pixels)
    return 5 * 8 * pixels * columns
