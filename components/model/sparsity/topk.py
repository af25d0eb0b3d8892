"""TopK: an image keeps its k largest pre-activations, and of these what is above 0.

    h_j = relu(z_j) if rank(z_j) < k, else 0,    rank(z_j) = #{i: z_i > z_j} + #{i < j: z_i = z_j}

Of equal values the unit with the lower number comes first. The gradient passes through what is kept.

Source: A. Makhzani, B. Frey, k-Sparse Autoencoders, ICLR 2014, section 2.1; with ReLU as in L. Gao et al., Scaling and
evaluating sparse autoencoders, arXiv 2406.04093 (2024), section 2.3.
"""

from __future__ import annotations

from typing import Any

import tensorflow as tf
import tf_keras as keras

from components.model.sparsity.layer import SparsityLayer


def kept(values: tf.Tensor, count: int) -> tf.Tensor:
    """Return which are the `count` largest of each row: bool, shape (n, m), for float32 values of shape (n, m)."""
    # Of equal values `top_k` takes those with lower numbers. Comparing all values with the smallest of them instead
    # would keep too many, and take XLA ten times as long.
    places = tf.math.top_k(values, count).indices
    rows = tf.repeat(tf.range(tf.shape(values)[0])[:, tf.newaxis], count, axis=1)
    found = tf.scatter_nd(tf.stack([rows, places], axis=-1), tf.ones_like(places), tf.shape(values))
    return found > 0


class TopK(SparsityLayer):
    """Keep the `active_units` largest of each image."""

    def __init__(self, active_units: int, **options: Any) -> None:
        """Create the layer; `active_units` is at least 1."""
        super().__init__(**options)
        self._active_units = active_units

    def call(self, inputs: tf.Tensor) -> tf.Tensor:
        """Return codes."""
        return tf.nn.relu(inputs) * tf.cast(kept(inputs, self._active_units), inputs.dtype)

    def served(self) -> keras.layers.Layer:
        """Return the layer with `active_units` as a weight: int32, a scalar."""
        return _Served(self._active_units, name=self.name)


class _Served(keras.layers.Layer):
    def __init__(self, active_units: int, **options: Any) -> None:
        super().__init__(trainable=False, **options)
        self._active_units = active_units

    def build(self, input_shape: Any) -> None:
        # Only to say how the codes are made: it is read from the saved variables, as the weights of other layers are.
        self.active_units = self.add_weight(
            "active_units", (), tf.int32, initializer=keras.initializers.Constant(self._active_units)
        )

    def call(self, inputs: tf.Tensor) -> tf.Tensor:
        return tf.nn.relu(inputs) * tf.cast(kept(inputs, self._active_units), inputs.dtype)
