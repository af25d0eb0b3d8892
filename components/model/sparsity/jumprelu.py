"""JumpReLU: a unit is active above a threshold of its own, which is learned with a penalty on the active units.

    h_j = z_j [z_j > t_j],    t_j = exp(log_threshold_j)
    penalty = weight (L0 / active_units - 1)^2,    L0 = mean over the batch of sum_j [z_j > t_j]

The step has no gradient, so a straight-through estimator stands for it. With R_j = [|z_j - t_j| < bandwidth / 2]:

    dh/dz = [z > t] + t R / bandwidth        dh/dt = -t R / bandwidth
    d[z > t]/dz = R / bandwidth              d[z > t]/dt = -R / bandwidth

Source: S. Rajamanoharan et al., Jumping Ahead: Improving Reconstruction Fidelity with JumpReLU Sparse Autoencoders,
arXiv 2407.14435 (2024), section 3 and appendix; there the estimator reaches the threshold only. That it reaches the
pre-activation as well gives a lower loss at equal sparsity (docs/model.md).
"""

from __future__ import annotations

import math
import statistics
from collections.abc import Callable
from typing import Any

import tensorflow as tf
import tf_keras as keras

from components.model.sparsity.layer import SparsityLayer, Threshold

_FIRST_SHARE = 1.6
_LEAST_FIRST_THRESHOLD = 0.3


def first_threshold(active_units: float, units: int) -> float:
    """Return the threshold to start from, of `units` whose normalised pre-activations are about N(0, 1).

    It is their quantile above which 1.6 times `active_units` lie, at least 0.3. With 0.3 four of ten units are active:
    of many units so far more than the aim that the penalty switches most of them off before they learn anything. With
    the aim itself, the loss of small codes was higher.
    """
    inactive = 1 - _FIRST_SHARE * active_units / units
    return max(_LEAST_FIRST_THRESHOLD, statistics.NormalDist().inv_cdf(inactive) if inactive > 0 else 0.0)


def jump(values: tf.Tensor, threshold: tf.Tensor, bandwidth: float) -> tuple[tf.Tensor, tf.Tensor]:
    """Return `values` where they are above the threshold, else 0; and whether they are, as 0 and 1.

    Gradients are those of the module's estimator.

    Args:
      values: float32, shape (n, units).
      threshold: float32, shape (units,), > 0.
      bandwidth: of the window around the threshold with a gradient, > 0.
    """

    @tf.custom_gradient
    def computed(z: tf.Tensor, t: tf.Tensor) -> tuple[tuple[tf.Tensor, tf.Tensor], Callable[..., Any]]:
        active = tf.cast(z > t, z.dtype)

        def gradient(of_code: tf.Tensor, of_active: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
            window = tf.cast(tf.abs(z - t) < bandwidth / 2, z.dtype) / bandwidth
            through = (of_code * t + of_active) * window
            return of_code * active + through, -tf.reduce_sum(through, axis=0)

        return (z * active, active), gradient

    codes, active = computed(values, threshold)
    return codes, active


class JumpReLU(SparsityLayer):
    """Learn a threshold for each unit, so that an image has about `active_units` active units on average."""

    def __init__(self, active_units: float, bandwidth: float, weight: float, **options: Any) -> None:
        """Create the layer.

        Args:
          active_units: the average to aim at, > 0.
          bandwidth: of the estimator, > 0.
          weight: of the penalty, >= 0.
          options: of a Keras layer.
        """
        super().__init__(**options)
        self._active_units = active_units
        self._bandwidth = bandwidth
        self._weight = weight

    def build(self, input_shape: Any) -> None:
        """Add `log_threshold`, shape (units,)."""
        units = input_shape[-1]
        first = keras.initializers.Constant(math.log(first_threshold(self._active_units, units)))
        self.log_threshold = self.add_weight("log_threshold", (units,), initializer=first)

    def call(self, inputs: tf.Tensor, training: bool = False) -> tf.Tensor:
        """Return codes, and add the penalty."""
        codes, active = jump(inputs, tf.exp(self.log_threshold), self._bandwidth)
        mean = tf.reduce_mean(tf.reduce_sum(active, axis=1))
        self.add_loss(self._weight * tf.square(mean / self._active_units - 1))
        return codes

    def served(self) -> keras.layers.Layer:
        """Return the layer with the thresholds."""
        return Threshold(tf.exp(self.log_threshold), name=self.name)
