"""The interface of a method of sparsity."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import tensorflow as tf
import tf_keras as keras


def starting_at(value: tf.Tensor) -> Callable[..., tf.Tensor]:
    """Return the initializer of a weight that starts at a value, of its shape and type."""
    return lambda *_, **__: value


class SparsityLayer(keras.layers.Layer):
    """A Keras layer from pre-activations to codes, both float32, shape (n, code_units); codes are >= 0.

    It adds its penalty by `add_loss` while training. What it learns and what it averages over batches are weights of
    the layer, so that checkpoints contain them.
    """

    def served(self) -> keras.layers.Layer:
        """Return the layer that computes the same codes outside training, whose weights say how."""
        raise NotImplementedError


class Threshold(keras.layers.Layer):
    """Codes are the pre-activations above a threshold >= 0, else 0: float32, a scalar or shape (code_units,)."""

    def __init__(self, threshold: tf.Tensor, **options: Any) -> None:
        """Create the layer with this threshold."""
        super().__init__(trainable=False, **options)
        self._first = threshold

    def build(self, input_shape: Any) -> None:
        """Add `threshold`."""
        self.threshold = self.add_weight("threshold", self._first.shape, initializer=starting_at(self._first))

    def call(self, inputs: tf.Tensor) -> tf.Tensor:
        """Return codes."""
        return tf.where(inputs > self.threshold, inputs, tf.zeros_like(inputs))
