"""Metrics of single images as TensorFlow functions, part of the signature `evaluate` of the exported model."""

from __future__ import annotations

import tensorflow as tf

from components.evaluation import metrics
from components.model import autoencoder


def measure_images(
    images: tf.Tensor, codes: tf.Tensor, logits: tf.Tensor, mean_image: tf.Tensor, loss: str = "bce"
) -> dict[str, tf.Tensor]:
    """Compute the metrics of n images.

    Args:
      images: float32, shape (n, pixels), values in [0, 1] if the loss is bce.
      codes: float32, shape (n, units), >= 0.
      logits: float32, shape (n, pixels), of the reconstructions; the reconstructions themselves if the loss is mse.
      mean_image: float32, shape (pixels,), the mean training image.
      loss: that the model was trained with, a key of `metrics.LOSSES`.

    Returns:
      float32 tensors of shape (n,), one for each metric of `metrics.evaluated(loss)` whose source is `image`.
    """
    outputs = autoencoder.reconstruction(logits, loss)
    measured = {
        "mse": tf.reduce_mean(tf.square(images - outputs), axis=-1),
        "active_units": tf.reduce_sum(tf.cast(codes > metrics.ACTIVE_ABOVE, tf.float32), axis=-1),
        "hoyer": hoyer(codes),
        "gini": gini(codes),
        "mean_image_mse": tf.reduce_mean(tf.square(images - mean_image[tf.newaxis]), axis=-1),
    }
    if loss == "bce":
        measured |= {
            "bce": autoencoder.reconstruction_loss(images, logits),
            "mean_image_bce": tf.reduce_mean(cross_entropy(images, mean_image[tf.newaxis]), axis=-1),
            "entropy_floor": tf.reduce_mean(cross_entropy(images, images), axis=-1),
        }
    return {one.name: measured[one.name] for one in metrics.evaluated(loss) if one.source == "image"}


def cross_entropy(target: tf.Tensor, probability: tf.Tensor) -> tf.Tensor:
    """Compute the binary cross-entropy of each pixel in nats.

    Args:
      target: float32, shape (n, pixels) or one that broadcasts to it, values in [0, 1].
      probability: the same; clipped to [1e-7, 1 - 1e-7], as Keras does.
    """
    safe = tf.clip_by_value(probability, 1e-7, 1 - 1e-7)
    # xlogy is 0 where the target is 0, so an image's cross-entropy with itself is its entropy, not more.
    return -(tf.math.xlogy(target, safe) + tf.math.xlogy(1 - target, 1 - safe))


def hoyer(codes: tf.Tensor) -> tf.Tensor:
    """Compute Hoyer's sparsity of each code: (sqrt(u) - L1/L2) / (sqrt(u) - 1) for u units.

    Takes float32 of shape (n, units), >= 0, and returns float32 of shape (n,).
    0 where all units are equally active, 1 where one is. For a code of zeros it is 0.

    Source: P. O. Hoyer, Non-negative matrix factorization with sparseness constraints, JMLR 5 (2004).
    """
    root = tf.sqrt(tf.cast(tf.shape(codes)[-1], tf.float32))
    ratio = tf.math.divide_no_nan(tf.reduce_sum(tf.abs(codes), axis=-1), tf.norm(codes, axis=-1))
    value = tf.math.divide_no_nan(root - ratio, root - 1)
    return tf.where(ratio > 0, value, tf.zeros_like(value))


def gini(codes: tf.Tensor) -> tf.Tensor:
    """Compute the Gini index of each code: 1 - 2 * sum_k c_k / L1 * (u - k + 1/2) / u, c sorted upwards, k from 1 to u.

    Takes float32 of shape (n, units), >= 0, and returns float32 of shape (n,).
    0 where all units are equally active, 1 - 1/u where one is. For a code of zeros it is 0.

    Source: N. Hurley, S. Rickard, Comparing measures of sparsity, IEEE Trans. Inf. Theory 55 (2009).
    """
    units = tf.cast(tf.shape(codes)[-1], tf.float32)
    ranks = tf.range(1.0, units + 1.0)
    ordered = tf.sort(tf.abs(codes), axis=-1)
    total = tf.reduce_sum(ordered, axis=-1, keepdims=True)
    weights = (units - ranks + 0.5) / units
    value = 1 - 2 * tf.reduce_sum(tf.math.divide_no_nan(ordered, total) * weights, axis=-1)
    return tf.where(total[..., 0] > 0, value, tf.zeros_like(value))
