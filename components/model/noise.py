"""Noise on the input while training (denoising): the loss still compares with the clean image.

* `masking`: each value is set to 0 with probability `level`;
* `gaussian`: a normal deviate of standard deviation `level` is added to each value.

Source: P. Vincent et al., Stacked Denoising Autoencoders, JMLR 11 (2010), section 3.3.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import tensorflow as tf
import tf_keras as keras

KINDS = ("masking", "gaussian")
_ALGORITHM = "philox"  # the default may differ between machines


class Noise(keras.layers.Layer):
    """Add noise to float32 inputs, shape (n, values), in training only; drawn from (seed, number of the step)."""

    def __init__(self, kind: str, level: float, seed: int, **options: Any) -> None:
        """Create the layer.

        Args:
          kind: one of `KINDS`.
          level: probability or standard deviation, > 0.
          seed: >= 0.
          options: of a Keras layer.
        """
        super().__init__(trainable=False, **options)
        self._kind, self._level, self._seed = kind, level, seed

    def build(self, input_shape: Any) -> None:
        """Add `step`, an int64 scalar, so that a training that resumes draws the same noise."""
        self.step = self.add_weight("step", (), tf.int64, initializer="zeros")

    def call(self, inputs: tf.Tensor, training: bool = False) -> tf.Tensor:
        """Return the inputs, with noise while training."""
        if not training:
            return inputs
        self.step.assign_add(1)
        return self._add(inputs, tf.stack([tf.constant(self._seed, tf.int64), self.step]))

    def fixed(self, images: tf.Tensor) -> tf.Tensor:
        """Return images with noise that depends on each image's own values alone, not on its batch or place.

        Evaluation measures with it. Like `call` otherwise.
        """
        factors = np.random.default_rng(self._seed).integers(1, 2**31 - 1, (2, int(images.shape[1])), dtype=np.int32)
        bits = tf.bitcast(images, tf.int32)
        # Sums of integers wrap around, so their order changes nothing.
        seeds = tf.stack([tf.reduce_sum(bits * row, axis=1) for row in factors], axis=1)
        return tf.map_fn(lambda one: self._add(one[0], one[1]), (images, seeds), fn_output_signature=tf.float32)

    def _add(self, values: tf.Tensor, seed: tf.Tensor) -> tf.Tensor:
        shape = tf.shape(values)
        if self._kind == "masking":
            drawn = tf.random.stateless_uniform(shape, seed, alg=_ALGORITHM)
            return tf.where(drawn < self._level, tf.zeros_like(values), values)
        return values + tf.random.stateless_normal(shape, seed, 0.0, self._level, alg=_ALGORITHM)
