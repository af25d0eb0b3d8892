"""BatchTopK: a batch of n images keeps its k n largest pre-activations above 0, so that images differ in active units.

    h_j = z_j if z_j >= the (k n)-th largest of the batch's relu(z), and z_j > 0, else 0

Outside training there is no batch to compare with: codes are what is above a threshold, the moving average over the
training steps of the smallest value that was kept.

Source: B. Bussmann, P. Leask, N. Nanda, BatchTopK Sparse Autoencoders, arXiv 2412.06410 (2024), section 3.
"""

from __future__ import annotations

from typing import Any

import tensorflow as tf
import tf_keras as keras

from components.model.sparsity.layer import SparsityLayer, Threshold

MOMENTUM = 0.99


def kth_largest(values: tf.Tensor, k: tf.Tensor) -> tf.Tensor:
    """Return the k-th largest of float32 values that are not below 0: float32, a scalar; k is from 1 to their number.

    Such floats are in the order of their bits, so 31 counts of the values that are not below a candidate find it. XLA's
    sort of 256 x 1,024 values takes longer than the rest of a training step.
    """
    bits = tf.bitcast(values, tf.int32)
    found = tf.constant(0)
    for place in reversed(range(31)):
        candidate = found | (1 << place)
        enough = tf.reduce_sum(tf.cast(bits >= candidate, tf.int32)) >= k
        found = tf.where(enough, candidate, found)
    return tf.bitcast(found, tf.float32)


class BatchTopK(SparsityLayer):
    """Keep `active_units` for each image of a batch, on average."""

    def __init__(self, active_units: float, **options: Any) -> None:
        """Create the layer; `active_units` is above 0."""
        super().__init__(**options)
        self._active_units = active_units

    def build(self, input_shape: Any) -> None:
        """Add `threshold`, a scalar, which starts at 0, and the number of steps that it is an average of."""
        self.threshold = self.add_weight("threshold", (), initializer="zeros", trainable=False)
        self.steps = self.add_weight("steps", (), initializer="zeros", trainable=False)

    def call(self, inputs: tf.Tensor, training: bool = False) -> tf.Tensor:
        """Return codes; while training, move the threshold."""
        positive = tf.nn.relu(inputs)
        if not training:
            return tf.where(inputs > self.threshold, positive, tf.zeros_like(inputs))
        count = tf.cast(tf.round(self._active_units * tf.cast(tf.shape(inputs)[0], tf.float32)), tf.int32)
        smallest = kth_largest(positive, tf.clip_by_value(count, 1, tf.size(positive)))
        # A mean of the first steps, then a moving average: the zero at the start leaves no trace.
        self.steps.assign_add(1.0)
        share = tf.maximum(1.0 - MOMENTUM, 1.0 / self.steps)
        self.threshold.assign_add(share * (tf.stop_gradient(smallest) - self.threshold))
        return tf.where(inputs >= smallest, positive, tf.zeros_like(inputs))

    def served(self) -> keras.layers.Layer:
        """Return the layer with the threshold."""
        return Threshold(self.threshold.value(), name=self.name)
