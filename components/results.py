"""What nodes tell each other and people, free of TensorFlow: losses of an epoch, and how a model stood to a gate."""

from __future__ import annotations

import dataclasses


@dataclasses.dataclass(frozen=True)
class EpochLosses:
    """Mean losses of one epoch, nats per pixel, finite; the training losses are those seen while the weights moved.

    Attributes:
      epoch: from 1.
      loss: reconstruction and L1 penalty, train split.
      reconstruction: binary cross-entropy alone, train split.
      val_loss, val_reconstruction: the same on the validation split, after the epoch.
    """

    epoch: int
    loss: float
    reconstruction: float
    val_loss: float
    val_reconstruction: float


@dataclasses.dataclass(frozen=True)
class Gate:
    """One threshold that a model must reach to be blessed, and how it stood to it.

    Attributes:
      name: of the metric.
      slice: `overall` or `label 3`; empty: all test images.
      value, limit: passed when value <= limit; an infinite limit is no gate.
      passed: whether it did.
    """

    name: str
    slice: str
    value: float
    limit: float
    passed: bool
